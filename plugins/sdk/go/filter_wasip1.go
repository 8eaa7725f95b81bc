//go:build wasip1 && hookgate_filter

package hookgate

import "hookgate/internal/bridge"

//go:wasmexport hookgate:plugin/filter@1.0.0#accepts
func exportedAccepts(event uint32) uint32 {
	input := readEvent(reader(event))
	inputsTaken()
	answer, err := bridge.Registered["filter"](input)
	w := newWriter(16)
	if err != nil {
		return w.failure(4, err)
	}
	if answer.(bool) {
		w.u8(4, 1)
	}
	return handOver(w.base)
}

//go:wasmexport cabi_post_hookgate:plugin/filter@1.0.0#accepts
func afterAccepts(uint32) { resultRead() }
