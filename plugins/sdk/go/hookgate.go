// Package hookgate is for writing Hookgate plugins in Go.
//
// A plugin is a function of an event and a config. There is no clock, no network and no file,
// so what a test shows natively is what happens in production:
//
//	package main
//
//	import "hookgate"
//
//	type Config struct {
//		MaxDataBytes int `json:"max_data_bytes"`
//	}
//
//	func handle(event hookgate.Event, config Config) (hookgate.Verdict, error) {
//		if len(event.Data) > config.MaxDataBytes {
//			return hookgate.Drop("the data is too large"), nil
//		}
//		return hookgate.Pass(), nil
//	}
//
//	func init() { hookgate.Transform(handle) }
//
//	func main() {}
//
// Build it with `hookgate plugin build`. An error ends one call and becomes a failure with its
// text; so does a panic. What a plugin writes to standard output goes to the log.
package hookgate

import "hookgate/internal/bridge"

// DataURL gives a signed address that answers with the whole event until it expires: the claim
// check to put into a small message instead of the data. It differs from call to call.
func DataURL() string { return bridge.Hookgate.DataURL() }
