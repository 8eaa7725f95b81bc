package hookgate

import (
	"time"
	"unicode/utf8"
)

// Event is one event, as its source sent it and as Hookgate stored it.
type Event struct {
	// Unique within its tenant and source. A retry carries the same ID.
	ID string
	// Where it comes from, for example shop/orders.
	Source string
	// What happened, in dotted words, for example invoice.paid.
	Type string
	// What it happened to; empty where the source does not say: see HasSubject.
	Subject string
	// When it happened, in UTC, to the millisecond.
	Time time.Time
	// Whose event it is.
	Tenant string
	// What keeps related events in order, for example a customer's number; empty where there
	// is none: see HasKey.
	Key string
	// Media type of Data, for example application/json.
	ContentType string
	// The stored bytes, untouched. After another plugin: that plugin's result.
	Data []byte
	// Extensions of the event, in the order of the source.
	Attributes []Attribute

	hasSubject, hasKey bool

	err error
}

// HasSubject tells an empty subject, which a source may send, from none.
func (event Event) HasSubject() bool { return event.hasSubject || event.Subject != "" }

// HasKey tells an empty key, which a source may send, from none.
func (event Event) HasKey() bool { return event.hasKey || event.Key != "" }

// Attribute is a name with its value: an extension of an event, or a header.
type Attribute struct {
	Name, Value string
}

// JSON reads the data into what v points to. Numbers read into an any are json.Number, which
// keeps their digits. The error is a Failure with the place of the mistake.
func (event Event) JSON(v any) error { return readJSON(event.Data, v, "data") }

// Text gives the data as text; an error where it is not UTF-8.
func (event Event) Text() (string, error) { return textOf(event.Data, "data") }

// Attribute gives the value of the extension name, and whether the event carries it.
func (event Event) Attribute(name string) (string, bool) { return find(event.Attributes, name) }

// WithJSON gives the same event with v as its data. Where v has no JSON form, the call fails
// when the event is returned.
func (event Event) WithJSON(v any) Event {
	event.Data, event.err = JSON(v)
	return event
}

func textOf(data []byte, what string) (string, error) {
	if !utf8.Valid(data) {
		return "", UnusableEvent("%s is not UTF-8", what)
	}
	return string(data), nil
}

func find(attributes []Attribute, name string) (string, bool) {
	for _, attribute := range attributes {
		if attribute.Name == name {
			return attribute.Value, true
		}
	}
	return "", false
}
