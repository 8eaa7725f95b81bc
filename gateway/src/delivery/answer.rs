//! What is kept of a receiver's answer, and what it asks of us.
//!
//! Pure: bytes and header values in, bounded and printable values out. A receiver can make neither
//! our memory nor an operator's terminal its own.

use std::time::Duration;

use time::PrimitiveDateTime;
use time::macros::format_description;

use crate::domain::clock::Timestamp;

/// The beginning of an answer as text of at most `max_bytes`: control characters are replaced, so
/// that it can be stored in a database and shown in a terminal. None for nothing.
#[must_use]
pub fn excerpt(bytes: &[u8], max_bytes: usize) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(max_bytes)];
    let is_harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    let mut text: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if is_harmful(c) { '\u{fffd}' } else { c })
        .collect();
    // A replacement takes up to three bytes for one.
    text.truncate(text.floor_char_boundary(max_bytes));
    (!text.is_empty()).then_some(text)
}

/// How long `Retry-After` asks us to wait, in either of its forms; none where it makes no sense.
/// The bounds of what is granted are the schedule's.
#[must_use]
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let http_date = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let at = PrimitiveDateTime::parse(value, http_date).ok()?;
    Some(Timestamp::from(at.assume_utc()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_printable() {
        for (bytes, expected) in [
            (&b""[..], None),
            (b"no\ttoday\n", Some("no\ttoday\n")),
            (b"a\0b\x1b[2J\r", Some("a\u{fffd}b\u{fffd}[2J\u{fffd}")),
            (b"\xff\xfe", Some("\u{fffd}\u{fffd}")),
        ] {
            assert_eq!(excerpt(bytes, 4096).as_deref(), expected, "{bytes:?}");
        }
        for filler in [b'a', 0xff, 0] {
            let long = excerpt(&[filler; 8192], 4096).unwrap();
            assert!(long.len() <= 4096, "{}", long.len());
        }
    }

    #[test]
    fn receivers_may_ask_for_a_wait() {
        let now = Timestamp::parse_rfc3339("2026-11-24T12:00:00Z").unwrap();
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Tue, 24 Nov 2026 12:01:00 GMT", Some(60)),
            ("Tue, 24 Nov 2026 11:00:00 GMT", Some(0)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999999", None),
            ("Tue, 99 Nov 2026 12:01:00 GMT", None),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(value, now), expected, "{value:?}");
        }
    }
}
