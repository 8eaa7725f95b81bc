//! Words of an expression.

use super::parser::InvalidExpression;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Letters, digits and underscores: a keyword, an attribute or a function.
    Word(Box<str>),
    /// Digits alone.
    Digits(Box<str>),
    Text(Box<str>),
    /// An operator, a bracket or a comma.
    Sign(&'static str),
}

/// Longer ones first, as `<=` begins like `<`.
const SIGNS: [&str; 15] = [
    "!=", "<>", ">=", "<=", "=", "<", ">", "(", ")", ",", "+", "-", "*", "/", "%",
];

/// The tokens of `text`, each with the position of its first byte.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, InvalidExpression> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            return Ok(tokens);
        };
        let (token, length) = match first {
            '\'' | '"' => string(rest, first).ok_or(InvalidExpression::OpenText { at })?,
            _ if first.is_ascii_alphanumeric() || first == '_' => word(rest),
            _ => {
                let mut signs = SIGNS.iter();
                let sign = signs.find(|sign| rest.starts_with(**sign));
                let sign = sign.ok_or(InvalidExpression::Character { at, found: first })?;
                (Token::Sign(sign), sign.len())
            }
        };
        tokens.push((at, token));
        rest = &rest[length..];
    }
}

fn word(text: &str) -> (Token, usize) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let word = &text[..length];
    let token = if word.bytes().all(|byte| byte.is_ascii_digit()) {
        Token::Digits(word.into())
    } else {
        Token::Word(word.into())
    };
    (token, length)
}

/// A backslash before its own quote stands for the quote, before anything else for itself: patterns
/// have escapes of their own.
fn string(text: &str, quote: char) -> Option<(Token, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                let (_, escaped) = chars.next()?;
                if escaped != quote {
                    value.push('\\');
                }
                value.push(escaped);
            }
            _ if c == quote => return Some((Token::Text(value.into()), at + 1)),
            _ => value.push(c),
        }
    }
    None
}
