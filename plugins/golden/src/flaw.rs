//! A place in a file, and what is wrong there.
//!
//! Every mistake in a golden file is told with its line, so that an editor can jump to it.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// Something in a file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Flaw {
    /// None where the text came from elsewhere.
    pub file: Option<PathBuf>,
    /// Counted from 1; zero where the whole file is meant.
    pub line: usize,
    /// The member, as in `event.data`; empty for the whole.
    pub member: String,
    pub reason: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), 0) => write!(f, "{}: ", file.display())?,
            (Some(file), line) => write!(f, "{}:{line}: ", file.display())?,
            (None, 0) => {}
            (None, line) => write!(f, "line {line}: ")?,
        }
        if !self.member.is_empty() {
            write!(f, "{}: ", self.member)?;
        }
        f.write_str(&self.reason)
    }
}

/// A text, of which parts are read on their own.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    text: &'a str,
}

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// Reads `part`, which lies in this text; `member` names it.
    pub(crate) fn read<T: Deserialize<'a>>(self, part: &'a str, member: &str) -> Result<T, Flaw> {
        let mut reader = serde_json::Deserializer::from_str(part);
        let read = serde_path_to_error::deserialize(&mut reader);
        let value = read.map_err(|error| {
            let path = match error.path().to_string() {
                path if path == "." => String::new(),
                path => path,
            };
            let stands_alone = path.is_empty() || path.starts_with('[');
            let separator = if stands_alone || member.is_empty() {
                ""
            } else {
                "."
            };
            let error = error.into_inner();
            Flaw {
                file: None,
                line: self.line_of(part) + error.line().saturating_sub(1),
                member: format!("{member}{separator}{path}"),
                reason: bare(&error),
            }
        })?;
        reader.end().map_err(|error| Flaw {
            file: None,
            line: self.line_of(part) + error.line().saturating_sub(1),
            member: member.to_owned(),
            reason: bare(&error),
        })?;
        Ok(value)
    }

    /// A flaw of `part` as a whole.
    pub(crate) fn flaw(self, part: &str, member: &str, reason: impl Into<String>) -> Flaw {
        Flaw {
            file: None,
            line: self.line_of(part),
            member: member.to_owned(),
            reason: reason.into(),
        }
    }

    /// Where `part` begins in the text.
    pub(crate) fn offset(self, part: &str) -> usize {
        let (text, part) = (self.text.as_ptr() as usize, part.as_ptr() as usize);
        part.saturating_sub(text).min(self.text.len())
    }

    pub(crate) fn line_of(self, part: &str) -> usize {
        let before = &self.text.as_bytes()[..self.offset(part)];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

/// The message without the place, which is told in the file's own lines.
fn bare(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}
