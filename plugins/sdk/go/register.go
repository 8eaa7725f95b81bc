package hookgate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"

	"hookgate/internal/bridge"
)

// NoConfig is the config of a plugin that has none: only {} is accepted.
type NoConfig struct{}

// Validator is what a config may implement to be checked further, once for each instance. The
// error's text is what the subscription's owner reads.
type Validator interface {
	Validate() error
}

// Transform registers the function that changes, replaces or drops events. Call it in an init
// function. It is called once for each event that the subscription matches.
//
// C is read strictly from the subscription's config: members that it does not have are refused.
func Transform[C any](handle func(event Event, config C) (Verdict, error)) {
	config := configOf[C]{}
	registerTransform(func(inputs ...any) (any, error) {
		c, err := config.read()
		if err != nil {
			return nil, err
		}
		verdict, err := handle(inputs[0].(Event), c)
		if err == nil && verdict.Kind == 0 {
			err = UnusableEvent("no verdict was returned: return Pass, Drop, Replace or Deliver")
		}
		return verdict, either(err, verdict.err)
	})
}

// Filter registers the function that says whether a subscription wants an event: true lets it
// on, false drops the delivery. It is asked before the transform of the same plugin.
func Filter[C any](accepts func(event Event, config C) (bool, error)) {
	config := configOf[C]{}
	registerFilter(func(inputs ...any) (any, error) {
		c, err := config.read()
		if err != nil {
			return nil, err
		}
		return accepts(inputs[0].(Event), c)
	})
}

// Fold registers the function that gives the event to deliver instead of both. Called in order
// of arrival: earlier is the result so far. ID, source, type, tenant and key of the result are
// those of later, whatever is returned in them.
func Fold[C any](fold func(earlier, later Event, config C) (Event, error)) {
	config := configOf[C]{}
	registerFold(func(inputs ...any) (any, error) {
		c, err := config.read()
		if err != nil {
			return nil, err
		}
		folded, err := fold(inputs[0].(Event), inputs[1].(Event), c)
		return folded, either(err, folded.err)
	})
}

// Receiver registers the function that takes a provider's webhooks: verifies them and turns
// them into events. Called once for each request, before it is answered.
func Receiver[C any](receive func(request Request, config C) (Reception, error)) {
	config := configOf[C]{}
	registerReceiver(func(inputs ...any) (any, error) {
		c, err := config.read()
		if err != nil {
			return nil, err
		}
		reception, err := receive(inputs[0].(Request), c)
		if err == nil && reception.Kind == 0 {
			err = UnusableEvent("no reception was returned: return Accepted, Challenge or Rejected")
		}
		for _, draft := range reception.Drafts {
			err = either(err, draft.err)
		}
		return reception, err
	})
}

// The build looks for these names in the module, to tell what the source exports.

//go:noinline
func registerTransform(call bridge.Call) { register("transform", call) }

//go:noinline
func registerFilter(call bridge.Call) { register("filter", call) }

//go:noinline
func registerFold(call bridge.Call) { register("fold", call) }

//go:noinline
func registerReceiver(call bridge.Call) { register("receiver", call) }

func register(name string, call bridge.Call) {
	if _, known := bridge.Registered[name]; known {
		panic("a plugin has one " + name + ", and there are two")
	}
	bridge.Registered[name] = guarded(call)
}

// guarded makes every error a Failure, and every panic an error. A panic leaves its place in
// the log, as the text alone seldom tells.
func guarded(call bridge.Call) bridge.Call {
	return func(inputs ...any) (answer any, err error) {
		defer func() {
			if cause := recover(); cause != nil {
				LogError("panic: %v%s", cause, places())
				answer, err = nil, UnusableEvent("panic: %v", cause)
			}
		}()
		answer, err = call(inputs...)
		if err != nil {
			return nil, asFailure(err)
		}
		return answer, nil
	}
}

// places names up to three of the author's own lines that led to a panic, innermost first.
func places() string {
	var callers [32]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers[:])])
	var places strings.Builder
	for found := 0; found < 3; {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "main.") {
			file := frame.File[strings.LastIndexByte(frame.File, '/')+1:]
			fmt.Fprintf(&places, ", in %s (%s, line %d)", frame.Function[5:], file, frame.Line)
			found++
		}
		if !more {
			break
		}
	}
	return places.String()
}

// configOf is a config that is parsed once for each instance, as its text stays the same.
type configOf[C any] struct {
	isRead bool
	text   string
	value  C
	err    error
}

func (config *configOf[C]) read() (C, error) {
	text := bridge.Hookgate.Config()
	if !config.isRead || config.text != text {
		config.isRead, config.text = true, text
		config.value, config.err = parseConfig[C](text)
	}
	return config.value, config.err
}

func parseConfig[C any](text string) (C, error) {
	var value C
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decodeAll(decoder, &value); err != nil {
		return value, InvalidConfig("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if validator, ok := any(&value).(Validator); ok {
		if err := validator.Validate(); err != nil {
			return value, InvalidConfig("%s", err)
		}
	}
	return value, nil
}

func either(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
