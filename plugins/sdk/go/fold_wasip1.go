//go:build wasip1 && hookgate_fold

package hookgate

import "hookgate/internal/bridge"

//go:wasmexport hookgate:plugin/fold@1.0.0#fold
func exportedFold(events uint32) uint32 {
	earlier, later := readEvent(reader(events)), readEvent(reader(events+eventBytes))
	inputsTaken()
	answer, err := bridge.Registered["fold"](earlier, later)
	w := newWriter(8 + eventBytes)
	if err != nil {
		return w.failure(8, err)
	}
	w.at(8).event(answer.(Event))
	return handOver(w.base)
}

//go:wasmexport cabi_post_hookgate:plugin/fold@1.0.0#fold
func afterFold(uint32) { resultRead() }
