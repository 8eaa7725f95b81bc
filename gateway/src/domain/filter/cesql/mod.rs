//! CloudEvents SQL 1.0: an expression over an event's attributes, read once, asked often.
//!
//! The semantics are the specification's own: implicit casts by the right operand, AND and OR that
//! stop early, unary operators that bind closest, and AND, OR and XOR of one rank from left to
//! right. An event passes where the value is the boolean TRUE and nothing went wrong on the way, so
//! evaluation ends at the first error. What can never be true is refused when it is read. There are
//! no loops and no variables, and texts are bounded, so the cost is bounded by the expression's
//! length.

mod evaluate;
mod function;
mod lexer;
mod like;
mod parser;
mod value;

pub use self::evaluate::EvaluationError;
pub use self::parser::InvalidExpression;
pub use self::value::Value;

use self::function::Function;
use self::like::LikePattern;
use super::Candidate;

/// Longest expression.
pub const MAX_BYTES: usize = 2048;

/// An expression that was read.
#[derive(Debug)]
pub struct Expression {
    root: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Literal(Value<'static>),
    Attribute(Box<str>),
    Exists(Box<str>),
    Not(Box<Node>),
    Minus(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    Like(Box<Node>, LikePattern),
    In(Box<Node>, Vec<Node>),
    Call(Function, Vec<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Multiply,
    Divide,
    Remainder,
    Add,
    Subtract,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Xor,
}

impl Expression {
    /// # Errors
    /// Where `text` is no expression, calls what there is not, or can never be TRUE.
    pub fn parse(text: &str) -> Result<Self, InvalidExpression> {
        parser::parse(text).map(|root| Self { root })
    }

    /// Whether the event passes.
    #[must_use]
    pub fn holds(&self, candidate: &Candidate<'_>) -> bool {
        matches!(self.evaluate(candidate), Ok(Value::Boolean(true)))
    }

    /// The value, or the first thing that went wrong.
    ///
    /// # Errors
    /// Where an attribute is missing, a cast or an operation is impossible.
    pub fn evaluate<'a>(
        &'a self,
        candidate: &'a Candidate<'_>,
    ) -> Result<Value<'a>, EvaluationError> {
        self.root.evaluate(candidate)
    }

    pub(super) fn explain(&self, candidate: &Candidate<'_>) -> String {
        match self.evaluate(candidate) {
            Ok(Value::Boolean(value)) => format!("is {value}"),
            Ok(value) => format!("is {value}, which is no boolean"),
            Err(error) => format!("fails: {error}"),
        }
    }
}

#[cfg(test)]
mod tests;
