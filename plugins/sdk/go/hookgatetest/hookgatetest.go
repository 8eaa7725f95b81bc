// Package hookgatetest stands in for Hookgate in a plugin's own tests, which run natively.
//
// A plugin's functions are plain functions, and most tests just call them. The functions here
// go the way of production instead: the config is read, errors and panics become failures.
//
//	func TestLargeDataIsDropped(t *testing.T) {
//		verdict, err := hookgatetest.Transform(hookgatetest.Event(`[1,2]`), `{"max_data_bytes": 2}`)
//		if err != nil || verdict.Reason != "the data is too large" {
//			t.Errorf("got %+v, %v", verdict, err)
//		}
//	}
//
// Tests that use this package must not run in parallel: the host is one for all.
package hookgatetest

import (
	"errors"
	"time"

	"hookgate"
	"hookgate/internal/bridge"
)

// Event gives an event of type test.event with these bytes as its JSON data.
func Event(data string) hookgate.Event {
	return hookgate.Event{
		ID:          "evt_1",
		Source:      "test",
		Type:        "test.event",
		Time:        time.UnixMilli(1_700_000_000_000).UTC(),
		Tenant:      "default",
		ContentType: "application/json",
		Data:        []byte(data),
	}
}

// Request gives a POST to / with this body. Names of headers are in lower case in production.
func Request(body string, headers ...hookgate.Attribute) hookgate.Request {
	return hookgate.Request{
		Method:     "POST",
		Path:       "/",
		Headers:    headers,
		Body:       []byte(body),
		ReceivedAt: time.UnixMilli(1_700_000_000_000).UTC(),
	}
}

// Transform calls the registered transform. An error is always a *hookgate.Failure.
func Transform(event hookgate.Event, config string) (hookgate.Verdict, error) {
	return run[hookgate.Verdict]("transform", config, event)
}

// Filter calls the registered filter. An error is always a *hookgate.Failure.
func Filter(event hookgate.Event, config string) (bool, error) {
	return run[bool]("filter", config, event)
}

// Fold calls the registered fold. An error is always a *hookgate.Failure.
func Fold(earlier, later hookgate.Event, config string) (hookgate.Event, error) {
	return run[hookgate.Event]("fold", config, earlier, later)
}

// Receiver calls the registered receiver. An error is always a *hookgate.Failure.
func Receiver(request hookgate.Request, config string) (hookgate.Reception, error) {
	return run[hookgate.Reception]("receiver", config, request)
}

// SetDataURL sets what hookgate.DataURL gives from now on.
func SetDataURL(url string) { stand.dataURL = url }

// TakeLog gives the lines logged so far, such as "info: 3 members kept", and empties them.
func TakeLog() []string {
	lines := stand.lines
	stand.lines = nil
	return lines
}

var stand = &standIn{
	config:  "{}",
	dataURL: "https://hookgate.example/v1/events/evt_1/data?sig=test",
}

type standIn struct {
	config, dataURL string
	lines           []string
}

func init() { bridge.Hookgate = stand }

func (s *standIn) Config() string  { return s.config }
func (s *standIn) DataURL() string { return s.dataURL }

func (s *standIn) Log(level bridge.Level, text string) {
	name := [...]string{"debug", "info", "warn", "error"}[level]
	s.lines = append(s.lines, name+": "+text)
}

func run[T any](name, config string, inputs ...any) (T, error) {
	var none T
	call, known := bridge.Registered[name]
	if !known {
		return none, errors.New("no " + name + " is registered: call it in an init function, as in hookgate.Transform(handle)")
	}
	stand.config = config
	answer, err := call(inputs...)
	if err != nil {
		return none, err
	}
	return answer.(T), nil
}
