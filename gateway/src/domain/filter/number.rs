//! Numbers compared by their decimal digits, never as floats: ids of 17 digits and more are common
//! in webhooks, and a float does not tell neighbours among them apart.

use std::cmp::Ordering;

/// Digits of an exponent that are still read; a larger one is no number here.
const MAX_EXPONENT_DIGITS: usize = 15;

/// `±0.digits × 10^scale`. The digits have no zero at either end, so equal numbers are equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    sign: Ordering,
    scale: i64,
    digits: Box<[u8]>,
}

impl Number {
    /// None where `text` is not a JSON number, or its exponent is absurd.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, integer(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let is_whole_fine = whole == "0" || !whole.starts_with('0');
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if whole.is_empty() || !is_whole_fine || !all.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let Some(first) = all.iter().position(|digit| *digit != b'0') else {
            return Some(Self {
                sign: Ordering::Equal,
                scale: 0,
                digits: Box::default(),
            });
        };
        let last = all.iter().rposition(|digit| *digit != b'0')?;
        let is_negative = unsigned.len() < text.len();
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(first).ok()?;
        Some(Self {
            sign: if is_negative {
                Ordering::Less
            } else {
                Ordering::Greater
            },
            scale: exponent + point,
            digits: all[first..=last].into(),
        })
    }

    fn size(&self, other: &Self) -> Ordering {
        let by_scale = self.scale.cmp(&other.scale);
        by_scale.then_with(|| self.digits.cmp(&other.digits))
    }
}

fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_sane = (1..=MAX_EXPONENT_DIGITS).contains(&digits.len());
    text.parse().ok().filter(|_| is_sane)
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sign.cmp(&other.sign).then_with(|| match self.sign {
            Ordering::Less => other.size(self),
            Ordering::Equal => Ordering::Equal,
            Ordering::Greater => self.size(other),
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascending_numbers_compare_so() {
        let ascending = [
            "-1e400",
            "-9007199254740993",
            "-9007199254740992",
            "-1.5",
            "-1",
            "-1e-400",
            "0",
            "1e-400",
            "0.1",
            "0.10000000000000000001",
            "1",
            "9.9",
            "10",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551616",
            "1e400",
        ];
        for (i, one) in ascending.iter().enumerate() {
            for (j, other) in ascending.iter().enumerate() {
                let [a, b] = [one, other].map(|text| Number::parse(text).unwrap());
                assert_eq!(a.cmp(&b), i.cmp(&j), "{one} {other}");
            }
        }
    }

    #[test]
    fn spellings_of_one_number_are_equal() {
        for (one, other) in [
            ("1", "1.0"),
            ("1", "10e-1"),
            ("100", "1E2"),
            ("-0", "0.00"),
            ("0.5", "5e-1"),
        ] {
            assert_eq!(Number::parse(one), Number::parse(other), "{one} {other}");
        }
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            ".5",
            "1.",
            "1e",
            "NaN",
            "0x1",
            "\"1\"",
            "1e9999999999999999",
        ] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }
}
