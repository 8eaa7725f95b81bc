//! Values of expressions and their casts.

use std::borrow::Cow;
use std::fmt;

use super::evaluate::EvaluationError;

/// A value of one of the three types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    String(Cow<'a, str>),
    Integer(i32),
    Boolean(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    String,
    Integer,
    Boolean,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Boolean => "a boolean",
        })
    }
}

impl<'a> Value<'a> {
    pub(super) fn kind(&self) -> Type {
        match self {
            Self::String(_) => Type::String,
            Self::Integer(_) => Type::Integer,
            Self::Boolean(_) => Type::Boolean,
        }
    }

    /// As text: integers in decimal, booleans as `true` and `false`.
    #[must_use]
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::String(text) => text,
            Self::Integer(number) => number.to_string().into(),
            Self::Boolean(true) => "true".into(),
            Self::Boolean(false) => "false".into(),
        }
    }

    pub(super) fn into_integer(self) -> Result<i32, EvaluationError> {
        match self {
            Self::Integer(number) => Ok(number),
            Self::Boolean(value) => Ok(i32::from(value)),
            Self::String(text) => match text.parse() {
                Ok(number) => Ok(number),
                Err(_) => Err(EvaluationError::cast(&text, Type::Integer)),
            },
        }
    }

    pub(super) fn into_boolean(self) -> Result<bool, EvaluationError> {
        match self {
            Self::Boolean(value) => Ok(value),
            Self::Integer(number) => Ok(number != 0),
            Self::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Self::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Self::String(text) => Err(EvaluationError::cast(&text, Type::Boolean)),
        }
    }

    pub(super) fn cast(self, to: Type) -> Result<Self, EvaluationError> {
        Ok(match to {
            Type::String => Self::String(self.into_text()),
            Type::Integer => Self::Integer(self.into_integer()?),
            Type::Boolean => Self::Boolean(self.into_boolean()?),
        })
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(text.into())
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => write!(f, "{text:?}"),
            Self::Integer(number) => number.fmt(f),
            Self::Boolean(value) => value.fmt(f),
        }
    }
}
