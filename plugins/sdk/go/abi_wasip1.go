//go:build wasip1

package hookgate

// How values cross between Hookgate and a plugin: the canonical ABI of the component model.
//
// Go's collector does not move what it has allocated, so blocks handed to the host stay where
// they are as long as something here refers to them. Strings and bytes of an input are used in
// place, without another copy; the collector frees them when the author lets go of them.

import (
	"time"
	"unicode/utf8"
	"unsafe"
)

// pending holds blocks that the host is filling for the next call.
var pending []unsafe.Pointer

// result holds what the host is reading, until it says that it is done.
var result []unsafe.Pointer

//go:wasmexport cabi_realloc
func cabiRealloc(old, oldSize, align, size uint32) uint32 {
	if size == 0 {
		return align
	}
	block := newBlock(size)
	if oldSize > 0 {
		copy(bytesAt(address(block), size), bytesAt(old, min(oldSize, size)))
	}
	pending = append(pending, block)
	return address(block)
}

// newBlock gives memory aligned for the largest values of the contract.
func newBlock(size uint32) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(make([]byte, (size+7)&^7)))
}

func address(block unsafe.Pointer) uint32 { return uint32(uintptr(block)) }

// inputsTaken forgets the blocks of an input: what the author sees of them refers to them.
func inputsTaken() {
	clear(pending)
	pending = pending[:0]
}

// handOver keeps block until the host has read it.
func handOver(block unsafe.Pointer) uint32 {
	result = append(result, block)
	return address(block)
}

// resultRead is what the host calls after each result.
func resultRead() {
	clear(result)
	result = result[:0]
}

//go:nocheckptr
func pointer(at uint32) unsafe.Pointer { return unsafe.Pointer(uintptr(at)) }

func bytesAt(at, length uint32) []byte {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(at)), length)
}

func stringAt(at, length uint32) string {
	if length == 0 {
		return ""
	}
	return unsafe.String((*byte)(pointer(at)), length)
}

// reader takes a record's fields out of memory.
type reader uint32

func (base reader) u8(offset uint32) uint8   { return *(*uint8)(pointer(uint32(base) + offset)) }
func (base reader) u32(offset uint32) uint32 { return *(*uint32)(pointer(uint32(base) + offset)) }
func (base reader) u64(offset uint32) uint64 { return *(*uint64)(pointer(uint32(base) + offset)) }

func (base reader) string(offset uint32) string {
	return stringAt(base.u32(offset), base.u32(offset+4))
}

func (base reader) bytes(offset uint32) []byte {
	return bytesAt(base.u32(offset), base.u32(offset+4))
}

// optional reads an option of a string; none is the empty string.
func (base reader) optional(offset uint32) string {
	if base.u8(offset) == 0 {
		return ""
	}
	return base.string(offset + 4)
}

func (base reader) attributes(offset uint32) []Attribute {
	return attributesAt(base.u32(offset), base.u32(offset+4))
}

func attributesAt(at, count uint32) []Attribute {
	if count == 0 {
		return nil
	}
	attributes := make([]Attribute, count)
	for i := range attributes {
		each := reader(at + uint32(i)*16)
		attributes[i] = Attribute{each.string(0), each.string(8)}
	}
	return attributes
}

// writer puts a record's fields into memory.
type writer struct{ base unsafe.Pointer }

func newWriter(size uint32) writer { return writer{newBlock(size)} }

func (w writer) at(offset uint32) writer         { return writer{unsafe.Add(w.base, offset)} }
func (w writer) u8(offset uint32, value uint8)   { *(*uint8)(unsafe.Add(w.base, offset)) = value }
func (w writer) u16(offset uint32, value uint16) { *(*uint16)(unsafe.Add(w.base, offset)) = value }
func (w writer) u32(offset uint32, value uint32) { *(*uint32)(unsafe.Add(w.base, offset)) = value }
func (w writer) u64(offset uint32, value uint64) { *(*uint64)(unsafe.Add(w.base, offset)) = value }

func (w writer) bytes(offset uint32, value []byte) {
	if len(value) > 0 {
		w.u32(offset, handOver(unsafe.Pointer(unsafe.SliceData(value))))
	} else {
		w.u32(offset, 1)
	}
	w.u32(offset+4, uint32(len(value)))
}

// string writes text in valid UTF-8, as anything else would end the instance.
func (w writer) string(offset uint32, value string) {
	if !utf8.ValidString(value) {
		value = string([]rune(value))
	}
	w.bytes(offset, unsafe.Slice(unsafe.StringData(value), len(value)))
}

func (w writer) optional(offset uint32, value string, isThere bool) {
	if isThere {
		w.u8(offset, 1)
		w.string(offset+4, value)
	}
}

func (w writer) attributes(offset uint32, values []Attribute) {
	if len(values) == 0 {
		w.u32(offset, 8)
		return
	}
	list := newWriter(uint32(len(values)) * 16)
	for i, value := range values {
		list.string(uint32(i)*16, value.Name)
		list.string(uint32(i)*16+8, value.Value)
	}
	w.u32(offset, handOver(list.base))
	w.u32(offset+4, uint32(len(values)))
}

// failure writes the error side of a result, whose payload starts at offset.
func (w writer) failure(offset uint32, err error) uint32 {
	failure := asFailure(err)
	w.u8(0, 1)
	w.u8(offset, uint8(failure.Kind))
	w.string(offset+4, failure.Text)
	return handOver(w.base)
}

const eventBytes = 96

func readEvent(base reader) Event {
	return Event{
		ID:          base.string(0),
		Source:      base.string(8),
		Type:        base.string(16),
		Subject:     base.optional(24),
		Time:        time.UnixMilli(int64(base.u64(40))).UTC(),
		Tenant:      base.string(48),
		Key:         base.optional(56),
		ContentType: base.string(68),
		Data:        base.bytes(76),
		Attributes:  base.attributes(84),
		hasSubject:  base.u8(24) != 0,
		hasKey:      base.u8(56) != 0,
	}
}

func (w writer) event(event Event) {
	w.string(0, event.ID)
	w.string(8, event.Source)
	w.string(16, event.Type)
	w.optional(24, event.Subject, event.HasSubject())
	w.u64(40, uint64(event.Time.UnixMilli()))
	w.string(48, event.Tenant)
	w.optional(56, event.Key, event.HasKey())
	w.string(68, event.ContentType)
	w.bytes(76, event.Data)
	w.attributes(84, event.Attributes)
}
