package hookgate

import (
	"strings"
	"time"
)

// Request is a request as it arrived at the address of a source.
type Request struct {
	// Upper case, for example POST.
	Method string
	// What follows the source's own address, at least a slash.
	Path string
	// Without the question mark, still encoded; empty where there is none.
	Query string
	// In the order of arrival, names in lower case.
	Headers []Attribute
	// The bytes that a signature covers.
	Body []byte
	// The source's secret; empty where none was set.
	Secret string
	// When the request arrived: what to compare a signed timestamp with.
	ReceivedAt time.Time
}

// Header gives the first value of the header name, in any case of letters; empty where the
// request has none.
func (request Request) Header(name string) string {
	value, _ := find(request.Headers, strings.ToLower(name))
	return value
}

// JSON reads the body into what v points to, as Event.JSON does.
func (request Request) JSON(v any) error { return readJSON(request.Body, v, "body") }

// Draft is an event to be stored. What is left empty, Hookgate fills in.
type Draft struct {
	// In dotted words, for example invoice.paid.
	Type string
	// The provider's ID, so that its repeats are known as repeats.
	ID      string
	Subject string
	Key     string
	// When it happened; the zero time is the time of arrival.
	Time time.Time
	// Media type of Data; empty is application/json.
	ContentType string
	Data        []byte

	err error
}

// JSONDraft gives an event of this type with v, as JSON, as its data. Where v has no JSON form,
// the call fails when the draft is returned.
func JSONDraft(eventType string, v any) Draft {
	data, err := JSON(v)
	return Draft{Type: eventType, ContentType: contentTypeJSON, Data: data, err: err}
}

// Response is an answer that the provider waits for.
type Response struct {
	// An HTTP status; zero is 200.
	Status uint16
	// Media type of Body; empty is text/plain.
	ContentType string
	Body        []byte
}

// Reception says what a request turned out to be. Make one by Accepted, Challenge or Rejected;
// the fields are there for tests to read.
type Reception struct {
	Kind ReceptionKind
	// Of an accepted request.
	Drafts []Draft
	// Of a challenge.
	Response Response
	// Of a rejected request.
	Reason string
}

// ReceptionKind tells receptions apart. The zero value is none, and a call that ends with it
// fails.
type ReceptionKind uint8

const (
	ReceptionAccepted ReceptionKind = iota + 1
	ReceptionChallenge
	ReceptionRejected
)

// Accepted says that the request is genuine: these events, none or more, are stored, and the
// provider gets a 2xx.
func Accepted(drafts ...Draft) Reception {
	return Reception{Kind: ReceptionAccepted, Drafts: drafts}
}

// Challenge gives the provider this answer and stores nothing.
func Challenge(response Response) Reception {
	return Reception{Kind: ReceptionChallenge, Response: response}
}

// Rejected says that the request is not genuine, or not readable: the provider gets a 4xx. The
// reason stays with Hookgate.
func Rejected(reason string) Reception {
	return Reception{Kind: ReceptionRejected, Reason: reason}
}
