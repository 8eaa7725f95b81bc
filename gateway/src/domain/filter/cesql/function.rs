//! The functions that the specification has, by name and number of arguments.

use std::borrow::Cow;

use super::evaluate::EvaluationError;
use super::value::{Type, Value};

/// Longest text that a function makes.
const MAX_TEXT_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Int,
    Bool,
    String,
    Abs,
    Length,
    Concat,
    ConcatWs,
    Lower,
    Upper,
    Trim,
    Left,
    Right,
    Substring,
}

impl Function {
    pub(super) fn find(name: &str, arguments: usize) -> Option<Self> {
        let (function, allowed) = match name.to_ascii_uppercase().as_str() {
            "INT" => (Self::Int, 1..=1),
            "BOOL" => (Self::Bool, 1..=1),
            "STRING" => (Self::String, 1..=1),
            "ABS" => (Self::Abs, 1..=1),
            "LENGTH" => (Self::Length, 1..=1),
            "CONCAT" => (Self::Concat, 0..=usize::MAX),
            "CONCAT_WS" => (Self::ConcatWs, 1..=usize::MAX),
            "LOWER" => (Self::Lower, 1..=1),
            "UPPER" => (Self::Upper, 1..=1),
            "TRIM" => (Self::Trim, 1..=1),
            "LEFT" => (Self::Left, 2..=2),
            "RIGHT" => (Self::Right, 2..=2),
            "SUBSTRING" => (Self::Substring, 2..=3),
            _ => return None,
        };
        allowed.contains(&arguments).then_some(function)
    }

    pub(super) const fn kind(self) -> Type {
        match self {
            Self::Int | Self::Abs | Self::Length => Type::Integer,
            Self::Bool => Type::Boolean,
            _ => Type::String,
        }
    }

    pub(super) fn call(self, arguments: Vec<Value<'_>>) -> Result<Value<'_>, EvaluationError> {
        let mut arguments = arguments.into_iter();
        let mut next = || arguments.next().unwrap_or(Value::from(""));
        let text = match self {
            Self::Int => return next().into_integer().map(Value::Integer),
            Self::Bool => return next().into_boolean().map(Value::Boolean),
            Self::Abs => {
                let number = next().into_integer()?.checked_abs();
                return number.map(Value::Integer).ok_or(EvaluationError::Math);
            }
            Self::Length => {
                let length = i32::try_from(next().into_text().chars().count());
                return length.map(Value::Integer).map_err(|_| TOO_LONG);
            }
            Self::String => next().into_text(),
            Self::Concat => joined("", arguments)?.into(),
            Self::ConcatWs => {
                let delimiter = next().into_text();
                joined(&delimiter, arguments)?.into()
            }
            Self::Lower => next().into_text().to_lowercase().into(),
            Self::Upper => next().into_text().to_uppercase().into(),
            Self::Trim => match next().into_text() {
                Cow::Borrowed(text) => text.trim().into(),
                Cow::Owned(text) => text.trim().to_owned().into(),
            },
            Self::Left => {
                let (text, count) = (next().into_text(), next().into_integer()?);
                let count = usize::try_from(count).map_err(|_| NEGATIVE)?;
                text.chars().take(count).collect::<String>().into()
            }
            Self::Right => {
                let (text, count) = (next().into_text(), next().into_integer()?);
                let count = usize::try_from(count).map_err(|_| NEGATIVE)?;
                let skipped = text.chars().count().saturating_sub(count);
                text.chars().skip(skipped).collect::<String>().into()
            }
            Self::Substring => {
                let (text, position) = (next().into_text(), next().into_integer()?);
                let length = arguments.next().map(Value::into_integer).transpose()?;
                substring(&text, position, length)?.into()
            }
        };
        Ok(Value::String(text))
    }
}

const TOO_LONG: EvaluationError = EvaluationError::Function("a text is longer than 64 KiB");
const NEGATIVE: EvaluationError = EvaluationError::Function("a length is negative");
const OUTSIDE: EvaluationError = EvaluationError::Function("SUBSTRING begins outside of the text");

fn joined<'a>(
    delimiter: &str,
    parts: impl Iterator<Item = Value<'a>>,
) -> Result<String, EvaluationError> {
    let mut text = String::new();
    for (index, part) in parts.enumerate() {
        if index > 0 {
            text.push_str(delimiter);
        }
        text.push_str(&part.into_text());
        if text.len() > MAX_TEXT_BYTES {
            return Err(TOO_LONG);
        }
    }
    Ok(text)
}

/// Positions count from one; a negative one counts from the end; zero gives nothing.
fn substring(text: &str, position: i32, length: Option<i32>) -> Result<String, EvaluationError> {
    let count = text.chars().count();
    let distance = usize::try_from(position.unsigned_abs()).map_err(|_| OUTSIDE)?;
    if distance > count {
        return Err(OUTSIDE);
    }
    let length = match length {
        Some(length) => usize::try_from(length).map_err(|_| NEGATIVE)?,
        None => count,
    };
    let begin = match position {
        0 => return Ok(String::new()),
        1.. => distance - 1,
        _ => count - distance,
    };
    Ok(text.chars().skip(begin).take(length).collect())
}
