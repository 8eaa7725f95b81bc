package main

import (
	"testing"

	"hookgate"
	"hookgate/hookgatetest"
)

func TestATokenIsComparedToItsEnd(t *testing.T) {
	cases := map[string]hookgate.ReceptionKind{
		"s3cret": hookgate.ReceptionAccepted,
		"s3cre":  hookgate.ReceptionRejected,
		"s3creT": hookgate.ReceptionRejected,
	}
	for token, want := range cases {
		request := hookgatetest.Request(`{}`,
			hookgate.Attribute{Name: "x-token", Value: token},
			hookgate.Attribute{Name: "x-event", Value: "order.placed"})
		request.Secret = "s3cret"
		reception, err := hookgatetest.Receiver(request, `{}`)
		if err != nil || reception.Kind != want {
			t.Errorf("%s: got %+v, %v", token, reception, err)
		}
	}
}
