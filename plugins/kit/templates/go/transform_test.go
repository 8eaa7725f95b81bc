package main

import (
	"testing"

	"hookgate/hookgatetest"
)

func TestTheTypeAndTheIDGoOn(t *testing.T) {
	verdict, err := hookgatetest.Transform(hookgatetest.Event(`{"id": 7.0, "total": 3}`), `{}`)
	if err != nil || string(verdict.Data) != `{"type":"test.event","id":7.0}` {
		t.Errorf("got %+v, %v", verdict, err)
	}
}

func TestAnEventWithoutIDIsDropped(t *testing.T) {
	verdict, err := hookgatetest.Transform(hookgatetest.Event(`{"total": 7}`), `{}`)
	if err != nil || verdict.Reason != "the data has no id" {
		t.Errorf("got %+v, %v", verdict, err)
	}
}
