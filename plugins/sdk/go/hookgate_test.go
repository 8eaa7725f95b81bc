package hookgate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"hookgate"
	"hookgate/hookgatetest"
)

type config struct {
	What string `json:"what"`
	Max  int    `json:"max"`
}

func (c *config) Validate() error {
	if c.Max < 0 {
		return fmt.Errorf("max: %d is less than 0", c.Max)
	}
	return nil
}

// transform does what the config says, so that one registered function serves all tests.
func transform(event hookgate.Event, c config) (hookgate.Verdict, error) {
	switch c.What {
	case "drop":
		return hookgate.Drop("no"), nil
	case "echo":
		var v any
		if err := event.JSON(&v); err != nil {
			return hookgate.Verdict{}, err
		}
		return hookgate.Replace(v), nil
	case "link":
		hookgate.LogInfo("%d link", 1)
		message := hookgate.JSONMessage(map[string]string{"url": hookgate.DataURL()})
		return hookgate.Deliver(message.WithHeader("x-kind", "link")), nil
	case "channel":
		return hookgate.Replace(make(chan int)), nil
	case "nothing":
		return hookgate.Verdict{}, nil
	case "panic":
		panic("oh")
	case "wrapped":
		return hookgate.Verdict{}, fmt.Errorf("asked: %w", hookgate.AgainLater("not yet"))
	case "plain":
		return hookgate.Verdict{}, errors.New("odd")
	}
	return hookgate.Pass(), nil
}

func init() {
	hookgate.Transform(transform)
	hookgate.Filter(func(event hookgate.Event, c hookgate.NoConfig) (bool, error) {
		_, found := event.Attribute("wanted")
		return found, nil
	})
	hookgate.Fold(func(earlier, later hookgate.Event, _ hookgate.NoConfig) (hookgate.Event, error) {
		return later.WithJSON([]json.RawMessage{earlier.Data, later.Data}), nil
	})
	hookgate.Receiver(func(request hookgate.Request, _ hookgate.NoConfig) (hookgate.Reception, error) {
		if request.Header("X-Kind") != "push" {
			return hookgate.Rejected("no push"), nil
		}
		return hookgate.Accepted(hookgate.JSONDraft("push", string(request.Body))), nil
	})
}

func TestVerdictsCarryWhatTheFunctionGave(t *testing.T) {
	cases := []struct {
		what, data string
		want       hookgate.Verdict
	}{
		{"", "{}", hookgate.Pass()},
		{"drop", "{}", hookgate.Drop("no")},
		{"echo", `{"b":1.0,"a":[1e5,12345678901234567890,"<é>"]}`,
			hookgate.ReplaceBytes([]byte(`{"a":[1e5,12345678901234567890,"<é>"],"b":1.0}`))},
		{"link", "{}", hookgate.Deliver(hookgate.Message{
			ContentType: "application/json",
			Body:        []byte(`{"url":"https://hookgate.example/1"}`),
			Headers:     []hookgate.Attribute{{Name: "x-kind", Value: "link"}},
		})},
	}
	hookgatetest.SetDataURL("https://hookgate.example/1")
	for _, c := range cases {
		got, err := hookgatetest.Transform(hookgatetest.Event(c.data), `{"what":"`+c.what+`"}`)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v", c.what, got, err)
		}
	}
	if lines := hookgatetest.TakeLog(); !reflect.DeepEqual(lines, []string{"info: 1 link"}) {
		t.Errorf("logged %q", lines)
	}
}

func TestWhatGoesWrongBecomesAFailure(t *testing.T) {
	deep := strings.Repeat("[", hookgate.MaxDepth+1)
	cases := []struct {
		config, data string
		kind         hookgate.FailureKind
		text         string
	}{
		{`{"what":`, "{}", hookgate.FailureInvalidConfig, "unexpected EOF"},
		{`{"wat":1}`, "{}", hookgate.FailureInvalidConfig, `unknown field "wat"`},
		{`{"max":"1"}`, "{}", hookgate.FailureInvalidConfig, "max"},
		{`{"max":-1}`, "{}", hookgate.FailureInvalidConfig, "max: -1 is less than 0"},
		{`{} {}`, "{}", hookgate.FailureInvalidConfig, "more after"},
		{`{"what":"echo"}`, "[1", hookgate.FailureUnusableEvent, "data is not the JSON"},
		{`{"what":"echo"}`, "", hookgate.FailureUnusableEvent, "unexpected EOF"},
		{`{"what":"echo"}`, deep, hookgate.FailureUnusableEvent, "more than 128 levels"},
		{`{"what":"channel"}`, "{}", hookgate.FailureUnusableEvent, "no JSON form"},
		{`{"what":"nothing"}`, "{}", hookgate.FailureUnusableEvent, "no verdict"},
		{`{"what":"panic"}`, "{}", hookgate.FailureUnusableEvent, "panic: oh"},
		{`{"what":"wrapped"}`, "{}", hookgate.FailureAgainLater, "asked: not yet"},
		{`{"what":"plain"}`, "{}", hookgate.FailureUnusableEvent, "odd"},
	}
	for _, c := range cases {
		_, err := hookgatetest.Transform(hookgatetest.Event(c.data), c.config)
		failure, ok := err.(*hookgate.Failure)
		if !ok || failure.Kind != c.kind || !strings.Contains(failure.Text, c.text) {
			t.Errorf("%s: got %#v", c.config, err)
		}
	}
	hookgatetest.TakeLog()
}

func TestBracketsInStringsAndBesideEachOtherAreNotDeep(t *testing.T) {
	data := `["\"` + strings.Repeat("[", 500) + `",` + strings.Repeat("{},", 500) + "1]"
	var v any
	if err := hookgatetest.Event(data).JSON(&v); err != nil {
		t.Error(err)
	}
}

func TestAFilterAFoldAndAReceiver(t *testing.T) {
	event := hookgatetest.Event("1")
	if wanted, err := hookgatetest.Filter(event, "{}"); wanted || err != nil {
		t.Errorf("got %v, %v", wanted, err)
	}
	event.Attributes = []hookgate.Attribute{{Name: "wanted", Value: ""}}
	if wanted, err := hookgatetest.Filter(event, "{}"); !wanted || err != nil {
		t.Errorf("got %v, %v", wanted, err)
	}
	if _, err := hookgatetest.Filter(event, `{"a":1}`); err == nil {
		t.Error("a config was taken that nobody reads")
	}
	folded, err := hookgatetest.Fold(event, hookgatetest.Event("2"), "{}")
	if err != nil || string(folded.Data) != "[1,2]" || !folded.Time.Equal(time.UnixMilli(1_700_000_000_000)) {
		t.Errorf("got %+v, %v", folded, err)
	}
	kind := hookgate.Attribute{Name: "x-kind", Value: "push"}
	reception, err := hookgatetest.Receiver(hookgatetest.Request("a", kind), "{}")
	if err != nil || len(reception.Drafts) != 1 || string(reception.Drafts[0].Data) != `"a"` {
		t.Errorf("got %+v, %v", reception, err)
	}
	reception, err = hookgatetest.Receiver(hookgatetest.Request("a"), "{}")
	if err != nil || reception.Reason != "no push" {
		t.Errorf("got %+v, %v", reception, err)
	}
}
