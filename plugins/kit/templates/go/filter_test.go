package main

import (
	"testing"

	"hookgate/hookgatetest"
)

func TestOnlyTheWantedStatusPasses(t *testing.T) {
	for data, want := range map[string]bool{`{"status":"paid"}`: true, `{"status":"open"}`: false} {
		got, err := hookgatetest.Filter(hookgatetest.Event(data), `{"status": "paid"}`)
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v", data, got, err)
		}
	}
}
