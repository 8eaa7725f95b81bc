//! A stream of lines as events: one JSON event a line, gathered into chunks that are stored whole.
//!
//! Holds at most one chunk and what was read beyond it; refuses a line that is longer than an event
//! may be before all of it is there.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::flaw::{Flaw, Rule};
use super::{Incoming, json};

/// Most lines that are stored together.
pub const MAX_CHUNK_LINES: usize = 1000;
/// Bytes at which a chunk is large enough.
pub const MAX_CHUNK_BYTES: usize = 1 << 20;

/// What was read of a stream and not taken yet.
#[derive(Debug)]
pub struct Lines {
    buffer: BytesMut,
    /// Where lines end in the buffer, behind their line feed.
    ends: VecDeque<usize>,
    /// Number of the first line in the buffer, counted from one.
    first: u64,
    max_line_bytes: usize,
}

/// A line that is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {flaw}")]
pub struct BadLine {
    /// Counted from one, empty lines included.
    pub line: u64,
    pub flaw: Flaw,
}

/// Whole lines.
#[derive(Clone, Debug)]
pub struct Chunk {
    text: Bytes,
    first: u64,
    lines: u64,
    max_line_bytes: usize,
}

/// The events of a chunk, each with the number of its line.
#[derive(Debug, Default)]
pub struct Numbered {
    pub events: Vec<Incoming>,
    pub lines: Vec<u64>,
}

impl Lines {
    #[must_use]
    pub fn new(max_line_bytes: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            ends: VecDeque::new(),
            first: 1,
            max_line_bytes,
        }
    }

    /// # Errors
    /// Where a line has no end within the bound.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), BadLine> {
        let before = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        self.ends.extend(ends.map(|(at, _)| before + at + 1));
        let open_bytes = self.buffer.len() - self.whole_bytes();
        if open_bytes <= self.max_line_bytes {
            return Ok(());
        }
        Err(BadLine {
            line: self.first + self.ends.len() as u64,
            flaw: too_long(open_bytes, self.max_line_bytes),
        })
    }

    /// Nothing comes any more: what is left is the last line.
    pub fn finish(&mut self) {
        if self.buffer.len() > self.whole_bytes() {
            self.ends.push_back(self.buffer.len());
        }
    }

    /// Bytes that were read and not taken yet.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Whether there is a chunk's worth.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.ends.len() >= MAX_CHUNK_LINES || self.whole_bytes() >= MAX_CHUNK_BYTES
    }

    /// Whether there is a whole line.
    #[must_use]
    pub fn has_whole(&self) -> bool {
        !self.ends.is_empty()
    }

    /// Whole lines up to a chunk's worth; at least one where there is one.
    #[must_use]
    pub fn take(&mut self) -> Chunk {
        let small = self.ends.iter().take(MAX_CHUNK_LINES);
        let small = small.take_while(|end| **end <= MAX_CHUNK_BYTES).count();
        let lines = small.max(1).min(self.ends.len());
        let end = self.ends.drain(..lines).next_back().unwrap_or(0);
        let text = self.buffer.split_to(end).freeze();
        for later in &mut self.ends {
            *later -= end;
        }
        let chunk = Chunk {
            text,
            first: self.first,
            lines: lines as u64,
            max_line_bytes: self.max_line_bytes,
        };
        self.first += chunk.lines;
        chunk
    }

    fn whole_bytes(&self) -> usize {
        self.ends.back().copied().unwrap_or(0)
    }
}

impl Chunk {
    /// Number of the last line, which is how many lines the stream has had with it.
    #[must_use]
    pub fn last_line(&self) -> u64 {
        self.first + self.lines - 1
    }

    /// Reads every line; empty ones hold no event. Can be asked again: nothing is used up.
    ///
    /// # Errors
    /// Names the first line that is no event.
    pub fn events(&self) -> Result<Numbered, BadLine> {
        let mut numbered = Numbered::default();
        for (line, text) in (self.first..).zip(self.text.split(|byte| *byte == b'\n')) {
            if text.trim_ascii().is_empty() {
                continue;
            }
            let flawed = |flaw| BadLine { line, flaw };
            if text.len() > self.max_line_bytes {
                return Err(flawed(too_long(text.len(), self.max_line_bytes)));
            }
            let event = json::one(&self.text.slice_ref(text)).map_err(flawed)?;
            numbered.events.push(event);
            numbered.lines.push(line);
        }
        Ok(numbered)
    }
}

fn too_long(actual_bytes: usize, max_bytes: usize) -> Flaw {
    let rule = Rule::TooLong {
        actual_bytes,
        max_bytes,
    };
    Flaw::body("", rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize) -> String {
        format!("{{\"type\":\"a.b\",\"data\":{number}}}\n")
    }

    #[test]
    fn lines_are_whole_wherever_the_network_cuts_them() {
        let text = format!("{}\r\n\n  \n{}{}", line(1), line(2), line(3).trim_end());
        for size in 1..text.len() {
            let mut lines = Lines::new(100);
            for piece in text.as_bytes().chunks(size) {
                lines.push(piece).unwrap();
            }
            lines.finish();
            let chunk = lines.take();
            assert_eq!(chunk.last_line(), 6, "pieces of {size}");
            let numbered = chunk.events().unwrap();
            assert_eq!(numbered.lines, [1, 5, 6]);
            let data: Vec<&[u8]> = numbered.events.iter().map(|one| &*one.data).collect();
            assert_eq!(data, [b"1", b"2", b"3"]);
            assert!(!lines.has_whole());
        }
    }

    #[test]
    fn a_chunk_is_bounded_in_lines_and_in_bytes() {
        let mut lines = Lines::new(2 * MAX_CHUNK_BYTES);
        for number in 0..MAX_CHUNK_LINES + 1 {
            assert!(!lines.is_full() || number == MAX_CHUNK_LINES);
            lines.push(line(number).as_bytes()).unwrap();
        }
        assert_eq!(lines.take().last_line(), MAX_CHUNK_LINES as u64);
        let wide = format!("{{\"type\":\"a\",\"data\":\"{}\"}}\n", "x".repeat(600_000));
        lines.push(wide.as_bytes()).unwrap();
        lines.push(wide.as_bytes()).unwrap();
        assert!(lines.is_full());
        let first = MAX_CHUNK_LINES as u64 + 1;
        assert_eq!(
            lines.take().last_line(),
            first + 1,
            "the short one and one wide"
        );
        assert_eq!(lines.take().last_line(), first + 2);
    }

    #[test]
    fn a_bad_line_is_named_and_an_endless_one_is_refused_early() {
        let mut lines = Lines::new(50);
        lines
            .push(format!("{}\n{{}}\n", line(1)).as_bytes())
            .unwrap();
        let bad = lines.take().events().unwrap_err();
        assert_eq!(bad.line, 3);
        assert!(
            bad.to_string().starts_with("line 3: /type is missing"),
            "{bad}"
        );
        let bad = lines.push(&[b'x'; 51]).unwrap_err();
        assert_eq!(bad.line, 4);
        assert!(matches!(bad.flaw.rule, Rule::TooLong { max_bytes: 50, .. }));
    }
}
