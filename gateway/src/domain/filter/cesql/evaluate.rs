//! The value of an expression for one event.

use super::value::{Type, Value};
use super::{Node, Operator};
use crate::domain::filter::Candidate;

/// Attributes that every event has, whatever its producer gave.
const REQUIRED: [&str; 4] = ["id", "source", "specversion", "type"];

/// What went wrong on the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    #[error("the event has no attribute {0}")]
    MissingAttribute(Box<str>),
    #[error("{0}")]
    Cast(Box<str>),
    #[error("the result is no integer of 32 bits, or a division by zero")]
    Math,
    #[error("{0}")]
    Function(&'static str),
}

impl EvaluationError {
    pub(super) fn cast(text: &str, to: Type) -> Self {
        let short: String = text.chars().take(40).collect();
        Self::Cast(format!("{short:?} is not {to}").into())
    }
}

type Evaluated<'a> = Result<Value<'a>, EvaluationError>;

impl Node {
    pub(super) fn evaluate<'a>(&'a self, candidate: &'a Candidate<'_>) -> Evaluated<'a> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Attribute(name) => candidate
                .attribute(name)
                .ok_or_else(|| EvaluationError::MissingAttribute(name.clone())),
            Self::Exists(name) => {
                let exists = REQUIRED.contains(&&**name) || candidate.attribute(name).is_some();
                Ok(Value::Boolean(exists))
            }
            Self::Not(node) => {
                let value = node.evaluate(candidate)?.into_boolean()?;
                Ok(Value::Boolean(!value))
            }
            Self::Minus(node) => {
                let number = node.evaluate(candidate)?.into_integer()?;
                number
                    .checked_neg()
                    .map(Value::Integer)
                    .ok_or(EvaluationError::Math)
            }
            Self::Binary(operator, left, right) => binary(*operator, left, right, candidate),
            Self::Like(node, pattern) => {
                let text = node.evaluate(candidate)?.into_text();
                Ok(Value::Boolean(pattern.matches(&text)))
            }
            Self::In(node, set) => {
                let wanted = node.evaluate(candidate)?;
                for item in set {
                    if item.evaluate(candidate)?.cast(wanted.kind())? == wanted {
                        return Ok(Value::Boolean(true));
                    }
                }
                Ok(Value::Boolean(false))
            }
            Self::Call(function, arguments) => {
                let arguments = arguments.iter().map(|node| node.evaluate(candidate));
                function.call(arguments.collect::<Result<_, _>>()?)
            }
        }
    }
}

fn binary<'a>(
    operator: Operator,
    left: &'a Node,
    right: &'a Node,
    candidate: &'a Candidate<'_>,
) -> Evaluated<'a> {
    let value = left.evaluate(candidate)?;
    match operator {
        Operator::And | Operator::Or => {
            let left = value.into_boolean()?;
            if left == (operator == Operator::Or) {
                return Ok(Value::Boolean(left));
            }
            let right = right.evaluate(candidate)?.into_boolean()?;
            Ok(Value::Boolean(right))
        }
        Operator::Xor => {
            let right = right.evaluate(candidate)?.into_boolean()?;
            Ok(Value::Boolean(value.into_boolean()? != right))
        }
        Operator::Equal | Operator::Unequal => {
            let right = right.evaluate(candidate)?;
            let is_equal = value.cast(right.kind())? == right;
            Ok(Value::Boolean(is_equal == (operator == Operator::Equal)))
        }
        _ => {
            let right = right.evaluate(candidate)?.into_integer()?;
            numeric(operator, value.into_integer()?, right)
        }
    }
}

fn numeric<'a>(operator: Operator, left: i32, right: i32) -> Evaluated<'a> {
    let number = match operator {
        Operator::Less => return Ok(Value::Boolean(left < right)),
        Operator::LessOrEqual => return Ok(Value::Boolean(left <= right)),
        Operator::Greater => return Ok(Value::Boolean(left > right)),
        Operator::GreaterOrEqual => return Ok(Value::Boolean(left >= right)),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        Operator::Remainder => left.checked_rem(right),
        Operator::Add => left.checked_add(right),
        _ => left.checked_sub(right),
    };
    number.map(Value::Integer).ok_or(EvaluationError::Math)
}
