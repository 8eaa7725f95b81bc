//! Patterns of event types: dot-separated, `*` for one segment, a final `*` for one or more.
//!
//! `invoice.*` matches `invoice.paid` and `invoice.line.added`; `*` alone matches everything.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest event type and longest pattern.
pub const MAX_TYPE_BYTES: usize = 255;

/// Types of the gateway's own notices begin so.
pub const OWN_PREFIX: &str = "hookgate.";

/// Whether Unicode keeps a code point free of any character, for ever.
#[must_use]
pub fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

/// A pattern of event types.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TypePattern(Box<str>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    #[error("a pattern of event types has 1 to 255 bytes")]
    Length,
    #[error("a pattern of event types has no control characters")]
    ControlCharacter,
    #[error("`*` stands for a whole segment between dots, as in `invoice.*`")]
    PartialWildcard,
}

impl TypePattern {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern names exactly one type.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        let mut wanted = self.0.split('.').peekable();
        let mut given = event_type.split('.');
        while let Some(segment) = wanted.next() {
            match given.next() {
                None => return false,
                Some(_) if segment == "*" && wanted.peek().is_none() => return true,
                Some(given) if segment != "*" && segment != given => return false,
                Some(_) => {}
            }
        }
        given.next().is_none()
    }
}

impl TypePattern {
    /// Whether a subscription to this pattern gets events of the type. The gateway's own notices
    /// go only to those who name them, so that `*` brings nothing that no producer sent.
    #[must_use]
    pub fn wants(&self, event_type: &str) -> bool {
        let is_own = event_type.starts_with(OWN_PREFIX);
        self.matches(event_type) && (!is_own || self.0.starts_with(OWN_PREFIX))
    }
}

impl FromStr for TypePattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        if text.is_empty() || text.len() > MAX_TYPE_BYTES {
            Err(InvalidPattern::Length)
        } else if text.chars().any(char::is_control) {
            Err(InvalidPattern::ControlCharacter)
        } else if text
            .split('.')
            .any(|segment| segment.len() > 1 && segment.contains('*'))
        {
            Err(InvalidPattern::PartialWildcard)
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl TryFrom<String> for TypePattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        text.parse()
    }
}

impl From<TypePattern> for String {
    fn from(pattern: TypePattern) -> Self {
        pattern.0.into()
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_by_segment() {
        for (pattern, event_type, is_match) in [
            ("*", "invoice.paid", true),
            ("*", "ping", true),
            ("invoice.*", "invoice.paid", true),
            ("invoice.*", "invoice.line.added", true),
            ("invoice.*", "invoice", false),
            ("invoice.*", "invoices.paid", false),
            ("*.paid", "invoice.paid", true),
            ("*.paid", "invoice.line.paid", false),
            ("invoice.*.added", "invoice.line.added", true),
            ("invoice.paid", "invoice.paid", true),
            ("invoice.paid", "invoice.paid.twice", false),
        ] {
            let parsed: TypePattern = pattern.parse().unwrap();
            assert_eq!(
                parsed.matches(event_type),
                is_match,
                "{pattern} against {event_type}"
            );
        }
    }

    #[test]
    fn notices_go_to_those_who_name_them() {
        for (pattern, event_type, is_wanted) in [
            ("*", "invoice.paid", true),
            ("*", "hookgate.delivery.dead", false),
            ("*.delivery.dead", "hookgate.delivery.dead", false),
            ("hookgate.*", "hookgate.delivery.dead", true),
            ("hookgate.delivery.dead", "hookgate.delivery.dead", true),
            ("hookgates.*", "hookgate.delivery.dead", false),
        ] {
            let parsed: TypePattern = pattern.parse().unwrap();
            assert_eq!(
                parsed.wants(event_type),
                is_wanted,
                "{pattern} {event_type}"
            );
        }
    }

    #[test]
    fn wildcards_stand_for_whole_segments() {
        assert_eq!(
            "inv*".parse::<TypePattern>(),
            Err(InvalidPattern::PartialWildcard)
        );
        assert_eq!(
            "a.\n".parse::<TypePattern>(),
            Err(InvalidPattern::ControlCharacter)
        );
    }
}
