// Package bridge is what the SDK, its entry points from Hookgate and its stand-ins for tests
// share. It knows no types of the contract, so that none of them depends on another.
package bridge

// Level is how loud a log line is, by its number in the contract.
type Level uint8

const (
	Debug Level = iota
	Info
	Warn
	Error
)

// Host is what a plugin can ask of Hookgate.
type Host interface {
	Log(level Level, text string)
	Config() string
	DataURL() string
}

// Hookgate answers the calls of a plugin. A component or a test puts itself here.
var Hookgate Host = nowhere{}

type nowhere struct{}

func (nowhere) Log(Level, string) {}
func (nowhere) Config() string    { return "{}" }
func (nowhere) DataURL() string   { return "https://hookgate.example/v1/events/evt_1/data?sig=test" }

// Call runs a function that the author registered: inputs and answer are of the SDK's types.
type Call func(inputs ...any) (any, error)

// Registered holds the author's functions by the name of their export.
var Registered = map[string]Call{}
