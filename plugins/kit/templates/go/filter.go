// Lets events of one status pass.
package main

import (
	"errors"

	"hookgate"
)

// Config is what a subscription has to set.
type Config struct {
	// The wanted value of the data's member status.
	Status string `json:"status"`
}

// Validate refuses a config without a status.
func (config *Config) Validate() error {
	if config.Status == "" {
		return errors.New("status: missing")
	}
	return nil
}

// Data is what is read of the data.
type Data struct {
	Status string `json:"status"`
}

func accepts(event hookgate.Event, config Config) (bool, error) {
	var data Data
	err := event.JSON(&data)
	return data.Status == config.Status, err
}

func init() { hookgate.Filter(accepts) }

func main() {}
