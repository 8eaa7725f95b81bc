package hookgate

import (
	"bytes"
	"encoding/json"
	"io"
)

// JSON gives v as JSON without spaces, with <, > and & as they are. Members of maps come in
// the order of their names, so the same value gives the same bytes.
func JSON(v any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, UnusableEvent("the answer has no JSON form: %v", err)
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// MaxDepth bounds the levels of arrays and objects that are read. A component's stack is small,
// and data that is nested deeper would end the instance instead of the call.
const MaxDepth = 128

func readJSON(data []byte, v any, what string) error {
	if isTooDeep(data) {
		return UnusableEvent("%s has more than %d levels of arrays and objects", what, MaxDepth)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decodeAll(decoder, v); err != nil {
		return UnusableEvent("%s is not the JSON that was expected: %v", what, err)
	}
	return nil
}

func isTooDeep(data []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++
		case !inString && (c == '[' || c == '{'):
			depth++
			if depth > MaxDepth {
				return true
			}
		case !inString && (c == ']' || c == '}'):
			depth--
		}
	}
	return false
}

// decodeAll reads one value and refuses anything after it.
func decodeAll(decoder *json.Decoder, v any) error {
	if err := decoder.Decode(v); err != nil {
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errMore
	}
	return nil
}

const errMore = text("there is more after the value")

type text string

func (t text) Error() string { return string(t) }
