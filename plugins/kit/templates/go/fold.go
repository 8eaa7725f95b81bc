// Merges waiting events of one key: the ids of all, in the order of arrival.
package main

import (
	"encoding/json"

	"hookgate"
)

// Data is the data; raw messages keep their text, digit by digit.
type Data struct {
	IDs []json.RawMessage `json:"ids"`
}

func fold(earlier, later hookgate.Event, _ hookgate.NoConfig) (hookgate.Event, error) {
	first, err := ids(earlier)
	if err != nil {
		return later, err
	}
	second, err := ids(later)
	if err != nil {
		return later, err
	}
	return later.WithJSON(Data{append(first, second...)}), nil
}

func ids(event hookgate.Event) ([]json.RawMessage, error) {
	var data Data
	if err := event.JSON(&data); err != nil || data.IDs == nil {
		return nil, hookgate.UnusableEvent("the data has no list of ids")
	}
	return data.IDs, nil
}

func init() { hookgate.Fold(fold) }

func main() {}
