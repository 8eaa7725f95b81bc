package hookgate

import (
	"errors"
	"fmt"
)

// Failure says why a plugin could not do its work. Hookgate records the text, up to 1 KiB.
// Any other error that a plugin returns is an UnusableEvent with that error's text.
type Failure struct {
	Kind FailureKind
	Text string
}

// FailureKind decides what becomes of the delivery.
type FailureKind uint8

const (
	// FailureInvalidConfig parks the delivery for the subscription's owner.
	FailureInvalidConfig FailureKind = iota
	// FailureUnusableEvent leaves it to the subscription's on_error.
	FailureUnusableEvent
	// FailureAgainLater tries the event again by the retry schedule.
	FailureAgainLater
)

// Error gives the text.
func (failure *Failure) Error() string { return failure.Text }

// InvalidConfig says that the subscription's config is wrong: its owner has to act.
func InvalidConfig(format string, args ...any) error {
	return &Failure{FailureInvalidConfig, fmt.Sprintf(format, args...)}
}

// UnusableEvent says that this event can't be handled, now or later.
func UnusableEvent(format string, args ...any) error {
	return &Failure{FailureUnusableEvent, fmt.Sprintf(format, args...)}
}

// AgainLater asks to be given this event again by the subscription's retry schedule.
func AgainLater(format string, args ...any) error {
	return &Failure{FailureAgainLater, fmt.Sprintf(format, args...)}
}

// asFailure gives the kind of the Failure that err is or wraps, and the whole text of err.
func asFailure(err error) *Failure {
	var failure *Failure
	if errors.As(err, &failure) {
		return &Failure{failure.Kind, err.Error()}
	}
	return &Failure{FailureUnusableEvent, err.Error()}
}
