//! Rules that texts obey before they may become part of an event.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::flaw::Rule;
use crate::domain::clock::Timestamp;
use crate::domain::pattern::{OWN_PREFIX, is_noncharacter};

/// Longest source, subject, schema and extension.
pub(super) const MAX_ATTRIBUTE_BYTES: usize = 1024;
/// Longest id and key.
pub(super) const MAX_ID_BYTES: usize = 255;

/// A JSON string's text, borrowed where it has no escapes.
pub(super) fn string(raw: &RawValue) -> Result<Cow<'_, str>, Rule> {
    let text = raw.get();
    match text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
        Some(_) => serde_json::from_str(text)
            .map(Cow::Owned)
            .map_err(|error| Rule::NotJson(error.to_string())),
        None => Err(Rule::WrongKind("a string")),
    }
}

pub(super) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// 1 to `max_bytes` bytes without control characters and code points that stand for no character.
pub(super) fn bounded(text: &str, max_bytes: usize) -> Result<&str, Rule> {
    if text.is_empty() {
        return Err(Rule::Empty);
    }
    if text.len() > max_bytes {
        let actual_bytes = text.len();
        return Err(Rule::TooLong {
            actual_bytes,
            max_bytes,
        });
    }
    if text.chars().any(|c| c.is_control() || is_noncharacter(c)) {
        return Err(Rule::ControlCharacter);
    }
    Ok(text)
}

/// Nobody sends events that look like the gateway's own.
pub(super) fn not_own(event_type: &str) -> Result<(), Rule> {
    if !event_type.starts_with(OWN_PREFIX) {
        return Ok(());
    }
    let rule = format!("begins with {OWN_PREFIX}, which is kept for the gateway's own events");
    Err(Rule::Domain(rule))
}

/// From 1970 to 9999, with an offset; a leap second has no instant that others would agree on.
pub(super) fn time(text: &str) -> Result<Timestamp, Rule> {
    if text.get(17..19) == Some("60") {
        return Err(Rule::Time);
    }
    Timestamp::parse_rfc3339(text)
        .ok()
        .filter(|at| at.as_ms() >= 0)
        .ok_or(Rule::Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_instants_that_everybody_agrees_on() {
        for (text, is_fine) in [
            ("2026-11-21T21:00:00.123456Z", true),
            ("2026-11-21T21:00:00.123456+00:00", true),
            ("1970-01-01T00:00:00Z", true),
            ("9999-12-31T23:59:59Z", true),
            ("10000-01-01T00:00:00Z", false),
            ("1969-12-31T23:59:59Z", false),
            ("-0001-01-01T00:00:00Z", false),
            ("2016-12-31T23:59:60Z", false),
            ("2026-11-21T21:00:00", false),
            ("2026-11-21", false),
            ("yesterday", false),
            ("", false),
        ] {
            assert_eq!(time(text).is_ok(), is_fine, "{text}");
        }
    }
}
