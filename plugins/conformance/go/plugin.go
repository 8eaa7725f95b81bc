// Does what its config says: the table in the README beside this folder.
package main

import (
	"encoding/json"

	"hookgate"
)

// Config names the thing to do, and a text for it.
type Config struct {
	Do   string `json:"do"`
	Text string `json:"text"`
}

// fail gives the failure that the config names; another name is a wrong config.
func (config Config) fail() error {
	switch config.Do {
	case "invalid-config":
		return hookgate.InvalidConfig("%s", config.Text)
	case "unusable-event":
		return hookgate.UnusableEvent("%s", config.Text)
	case "again-later":
		return hookgate.AgainLater("%s", config.Text)
	}
	return hookgate.InvalidConfig("do: %s is nothing that can be done here", config.Do)
}

func handle(event hookgate.Event, config Config) (hookgate.Verdict, error) {
	switch config.Do {
	case "pass":
		return hookgate.Pass(), nil
	case "drop":
		return hookgate.Drop(config.Text), nil
	case "echo":
		return hookgate.ReplaceBytes(event.Data), nil
	case "replace":
		return hookgate.ReplaceBytes([]byte(config.Text)), nil
	case "deliver":
		message := hookgate.Message{ContentType: "text/plain", Body: event.Data}
		message = message.WithHeader("x-type", event.Type).WithHeader("x-text", config.Text)
		return hookgate.Deliver(message), nil
	case "link":
		return hookgate.ReplaceBytes([]byte(hookgate.DataURL())), nil
	case "fields":
		return hookgate.Replace(fieldsOf(event)), nil
	case "member":
		var data struct {
			Value json.RawMessage `json:"value"`
		}
		err := event.JSON(&data)
		return hookgate.ReplaceBytes(data.Value), err
	case "log":
		hookgate.LogDebug("%s", config.Text)
		hookgate.LogInfo("%s", config.Text)
		hookgate.LogWarn("%s", config.Text)
		hookgate.LogError("%s", config.Text)
		return hookgate.Pass(), nil
	}
	return hookgate.Verdict{}, config.fail()
}

func fieldsOf(event hookgate.Event) map[string]any {
	attributes := [][2]string{}
	for _, attribute := range event.Attributes {
		attributes = append(attributes, [2]string{attribute.Name, attribute.Value})
	}
	return map[string]any{
		"id":           event.ID,
		"source":       event.Source,
		"type":         event.Type,
		"subject":      orNull(event.Subject),
		"time_ms":      event.Time.UnixMilli(),
		"tenant":       event.Tenant,
		"key":          orNull(event.Key),
		"content_type": event.ContentType,
		"attributes":   attributes,
	}
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func accepts(_ hookgate.Event, config Config) (bool, error) {
	switch config.Do {
	case "accept":
		return true, nil
	case "refuse":
		return false, nil
	}
	return false, config.fail()
}

func fold(earlier, later hookgate.Event, config Config) (hookgate.Event, error) {
	if config.Do != "join" {
		return later, config.fail()
	}
	later.Data = append(earlier.Data, later.Data...)
	return later, nil
}

func receive(request hookgate.Request, config Config) (hookgate.Reception, error) {
	eventType := request.Header("X-Event")
	switch config.Do {
	case "accept":
		return hookgate.Accepted(hookgate.Draft{
			Type:        eventType,
			ID:          request.Header("x-id"),
			Subject:     request.Method + " " + request.Path,
			Key:         request.Query,
			Time:        request.ReceivedAt,
			ContentType: request.Header("content-type"),
			Data:        request.Body,
		}), nil
	case "nothing":
		return hookgate.Accepted(), nil
	case "bare":
		return hookgate.Accepted(hookgate.Draft{Type: eventType, Data: request.Body}), nil
	case "challenge":
		return hookgate.Challenge(hookgate.Response{Status: 202, Body: request.Body}), nil
	case "refuse":
		return hookgate.Rejected(config.Text), nil
	case "secret":
		if request.Secret == "" {
			return hookgate.Rejected("none"), nil
		}
		return hookgate.Rejected(request.Secret), nil
	}
	return hookgate.Reception{}, config.fail()
}

func init() {
	hookgate.Transform(handle)
	hookgate.Filter(accepts)
	hookgate.Fold(fold)
	hookgate.Receiver(receive)
}

func main() {}
