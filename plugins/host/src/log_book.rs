//! Keeps what a plugin logs in one call, within bounds.

use crate::limits::Limits;
use crate::report::{LogLevel, LogLine};
use crate::text::printable;

/// The lines of one call.
#[derive(Debug, Default)]
pub(crate) struct LogBook {
    lines: Vec<LogLine>,
    bytes: usize,
    cut: u32,
}

impl LogBook {
    /// True while another line would be kept: a line that would not is best not
    /// even read from the guest.
    pub(crate) fn has_room(&self, limits: &Limits) -> bool {
        self.lines.len() < limits.max_log_lines && self.bytes < limits.max_log_bytes
    }

    pub(crate) fn skip(&mut self) {
        self.cut = self.cut.saturating_add(1);
    }

    pub(crate) fn write(&mut self, level: LogLevel, text: &str, limits: &Limits) {
        let room = limits
            .max_log_line_bytes
            .min(limits.max_log_bytes - self.bytes);
        let (text, was_cut) = printable(text, room);
        if was_cut {
            self.skip();
        }
        self.bytes += text.len();
        self.lines.push(LogLine { level, text });
    }

    /// Empties the book: its lines, and how many were dropped or shortened.
    pub(crate) fn take(&mut self) -> (Vec<LogLine>, u32) {
        let Self { lines, cut, .. } = std::mem::take(self);
        (lines, cut)
    }
}
