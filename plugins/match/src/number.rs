//! JSON numbers compared exactly.
//!
//! Identifiers of 17 digits and more are common in webhooks, and a float tells neighbours
//! among them apart no longer.

use std::cmp::Ordering;

use hookgate_plugin::json::RawValue;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// `0.digits * 10^exponent`, negated where it says so. Digits have no zero at either end,
/// and zero has no digits, no sign and no exponent, so equal numbers are equal values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    is_negative: bool,
    exponent: i64,
    digits: Vec<u8>,
}

impl Number {
    /// None where `text` is not a JSON number, or its exponent has more than 15 digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (is_negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if !rest.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        let (mantissa, written) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let written: i64 = written
            .parse()
            .ok()
            .filter(|n: &i64| n.abs() < 1_000_000_000_000_000)?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        if !digits().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let leading = digits().take_while(|digit| *digit == b'0').count();
        let mut digits: Vec<u8> = digits().skip(leading).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Self {
                is_negative: false,
                exponent: 0,
                digits,
            });
        }
        let shift = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
        Some(Self {
            is_negative,
            exponent: written + shift,
            digits,
        })
    }

    fn cmp_size(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self
                .exponent
                .cmp(&other.exponent)
                .then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.cmp_size(other),
            (true, true) => other.cmp_size(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <Box<RawValue>>::deserialize(deserializer)?;
        Self::parse(raw.get())
            .ok_or_else(|| D::Error::custom(format!("expected a number, found {}", raw.get())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_ascending_order_compare_so() {
        let ascending = [
            "-1e400",
            "-10",
            "-9.5",
            "-9.25",
            "-1e-400",
            "0",
            "1e-400",
            "0.1",
            "1",
            "1.5",
            "9.9",
            "10",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551616",
            "1e400",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                let (a, b) = (Number::parse(a).unwrap(), Number::parse(b).unwrap());
                assert_eq!(a.cmp(&b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn the_same_number_may_be_written_in_many_ways() {
        for same in [
            ["1", "1.0"],
            ["100", "1e2"],
            ["0.05", "5E-2"],
            ["0", "-0.0e7"],
            ["120", "1.2e+2"],
        ] {
            assert_eq!(Number::parse(same[0]), Number::parse(same[1]), "{same:?}");
        }
        for not_a_number in ["", "-", "true", "\"1\"", "[1]", "1e99999999999999999999"] {
            assert_eq!(Number::parse(not_a_number), None, "{not_a_number}");
        }
    }
}
