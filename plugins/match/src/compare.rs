//! One value against one comparison.

use std::borrow::Cow;

use hookgate_plugin::json::RawValue;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::number::Number;

/// What must be true of a value.
#[derive(Debug)]
pub enum Comparison {
    /// It is this.
    Eq(Scalar),
    /// It is there, and is not this.
    Ne(Scalar),
    /// It is one of these.
    In(Vec<Scalar>),
    /// It is a string that starts like this.
    Prefix(String),
    /// It is a greater number.
    Gt(Number),
    /// It is a greater number, or the same.
    Gte(Number),
    /// It is a smaller number.
    Lt(Number),
    /// It is a smaller number, or the same.
    Lte(Number),
    /// It is there, or it is not. `null` is there.
    Exists(bool),
}

impl Comparison {
    /// Whether `value`, absent where None, stands it.
    #[must_use]
    pub fn holds(&self, value: Option<&RawValue>) -> bool {
        let Some(value) = value.map(RawValue::get) else {
            return matches!(self, Self::Exists(false));
        };
        match self {
            Self::Exists(expected) => *expected,
            Self::Eq(expected) => expected.is(value),
            Self::Ne(expected) => !expected.is(value),
            Self::In(expected) => expected.iter().any(|expected| expected.is(value)),
            Self::Prefix(prefix) => {
                text(value).is_some_and(|text| text.starts_with(prefix.as_str()))
            }
            Self::Gt(bound) => number(value).is_some_and(|number| number > *bound),
            Self::Gte(bound) => number(value).is_some_and(|number| number >= *bound),
            Self::Lt(bound) => number(value).is_some_and(|number| number < *bound),
            Self::Lte(bound) => number(value).is_some_and(|number| number <= *bound),
        }
    }
}

/// A value that can be compared: anything but an object or an array.
#[derive(Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, in full.
    Number(Number),
    /// A string, its escapes resolved.
    String(String),
}

impl Scalar {
    fn is(&self, value: &str) -> bool {
        match self {
            Self::Null => value == "null",
            Self::Bool(expected) => value == if *expected { "true" } else { "false" },
            Self::Number(expected) => number(value).is_some_and(|number| number == *expected),
            Self::String(expected) => text(value).is_some_and(|text| text == expected.as_str()),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <Box<RawValue>>::deserialize(deserializer)?;
        match raw.get() {
            "null" => Ok(Self::Null),
            "true" => Ok(Self::Bool(true)),
            "false" => Ok(Self::Bool(false)),
            value => text(value)
                .map(|text| Self::String(text.into_owned()))
                .or_else(|| number(value).map(Self::Number))
                .ok_or_else(|| {
                    D::Error::custom("only strings, numbers, true, false and null can be compared")
                }),
        }
    }
}

fn text(value: &str) -> Option<Cow<'_, str>> {
    if !value.starts_with('"') {
        return None;
    }
    let plain = &value[1..value.len() - 1];
    if plain.contains('\\') {
        serde_json::from_str(value).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(plain))
    }
}

fn number(value: &str) -> Option<Number> {
    Number::parse(value)
}
