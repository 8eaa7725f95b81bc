//! Spans of time as users write them: `500ms`, `15s`, `5m`, `2h`, `7d`.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a span of time such as 500ms, 15s, 5m, 2h or 7d")]
pub struct InvalidDuration(String);

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// # Errors
/// Where `text` is not a whole number and one unit.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let refuse = || InvalidDuration(text.chars().take(40).collect());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| refuse())?;
    UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, ms)| number.checked_mul(*ms))
        .map(Duration::from_millis)
        .ok_or_else(refuse)
}

/// The shortest spelling with one unit: `120s` is written `2m`.
#[must_use]
pub fn write(span: Duration) -> String {
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    let (name, unit_ms) = UNITS
        .iter()
        .rev()
        .find(|(_, unit_ms)| ms.is_multiple_of(*unit_ms))
        .expect("every number of milliseconds is a multiple of one");
    format!("{}{name}", ms / unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, ms, written) in [
            ("500ms", 500, "500ms"),
            ("15s", 15_000, "15s"),
            ("120s", 120_000, "2m"),
            ("24h", 86_400_000, "1d"),
            ("0s", 0, "0s"),
            ("90m", 5_400_000, "90m"),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
            assert_eq!(write(Duration::from_millis(ms)), written);
        }
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "1.5s",
            "5 s",
            "5S",
            "99999999999999999999d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
