//go:build wasip1 && hookgate_receiver

package hookgate

import (
	"time"

	"hookgate/internal/bridge"
)

const draftBytes = 80

//go:wasmexport hookgate:plugin/receiver@1.0.0#receive
func exportedReceive(
	method, methodLength, path, pathLength, query, queryLength, headers, headerCount uint32,
	body, bodyLength, hasSecret, secret, secretLength uint32, receivedMS uint64,
) uint32 {
	request := Request{
		Method:     stringAt(method, methodLength),
		Path:       stringAt(path, pathLength),
		Query:      stringAt(query, queryLength),
		Headers:    attributesAt(headers, headerCount),
		Body:       bytesAt(body, bodyLength),
		ReceivedAt: time.UnixMilli(int64(receivedMS)).UTC(),
	}
	if hasSecret != 0 {
		request.Secret = stringAt(secret, secretLength)
	}
	inputsTaken()
	answer, err := bridge.Registered["receiver"](request)
	w := newWriter(28)
	if err != nil {
		return w.failure(4, err)
	}
	w.reception(answer.(Reception))
	return handOver(w.base)
}

//go:wasmexport cabi_post_hookgate:plugin/receiver@1.0.0#receive
func afterReceive(uint32) { resultRead() }

func (w writer) reception(reception Reception) {
	w.u8(4, uint8(reception.Kind)-1)
	switch reception.Kind {
	case ReceptionAccepted:
		w.drafts(8, reception.Drafts)
	case ReceptionChallenge:
		response := reception.Response
		if response.Status == 0 {
			response.Status = 200
		}
		if response.ContentType == "" {
			response.ContentType = "text/plain"
		}
		w.u16(8, response.Status)
		w.string(12, response.ContentType)
		w.bytes(20, response.Body)
	case ReceptionRejected:
		w.string(8, reception.Reason)
	}
}

func (w writer) drafts(offset uint32, drafts []Draft) {
	if len(drafts) == 0 {
		w.u32(offset, 8)
		return
	}
	list := newWriter(uint32(len(drafts)) * draftBytes)
	for i, draft := range drafts {
		each := list.at(uint32(i) * draftBytes)
		each.string(0, draft.Type)
		each.optional(8, draft.ID, draft.ID != "")
		each.optional(20, draft.Subject, draft.Subject != "")
		each.optional(32, draft.Key, draft.Key != "")
		if !draft.Time.IsZero() {
			each.u8(48, 1)
			each.u64(56, uint64(draft.Time.UnixMilli()))
		}
		each.string(64, orJSON(draft.ContentType))
		each.bytes(72, draft.Data)
	}
	w.u32(offset, handOver(list.base))
	w.u32(offset+4, uint32(len(drafts)))
}
