//! JSON pointers (RFC 6901) over the original text.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::RawValue;

/// The address of one value in a JSON document, such as `/repository/full_name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer {
    text: String,
    tokens: Vec<Token>,
}

/// One step of a pointer: a member's name, which in an array is an index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token {
    name: String,
    index: Option<usize>,
}

impl Token {
    /// The member's name, with `~0` and `~1` resolved.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which element of an array this means: digits without a leading zero.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        self.index
    }

    fn parse(text: &str) -> Result<Self, ()> {
        let mut name = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            match (char, char == '~') {
                (plain, false) => name.push(plain),
                (_, true) => match chars.next() {
                    Some('0') => name.push('~'),
                    Some('1') => name.push('/'),
                    _ => return Err(()),
                },
            }
        }
        let is_index = name == "0"
            || (!name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit()));
        let index = if is_index { name.parse().ok() } else { None };
        Ok(Self { name, index })
    }
}

impl Pointer {
    /// # Errors
    /// Where `text` is neither empty nor starts with `/`, or has a `~` that is not `~0` or `~1`.
    pub fn parse(text: &str) -> Result<Self, InvalidPointer> {
        let Some(rest) = text.strip_prefix('/') else {
            return match text {
                "" => Ok(Self {
                    text: String::new(),
                    tokens: Vec::new(),
                }),
                _ => Err(InvalidPointer::NoSlash(text.into())),
            };
        };
        let tokens = rest.split('/').map(Token::parse).collect::<Result<_, ()>>();
        let tokens = tokens.map_err(|()| InvalidPointer::Escape(text.into()))?;
        Ok(Self {
            text: text.into(),
            tokens,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The steps from the document's root.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The original text of the value it points at, if there is one. Of members with the
    /// same name the last counts, as for nearly every JSON reader.
    ///
    /// # Errors
    /// Where a step meets something that is not JSON.
    pub fn find<'a>(
        &self,
        document: &'a RawValue,
    ) -> Result<Option<&'a RawValue>, serde_json::Error> {
        let mut current = document;
        for token in &self.tokens {
            let text = current.get();
            let mut reader = serde_json::Deserializer::from_str(text);
            let found = match text.as_bytes().first() {
                Some(b'{') => reader.deserialize_map(Step(token))?,
                Some(b'[') => reader.deserialize_seq(Step(token))?,
                _ => None,
            };
            match found {
                Some(value) => current = value,
                None => return Ok(None),
            }
        }
        Ok(Some(current))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Text that is not a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidPointer {
    /// It does not start with `/`.
    NoSlash(String),
    /// A `~` stands alone.
    Escape(String),
}

impl fmt::Display for InvalidPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlash(text) => {
                write!(
                    f,
                    "pointer \"{text}\" does not start with a slash: write \"/{text}\""
                )
            }
            Self::Escape(text) => {
                write!(
                    f,
                    "pointer \"{text}\" has a lone ~: write ~0 for ~ and ~1 for a slash in a name"
                )
            }
        }
    }
}

impl std::error::Error for InvalidPointer {}

/// Takes one step down; everything beside the way is skipped unparsed.
struct Step<'t>(&'t Token);

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(IsName(&self.0.name))? {
            if is_it {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        for index in 0.. {
            let more = if Some(index) == self.0.index {
                found = seq.next_element()?;
                found.is_some()
            } else {
                seq.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                break;
            }
        }
        Ok(found)
    }
}

/// Compares a member's name without keeping it.
struct IsName<'t>(&'t str);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_finds_the_original_text() {
        let document = r#"{"a": {"b/c": [10, 1e999, {"~": 12345678901234567890.10}]}, "": null, "a\u0062": 1, "x": 1, "x": 2}"#;
        let document: &RawValue = serde_json::from_str(document).unwrap();
        for (pointer, expected) in [
            ("/a/b~1c/0", Some("10")),
            ("/a/b~1c/1", Some("1e999")),
            ("/a/b~1c/2/~0", Some("12345678901234567890.10")),
            ("/", Some("null")),
            ("/ab", Some("1")),
            ("/x", Some("2")),
            ("/a/b~1c/3", None),
            ("/a/b~1c/00", None),
            ("/a/b~1c/1/x", None),
            ("/missing", None),
        ] {
            let found = Pointer::parse(pointer).unwrap().find(document).unwrap();
            assert_eq!(found.map(RawValue::get), expected, "{pointer}");
        }
    }

    #[test]
    fn a_wrong_pointer_says_how_to_write_it() {
        assert_eq!(
            Pointer::parse("id").unwrap_err().to_string(),
            r#"pointer "id" does not start with a slash: write "/id""#
        );
        assert!(Pointer::parse("/a~2").is_err());
    }
}
