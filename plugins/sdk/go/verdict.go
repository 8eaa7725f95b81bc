package hookgate

// Verdict says what to do with the event once this plugin has seen it. Make one by Pass, Drop,
// Replace, ReplaceBytes or Deliver; the fields are there for tests to read.
type Verdict struct {
	Kind VerdictKind
	// Of a drop.
	Reason string
	// Of a replace.
	Data []byte
	// Of a deliver.
	Message Message

	err error
}

// VerdictKind tells verdicts apart. The zero value is none, and a call that ends with it fails.
type VerdictKind uint8

const (
	VerdictPass VerdictKind = iota + 1
	VerdictDrop
	VerdictReplace
	VerdictDeliver
)

// Pass delivers the event as it is. Nothing is copied back.
func Pass() Verdict { return Verdict{Kind: VerdictPass} }

// Drop finishes without delivering. The reason is recorded, and the event never retried.
func Drop(reason string) Verdict { return Verdict{Kind: VerdictDrop, Reason: reason} }

// Replace delivers v, as JSON, as the event's data; all else stays. Where v has no JSON form,
// the call fails.
func Replace(v any) Verdict {
	data, err := JSON(v)
	return Verdict{Kind: VerdictReplace, Data: data, err: err}
}

// ReplaceBytes delivers these bytes as the event's data; all else stays.
func ReplaceBytes(data []byte) Verdict { return Verdict{Kind: VerdictReplace, Data: data} }

// Deliver delivers this message instead of the event.
func Deliver(message Message) Verdict {
	return Verdict{Kind: VerdictDeliver, Message: message, err: message.err}
}

// Message is what to send instead of the event.
type Message struct {
	// Media type of Body; empty is application/json.
	ContentType string
	// What becomes the delivery's data.
	Body []byte
	// Added to the request. Names that Hookgate sets itself are refused.
	Headers []Attribute

	err error
}

// JSONMessage gives a message with v, as JSON, as its body. Where v has no JSON form, the call
// fails when the message is delivered.
func JSONMessage(v any) Message {
	body, err := JSON(v)
	return Message{ContentType: contentTypeJSON, Body: body, err: err}
}

// WithHeader gives the same message with one header more.
func (message Message) WithHeader(name, value string) Message {
	headers := append([]Attribute(nil), message.Headers...)
	message.Headers = append(headers, Attribute{name, value})
	return message
}

const contentTypeJSON = "application/json"

func orJSON(contentType string) string {
	if contentType == "" {
		return contentTypeJSON
	}
	return contentType
}
