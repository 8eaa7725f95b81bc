//! `data`: comparisons of one value in the event's JSON.
//!
//! An absent value makes every comparison false, `ne` too, and `exists: false` true. A value of
//! another type is unequal to what it is compared with, and neither greater nor smaller.

use super::candidate::{Candidate, Found};
use super::document::{Step, unescaped};
use super::number::Number;

/// A place in a document (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    text: Box<str>,
    steps: Vec<Step>,
}

impl Pointer {
    /// None where `text` is neither empty nor begins with `/`, or has a `~` that is not `~0` or
    /// `~1`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let steps = match text.strip_prefix('/') {
            Some(rest) => rest.split('/').map(step).collect::<Option<_>>()?,
            None if text.is_empty() => Vec::new(),
            None => return None,
        };
        let text = text.into();
        Some(Self { text, steps })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

fn step(text: &str) -> Option<Step> {
    let is_fine = text
        .split('~')
        .skip(1)
        .all(|rest| rest.starts_with(['0', '1']));
    let name = text.replace("~1", "/").replace("~0", "~");
    let is_index =
        name == "0" || (!name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit()));
    let index = is_index.then(|| name.parse().ok()).flatten();
    let name = name.into();
    is_fine.then_some(Step { name, index })
}

/// A value that can be compared: anything but an object or an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Null,
    Boolean(bool),
    Number(Number),
    String(Box<str>),
}

impl Scalar {
    /// None for what is an object, an array, or no JSON.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "null" => Self::Null,
            "true" => Self::Boolean(true),
            "false" => Self::Boolean(false),
            _ => match unescaped(text) {
                Some(string) => Self::String(string.into()),
                None => Self::Number(Number::parse(text)?),
            },
        })
    }

    fn is(&self, given: &str) -> bool {
        match self {
            Self::Null => given == "null",
            Self::Boolean(wanted) => given == if *wanted { "true" } else { "false" },
            Self::Number(wanted) => Number::parse(given).as_ref() == Some(wanted),
            Self::String(wanted) => unescaped(given).is_some_and(|given| *given == **wanted),
        }
    }
}

/// What must be true of a value.
#[derive(Debug)]
pub(super) enum Comparison {
    Eq(Scalar),
    Ne(Scalar),
    In(Vec<Scalar>),
    Gt(Number),
    Gte(Number),
    Lt(Number),
    Lte(Number),
    Prefix(Box<str>),
    Exists(bool),
}

impl Comparison {
    pub(super) fn holds(&self, found: Found<'_>) -> bool {
        let given = match found {
            Found::Absent => return matches!(self, Self::Exists(false)),
            Found::Composite => return matches!(self, Self::Exists(true) | Self::Ne(_)),
            Found::Scalar(text) => text,
        };
        let compares = |is_wanted: fn(std::cmp::Ordering) -> bool, bound: &Number| {
            Number::parse(given).is_some_and(|number| is_wanted(number.cmp(bound)))
        };
        match self {
            Self::Eq(wanted) => wanted.is(given),
            Self::Ne(unwanted) => !unwanted.is(given),
            Self::In(wanted) => wanted.iter().any(|wanted| wanted.is(given)),
            Self::Gt(bound) => compares(std::cmp::Ordering::is_gt, bound),
            Self::Gte(bound) => compares(std::cmp::Ordering::is_ge, bound),
            Self::Lt(bound) => compares(std::cmp::Ordering::is_lt, bound),
            Self::Lte(bound) => compares(std::cmp::Ordering::is_le, bound),
            Self::Prefix(wanted) => {
                unescaped(given).is_some_and(|given| given.starts_with(&**wanted))
            }
            Self::Exists(wanted) => *wanted,
        }
    }
}

/// A place and what must be true of the value there: all of it.
#[derive(Debug)]
pub(super) struct DataRule {
    pub(super) pointer: Pointer,
    pub(super) comparisons: Vec<Comparison>,
}

impl DataRule {
    pub(super) fn holds(&self, candidate: &Candidate<'_>) -> bool {
        let found = candidate.find(&self.pointer);
        let mut comparisons = self.comparisons.iter();
        comparisons.all(|comparison| comparison.holds(found))
    }
}
