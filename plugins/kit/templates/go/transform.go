// Tells the receiver what happened to which id, and nothing else.
package main

import (
	"encoding/json"

	"hookgate"
)

// Config is what a subscription may set.
type Config struct {
	// Goes with every message.
	Note string `json:"note"`
}

// Data is what is read of the data; a raw message keeps its text, digit by digit.
type Data struct {
	ID json.RawMessage `json:"id"`
}

// Message is what the receiver gets.
type Message struct {
	Type string          `json:"type"`
	ID   json.RawMessage `json:"id"`
	Note string          `json:"note,omitempty"`
}

func handle(event hookgate.Event, config Config) (hookgate.Verdict, error) {
	var data Data
	if err := event.JSON(&data); err != nil {
		return hookgate.Verdict{}, err
	}
	if data.ID == nil {
		return hookgate.Drop("the data has no id"), nil
	}
	return hookgate.Replace(Message{event.Type, data.ID, config.Note}), nil
}

func init() { hookgate.Transform(handle) }

func main() {}
