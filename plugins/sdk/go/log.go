package hookgate

import (
	"fmt"

	"hookgate/internal/bridge"
)

// LogDebug writes a line for the author of the plugin.
//
// Lines stand in the record of a call; its owner reads them beside the attempt. At most 32
// lines of 1 KiB, and 8 KiB in all, are kept for each call. Data and secrets do not belong here.
func LogDebug(format string, args ...any) { write(bridge.Debug, format, args) }

// LogInfo writes a line that tells the story.
func LogInfo(format string, args ...any) { write(bridge.Info, format, args) }

// LogWarn writes a line about something odd that the plugin coped with.
func LogWarn(format string, args ...any) { write(bridge.Warn, format, args) }

// LogError writes a line that somebody should look at.
func LogError(format string, args ...any) { write(bridge.Error, format, args) }

func write(level bridge.Level, format string, args []any) {
	bridge.Hookgate.Log(level, fmt.Sprintf(format, args...))
}
