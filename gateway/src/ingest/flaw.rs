//! Why an event is refused: where, by which rule, and so how to mend it.

use std::fmt;

use crate::domain::headers::InvalidHeader;

/// A part of a request that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} {rule}")]
pub struct Flaw {
    pub place: Place,
    pub rule: Rule,
}

/// Where a flaw is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A JSON pointer into the body; empty for the body as a whole.
    Body(String),
    Header(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(pointer) if pointer.is_empty() => f.write_str("the body"),
            Self::Body(pointer) => f.write_str(pointer),
            Self::Header(name) => write!(f, "the header {name}"),
        }
    }
}

/// The rule that is broken, said so that it fits after its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    #[error("is not JSON: {0}")]
    NotJson(String),
    #[error("is nested deeper than {max_depth} levels (byte {offset})")]
    TooDeep { max_depth: usize, offset: usize },
    #[error(
        "has half of a surrogate pair (byte {offset}); write the character itself or both halves"
    )]
    LoneSurrogate { offset: usize },
    #[error("must be {0}")]
    WrongKind(&'static str),
    #[error("is missing; {0}")]
    Missing(&'static str),
    #[error("is not known here; known are {known}")]
    Unknown { known: &'static str },
    #[error("is given twice; leave one")]
    Twice,
    #[error("must not be empty")]
    Empty,
    #[error("has {actual_bytes} bytes, {max_bytes} are allowed")]
    TooLong {
        actual_bytes: usize,
        max_bytes: usize,
    },
    #[error("has more than {max} members")]
    TooManyMembers { max: usize },
    #[error("has more than {max} events; send several requests")]
    TooManyEvents { max: usize },
    #[error("has control characters or code points that stand for none; remove them")]
    ControlCharacter,
    #[error(
        "must be an RFC 3339 time with an offset, from 1970 to 9999, such as 2026-11-23T20:00:00Z"
    )]
    Time,
    #[error("{0}")]
    Domain(String),
    #[error("{0}")]
    Headers(InvalidHeader),
    #[error("must be 1.0, the only version of CloudEvents that is understood")]
    SpecVersion,
    #[error("must be letters a-z and digits: CloudEvents names its attributes so")]
    AttributeName,
    #[error("is given beside {0}; an event has one of them")]
    Beside(&'static str),
    #[error("is not base64 with padding")]
    Base64,
    #[error("does not decode to UTF-8; encode characters as UTF-8 and then in percent signs")]
    HeaderText,
    #[error("is not understood here; use {known}")]
    MediaType { known: &'static str },
    #[error("must be UTF-8")]
    Charset,
    #[error("must be one string of 1 to 255 visible ASCII characters, with or without quotes")]
    IdempotencyKey,
}

impl Flaw {
    /// In the body, at a JSON pointer.
    #[must_use]
    pub fn body(pointer: impl Into<String>, rule: Rule) -> Self {
        let place = Place::Body(pointer.into());
        Self { place, rule }
    }

    #[must_use]
    pub fn header(name: impl Into<String>, rule: Rule) -> Self {
        let place = Place::Header(name.into());
        Self { place, rule }
    }

    /// The same flaw of an item of an array.
    #[must_use]
    pub fn at_index(mut self, index: usize) -> Self {
        if let Place::Body(pointer) = &mut self.place {
            *pointer = format!("/{index}{pointer}");
        }
        self
    }
}
