//! Where two JSON values differ: a pointer, what was expected there, and what came.
//!
//! Members are found by name and elements by place; the order of members is nobody's promise.

use std::fmt;

use serde::Serialize;

use crate::exact::Exact;

/// Longest text of a value that is shown.
const MAX_SHOWN_CHARS: usize = 160;
/// What is shown of a long value before the place where it differs.
const LEAD_CHARS: usize = 24;

/// One place where two values differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// JSON pointer; empty for the whole.
    pub path: String,
    /// None where nothing was to stand there.
    pub expected: Option<Exact>,
    /// None where nothing stands there.
    pub got: Option<Exact>,
}

/// Every place where `got` is not as `expected`, in the order of `expected`. Empty where
/// both are the same value.
#[must_use]
pub fn differences(expected: &Exact, got: &Exact) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(expected), Some(got), &mut found);
    found
}

fn compare(path: &str, expected: Option<&Exact>, got: Option<&Exact>, found: &mut Vec<Difference>) {
    match (expected, got) {
        (Some(Exact::Object(expected)), Some(Exact::Object(got))) => {
            compare_members(path, expected, got, found);
        }
        (Some(Exact::List(expected)), Some(Exact::List(got))) => {
            for index in 0..expected.len().max(got.len()) {
                let path = format!("{path}/{index}");
                compare(&path, expected.get(index), got.get(index), found);
            }
        }
        (expected, got) if expected == got => {}
        (expected, got) => found.push(Difference {
            path: path.to_owned(),
            expected: expected.cloned(),
            got: got.cloned(),
        }),
    }
}

fn compare_members(
    path: &str,
    expected: &[(String, Exact)],
    got: &[(String, Exact)],
    found: &mut Vec<Difference>,
) {
    // A name that comes twice is compared with its twin: first with first, second with second.
    let mut is_taken = vec![false; got.len()];
    for (name, value) in expected {
        let twin = got
            .iter()
            .enumerate()
            .find(|(index, (other, _))| other == name && !is_taken[*index]);
        if let Some((index, _)) = twin {
            is_taken[index] = true;
        }
        let twin = twin.map(|(_, (_, value))| value);
        compare(&below(path, name), Some(value), twin, found);
    }
    for ((name, value), is_taken) in got.iter().zip(is_taken) {
        if !is_taken {
            compare(&below(path, name), None, Some(value), found);
        }
    }
}

fn below(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Two lines: the path, what was expected, what came. Long values are cut around the
/// place where they begin to differ.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<Exact>| value.as_ref().map(ToString::to_string);
        let (expected, got) = (text(&self.expected), text(&self.got));
        let place = match self.path.as_str() {
            "" => "the answer",
            path => path,
        };
        writeln!(f, "{place}")?;
        match (&expected, &got) {
            (Some(expected), Some(got)) => {
                let from = first_difference(expected, got).saturating_sub(LEAD_CHARS);
                writeln!(f, "  expected  {}", cut(expected, from))?;
                write!(f, "  got       {}", cut(got, from))
            }
            (Some(expected), None) => {
                write!(f, "  expected  {}\n  got       nothing", cut(expected, 0))
            }
            (None, got) => {
                let got = got.as_deref().unwrap_or_default();
                write!(f, "  expected  nothing\n  got       {}", cut(got, 0))
            }
        }
    }
}

fn first_difference(one: &str, other: &str) -> usize {
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b);
    let same = same.count();
    let is_short = one.chars().count().max(other.chars().count()) <= MAX_SHOWN_CHARS;
    if is_short { 0 } else { same }
}

fn cut(text: &str, from: usize) -> String {
    let shown: String = text.chars().skip(from).take(MAX_SHOWN_CHARS).collect();
    let has_more = text.chars().nth(from + MAX_SHOWN_CHARS).is_some();
    let before = if from > 0 { "…" } else { "" };
    let after = if has_more { "…" } else { "" };
    format!("{before}{shown}{after}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn of(expected: &str, got: &str) -> Vec<String> {
        let read = |text: &str| Exact::parse(text.as_bytes()).unwrap();
        differences(&read(expected), &read(got))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn only_what_differs_is_named() {
        assert_eq!(of(r#"{"a":1,"b":[2]}"#, r#"{"b":[2],"a":1}"#), [""; 0]);
        assert_eq!(
            of(
                r#"{"a":{"x/y":1.0},"b":[1,2],"c":3}"#,
                r#"{"a":{"x/y":1},"b":[1],"d":null}"#
            ),
            [
                "/a/x~1y\n  expected  1.0\n  got       1",
                "/b/1\n  expected  2\n  got       nothing",
                "/c\n  expected  3\n  got       nothing",
                "/d\n  expected  nothing\n  got       null",
            ]
        );
        assert_eq!(
            of("[1]", r#""x""#),
            ["the answer\n  expected  [1]\n  got       \"x\""]
        );
        assert_eq!(of(r#"{"a":1,"a":2}"#, r#"{"a":1,"a":3}"#).len(), 1);
    }

    #[test]
    fn long_texts_are_shown_where_they_part() {
        let (one, other) = (
            "x".repeat(500),
            format!("{}y{}", "x".repeat(300), "x".repeat(199)),
        );
        let shown = of(&format!("{one:?}"), &format!("{other:?}")).remove(0);
        assert!(
            shown.lines().all(|line| line.chars().count() < 200),
            "{shown}"
        );
        assert!(shown.contains('y'), "{shown}");
    }
}
