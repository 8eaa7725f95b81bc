package main

import (
	"testing"

	"hookgate/hookgatetest"
)

func TestIDsComeInTheOrderOfArrival(t *testing.T) {
	first, second := hookgatetest.Event(`{"ids":[1]}`), hookgatetest.Event(`{"ids":[2]}`)
	folded, err := hookgatetest.Fold(first, second, `{}`)
	if err != nil || string(folded.Data) != `{"ids":[1,2]}` {
		t.Errorf("got %s, %v", folded.Data, err)
	}
	if _, err := hookgatetest.Fold(first, hookgatetest.Event(`{"id":2}`), `{}`); err == nil {
		t.Error("an event without ids was folded")
	}
}
