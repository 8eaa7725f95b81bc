// Shows, by its config, everything that a plugin can answer: see ../README.md.
package main

import (
	"cmp"
	"time"

	"hookgate"
)

// Config is an action and what it says.
type Config struct {
	Do   string `json:"do"`
	Text string `json:"text"`
}

func (config Config) otherwise() error {
	switch config.Do {
	case "invalid-config":
		return hookgate.InvalidConfig("%s", config.Text)
	case "unusable-event":
		return hookgate.UnusableEvent("%s", config.Text)
	case "again-later":
		return hookgate.AgainLater("%s", config.Text)
	}
	return hookgate.InvalidConfig("no such action: %s", config.Do)
}

func handle(event hookgate.Event, config Config) (hookgate.Verdict, error) {
	switch config.Do {
	case "pass":
		return hookgate.Pass(), nil
	case "drop":
		return hookgate.Drop(config.Text), nil
	case "replace":
		return hookgate.ReplaceBytes([]byte(config.Text)), nil
	case "echo":
		return hookgate.ReplaceBytes(event.Data), nil
	case "deliver":
		message := hookgate.Message{ContentType: "text/plain; charset=utf-8", Body: []byte(config.Text)}
		return hookgate.Deliver(message.WithHeader("x-one", "1").WithHeader("x-two", "two words")), nil
	case "describe":
		return hookgate.Replace(described(event)), nil
	case "data-url":
		return hookgate.Replace(map[string]string{"url": hookgate.DataURL()}), nil
	case "log":
		hookgate.LogDebug("%s", config.Text)
		hookgate.LogInfo("%s", config.Text)
		hookgate.LogWarn("%s", config.Text)
		hookgate.LogError("%s", config.Text)
		return hookgate.Pass(), nil
	}
	return hookgate.Verdict{}, config.otherwise()
}

func described(event hookgate.Event) map[string]any {
	attributes := map[string]string{}
	for _, attribute := range event.Attributes {
		attributes[attribute.Name] = attribute.Value
	}
	return map[string]any{
		"id":           event.ID,
		"source":       event.Source,
		"type":         event.Type,
		"subject":      orNull(event.Subject, event.HasSubject()),
		"time_ms":      event.Time.UnixMilli(),
		"tenant":       event.Tenant,
		"key":          orNull(event.Key, event.HasKey()),
		"content_type": event.ContentType,
		"length":       len(event.Data),
		"attributes":   attributes,
	}
}

func orNull(text string, isThere bool) any {
	if !isThere {
		return nil
	}
	return text
}

func accepts(event hookgate.Event, config Config) (bool, error) {
	switch config.Do {
	case "yes":
		return true, nil
	case "no":
		return false, nil
	case "has-data":
		return len(event.Data) > 0, nil
	}
	return false, config.otherwise()
}

func fold(earlier, later hookgate.Event, config Config) (hookgate.Event, error) {
	switch config.Do {
	case "earlier":
		return earlier, nil
	case "later":
		return later, nil
	case "join":
		later.Data = append(earlier.Data, later.Data...)
		later.ContentType = cmp.Or(config.Text, later.ContentType)
		return later, nil
	}
	return later, config.otherwise()
}

func receive(request hookgate.Request, config Config) (hookgate.Reception, error) {
	switch config.Do {
	case "accept":
		return hookgate.Accepted(hookgate.Draft{
			Type:        config.Text,
			ID:          request.Header("X-Id"),
			Subject:     request.Path,
			Key:         request.Secret,
			Time:        request.ReceivedAt.Add(time.Millisecond),
			ContentType: cmp.Or(request.Header("content-type"), "application/octet-stream"),
			Data:        request.Body,
		}), nil
	case "accept-none":
		return hookgate.Accepted(), nil
	case "accept-two":
		draft := hookgate.Draft{Type: config.Text, ContentType: "text/plain"}
		first, second := draft, draft
		first.Data, second.Data = []byte("first"), []byte("second")
		return hookgate.Accepted(first, second), nil
	case "describe":
		return hookgate.Accepted(hookgate.JSONDraft("request.described", describedRequest(request))), nil
	case "challenge":
		return hookgate.Challenge(hookgate.Response{Status: 202, Body: []byte(request.Query)}), nil
	case "reject":
		return hookgate.Rejected(config.Text), nil
	}
	return hookgate.Reception{}, config.otherwise()
}

func describedRequest(request hookgate.Request) map[string]any {
	headers := [][2]string{}
	for _, header := range request.Headers {
		headers = append(headers, [2]string{header.Name, header.Value})
	}
	return map[string]any{
		"method":      request.Method,
		"path":        request.Path,
		"query":       request.Query,
		"headers":     headers,
		"length":      len(request.Body),
		"secret":      orNull(request.Secret, request.Secret != ""),
		"received_ms": request.ReceivedAt.UnixMilli(),
	}
}

func init() {
	hookgate.Transform(handle)
	hookgate.Filter(accepts)
	hookgate.Fold(fold)
	hookgate.Receiver(receive)
}

func main() {}
