//! From words to a tree, by the grammar's ranks: calls, unary operators, LIKE and IN, arithmetic,
//! comparisons, logic.

use super::function::Function;
use super::lexer::{Token, tokens};
use super::like::LikePattern;
use super::value::{Type, Value};
use super::{MAX_BYTES, Node, Operator};

/// Deepest nesting of brackets and unary operators.
const MAX_DEPTH: usize = 64;

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExpression {
    #[error("has {0} bytes, {MAX_BYTES} are allowed")]
    TooLong(usize),
    #[error("is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("has {found:?} at position {at}, which begins nothing")]
    Character { at: usize, found: char },
    #[error("has a text at position {at} that does not end")]
    OpenText { at: usize },
    #[error("has an unexpected {found} at position {at}; {expected} should stand there")]
    Unexpected {
        at: usize,
        found: Box<str>,
        expected: &'static str,
    },
    #[error("has the number {0}, which is no integer of 32 bits")]
    Integer(Box<str>),
    #[error("calls {0}, which does not take {1} arguments here or is not there at all")]
    Function(Box<str>, usize),
    #[error("is always {0}, and never the boolean TRUE")]
    NeverTrue(&'static str),
}

/// An expression that may be TRUE.
pub(super) fn parse(text: &str) -> Result<Node, InvalidExpression> {
    let root = parse_any(text)?;
    match root.kind() {
        Some(Type::String) => Err(InvalidExpression::NeverTrue("a string")),
        Some(Type::Integer) => Err(InvalidExpression::NeverTrue("an integer")),
        Some(Type::Boolean) | None => Ok(root),
    }
}

/// An expression of any type.
pub(super) fn parse_any(text: &str) -> Result<Node, InvalidExpression> {
    if text.len() > MAX_BYTES {
        return Err(InvalidExpression::TooLong(text.len()));
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        end: text.len(),
        depth: 0,
    };
    let root = parser.expression()?;
    if parser.at < parser.tokens.len() {
        return Err(parser.unexpected("an operator or the end"));
    }
    Ok(root)
}

impl Node {
    /// The type of its value, where it is the same for every event.
    fn kind(&self) -> Option<Type> {
        match self {
            Self::Literal(value) => Some(value.kind()),
            Self::Attribute(_) => None,
            Self::Exists(_) | Self::Not(_) | Self::Like(..) | Self::In(..) => Some(Type::Boolean),
            Self::Minus(_) => Some(Type::Integer),
            Self::Call(function, _) => Some(function.kind()),
            Self::Binary(operator, ..) => Some(match operator.rank() {
                Rank::Multiplicative | Rank::Additive => Type::Integer,
                Rank::Comparison | Rank::Logic => Type::Boolean,
            }),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Logic,
    Comparison,
    Additive,
    Multiplicative,
}

impl Rank {
    const fn tighter(self) -> Option<Self> {
        match self {
            Self::Logic => Some(Self::Comparison),
            Self::Comparison => Some(Self::Additive),
            Self::Additive => Some(Self::Multiplicative),
            Self::Multiplicative => None,
        }
    }
}

impl Operator {
    const fn rank(self) -> Rank {
        match self {
            Self::Multiply | Self::Divide | Self::Remainder => Rank::Multiplicative,
            Self::Add | Self::Subtract => Rank::Additive,
            Self::And | Self::Or | Self::Xor => Rank::Logic,
            _ => Rank::Comparison,
        }
    }

    fn of(token: &Token) -> Option<Self> {
        Some(match token {
            Token::Sign("*") => Self::Multiply,
            Token::Sign("/") => Self::Divide,
            Token::Sign("%") => Self::Remainder,
            Token::Sign("+") => Self::Add,
            Token::Sign("-") => Self::Subtract,
            Token::Sign("=") => Self::Equal,
            Token::Sign("!=" | "<>") => Self::Unequal,
            Token::Sign("<") => Self::Less,
            Token::Sign("<=") => Self::LessOrEqual,
            Token::Sign(">") => Self::Greater,
            Token::Sign(">=") => Self::GreaterOrEqual,
            Token::Word(word) if word.eq_ignore_ascii_case("and") => Self::And,
            Token::Word(word) if word.eq_ignore_ascii_case("or") => Self::Or,
            Token::Word(word) if word.eq_ignore_ascii_case("xor") => Self::Xor,
            _ => return None,
        })
    }
}

const KEYWORDS: [&str; 7] = ["and", "or", "xor", "not", "like", "exists", "in"];

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn unexpected(&self, expected: &'static str) -> InvalidExpression {
        let (at, found) = match self.tokens.get(self.at) {
            None => (self.end, "end".into()),
            Some((at, token)) => {
                let found = match token {
                    Token::Word(text) | Token::Digits(text) => text.clone(),
                    Token::Text(_) => "text".into(),
                    Token::Sign(sign) => (*sign).into(),
                };
                (*at, found)
            }
        };
        InvalidExpression::Unexpected {
            at,
            found,
            expected,
        }
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is_there = matches!(self.peek(), Some(Token::Sign(other)) if *other == sign);
        self.at += usize::from(is_there);
        is_there
    }

    fn is_word(&self, ahead: usize, keyword: &str) -> bool {
        let token = self.tokens.get(self.at + ahead).map(|(_, token)| token);
        matches!(token, Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    fn take_word(&mut self, keyword: &str) -> bool {
        let is_there = self.is_word(0, keyword);
        self.at += usize::from(is_there);
        is_there
    }

    fn expression(&mut self) -> Result<Node, InvalidExpression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(InvalidExpression::TooDeep);
        }
        let node = self.binary(Rank::Logic)?;
        self.depth -= 1;
        Ok(node)
    }

    /// Operators of one rank, from left to right.
    fn binary(&mut self, rank: Rank) -> Result<Node, InvalidExpression> {
        let operand = |parser: &mut Self| match rank.tighter() {
            Some(tighter) => parser.binary(tighter),
            None => parser.like_or_in(),
        };
        let mut left = operand(self)?;
        while let Some(operator) = self.peek().and_then(Operator::of)
            && operator.rank() == rank
        {
            self.at += 1;
            let right = operand(self)?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn like_or_in(&mut self) -> Result<Node, InvalidExpression> {
        let mut left = self.unary()?;
        loop {
            let is_negated =
                self.is_word(0, "not") && (self.is_word(1, "like") || self.is_word(1, "in"));
            self.at += usize::from(is_negated);
            let node = if self.take_word("like") {
                let Some(Token::Text(pattern)) = self.peek() else {
                    return Err(self.unexpected("a pattern as a literal text"));
                };
                let pattern = LikePattern::parse(pattern);
                self.at += 1;
                Node::Like(Box::new(left), pattern)
            } else if self.take_word("in") {
                if !self.take_sign("(") {
                    return Err(self.unexpected("("));
                }
                Node::In(Box::new(left), self.list()?)
            } else {
                return Ok(left);
            };
            left = if is_negated {
                Node::Not(Box::new(node))
            } else {
                node
            };
        }
    }

    /// What stands in brackets after the opening one: at least one expression.
    fn list(&mut self) -> Result<Vec<Node>, InvalidExpression> {
        let mut items = Vec::new();
        loop {
            items.push(self.expression()?);
            if self.take_sign(")") {
                return Ok(items);
            }
            if !self.take_sign(",") {
                return Err(self.unexpected(", or )"));
            }
        }
    }

    fn unary(&mut self) -> Result<Node, InvalidExpression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(InvalidExpression::TooDeep);
        }
        let node = if self.take_word("not") {
            Node::Not(Box::new(self.unary()?))
        } else if self.take_sign("-") {
            match self.peek() {
                // The smallest integer has no positive twin.
                Some(Token::Digits(digits)) => {
                    let literal = integer(&format!("-{digits}"))?;
                    self.at += 1;
                    literal
                }
                _ => Node::Minus(Box::new(self.unary()?)),
            }
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn primary(&mut self) -> Result<Node, InvalidExpression> {
        if self.take_sign("(") {
            let node = self.expression()?;
            if self.take_sign(")") {
                return Ok(node);
            }
            return Err(self.unexpected(")"));
        }
        if self.take_word("exists") {
            let name = self.attribute()?;
            return Ok(Node::Exists(name));
        }
        let has_sign = self.take_sign("+");
        match self.peek().cloned() {
            Some(Token::Digits(digits)) => {
                self.at += 1;
                integer(&digits)
            }
            _ if has_sign => Err(self.unexpected("a number")),
            Some(Token::Text(text)) => {
                self.at += 1;
                Ok(Node::Literal(Value::String(String::from(text).into())))
            }
            Some(Token::Word(word)) => self.word(&word),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn word(&mut self, word: &str) -> Result<Node, InvalidExpression> {
        for (name, value) in [("true", true), ("false", false)] {
            if word.eq_ignore_ascii_case(name) {
                self.at += 1;
                return Ok(Node::Literal(Value::Boolean(value)));
            }
        }
        let is_call = matches!(self.tokens.get(self.at + 1), Some((_, Token::Sign("("))));
        if !is_call {
            return self.attribute().map(Node::Attribute);
        }
        self.at += 2;
        let arguments = if self.take_sign(")") {
            Vec::new()
        } else {
            self.list()?
        };
        let function = Function::find(word, arguments.len())
            .ok_or_else(|| InvalidExpression::Function(word.into(), arguments.len()))?;
        Ok(Node::Call(function, arguments))
    }

    /// Names of attributes are written in any case, and are lower-case.
    fn attribute(&mut self) -> Result<Box<str>, InvalidExpression> {
        let name = match self.peek() {
            Some(Token::Word(word)) if !word.contains('_') => word.to_ascii_lowercase(),
            _ => return Err(self.unexpected("the name of an attribute")),
        };
        if KEYWORDS.contains(&name.as_str()) {
            return Err(self.unexpected("the name of an attribute"));
        }
        self.at += 1;
        Ok(name.into())
    }
}

fn integer(text: &str) -> Result<Node, InvalidExpression> {
    match text.parse() {
        Ok(number) => Ok(Node::Literal(Value::Integer(number))),
        Err(_) => Err(InvalidExpression::Integer(text.into())),
    }
}
