//go:build wasip1

package hookgate

// The calls to Hookgate. Standard output and the log package end here as well.

import (
	"log"
	"runtime/debug"
	"strings"
	"unicode/utf8"
	"unsafe"

	"hookgate/internal/bridge"
)

//go:wasmimport hookgate:plugin/host@1.0.0 log
func hostLog(level uint32, text unsafe.Pointer, length uint32)

//go:wasmimport hookgate:plugin/host@1.0.0 config
func hostConfig(result unsafe.Pointer)

//go:wasmimport hookgate:plugin/host@1.0.0 data-url
func hostDataURL(result unsafe.Pointer)

func init() {
	bridge.Hookgate = hostCalls{}
	// The runtime's last words fit into the log, and the trace that would follow does not.
	debug.SetTraceback("none")
	// There is no time to put before a line.
	log.SetFlags(0)
	log.SetOutput(logWriter{})
}

type hostCalls struct{}

func (hostCalls) Log(level bridge.Level, text string) {
	if !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	hostLog(uint32(level), unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

func (hostCalls) Config() string  { return ask(hostConfig) }
func (hostCalls) DataURL() string { return ask(hostDataURL) }

// ask has the host allocate a string by cabi_realloc, and tell where it is.
func ask(question func(unsafe.Pointer)) string {
	var answer [2]uint32
	question(unsafe.Pointer(&answer))
	text := stringAt(answer[0], answer[1])
	inputsTaken()
	return text
}

type logWriter struct{}

func (logWriter) Write(line []byte) (int, error) {
	LogInfo("%s", strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}
