//go:build wasip1 && hookgate_transform

package hookgate

import "hookgate/internal/bridge"

//go:wasmexport hookgate:plugin/transform@1.0.0#handle
func exportedHandle(event uint32) uint32 {
	input := readEvent(reader(event))
	inputsTaken()
	answer, err := bridge.Registered["transform"](input)
	w := newWriter(32)
	if err != nil {
		return w.failure(4, err)
	}
	verdict := answer.(Verdict)
	w.u8(4, uint8(verdict.Kind)-1)
	switch verdict.Kind {
	case VerdictDrop:
		w.string(8, verdict.Reason)
	case VerdictReplace:
		w.bytes(8, verdict.Data)
	case VerdictDeliver:
		w.string(8, orJSON(verdict.Message.ContentType))
		w.bytes(16, verdict.Message.Body)
		w.attributes(24, verdict.Message.Headers)
	}
	return handOver(w.base)
}

//go:wasmexport cabi_post_hookgate:plugin/transform@1.0.0#handle
func afterHandle(uint32) { resultRead() }
