//! One level of a JSON value, its parts still in their original text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::RawValue;

/// What a value is, looked at one level deep: go on with `View::of` for what lies below.
#[derive(Debug)]
pub enum View<'a> {
    /// Members in the document's order; a name may come twice, and then the last counts for
    /// nearly every reader.
    Object(Vec<(Cow<'a, str>, &'a RawValue)>),
    /// Elements in order.
    Array(Vec<&'a RawValue>),
    /// A string, its escapes resolved.
    String(Cow<'a, str>),
    /// A number, `true`, `false` or `null`, as it stands.
    Plain(&'a str),
}

impl<'a> View<'a> {
    /// # Errors
    /// Where a name or a string has an escape that stands for no character. Raw values are not
    /// looked into that far before.
    pub fn of(value: &'a RawValue) -> Result<Self, serde_json::Error> {
        let text = value.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => Self::Object(serde_json::from_str::<Members<'a>>(text)?.0),
            Some(b'[') => Self::Array(serde_json::from_str(text)?),
            Some(b'"') => Self::String(serde_json::from_str::<Text<'a>>(text)?.0),
            _ => Self::Plain(text),
        })
    }

    /// The string, where it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// For messages: `an object`, `a number` and so on.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Object(_) => "an object",
            Self::Array(_) => "an array",
            Self::String(_) => "a string",
            Self::Plain("null") => "null",
            Self::Plain("true" | "false") => "true or false",
            Self::Plain(_) => "a number",
        }
    }
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Borrowed where nothing is escaped.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Take;
        impl<'de> Visitor<'de> for Take {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: serde::de::Error>(
                self,
                text: &'de str,
            ) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_shows_its_parts_in_their_original_text() {
        let raw: &RawValue =
            serde_json::from_str(r#"{"a": 1.50, "\u0062": [ 1, "x\n" ], "a": null}"#).unwrap();
        let View::Object(members) = View::of(raw).unwrap() else {
            panic!("it is an object");
        };
        let names: Vec<_> = members.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["a", "b", "a"]);
        assert_eq!(members[0].1.get(), "1.50");
        let View::Array(elements) = View::of(members[1].1).unwrap() else {
            panic!("it is an array");
        };
        assert_eq!(View::of(elements[1]).unwrap().as_str(), Some("x\n"));
        assert_eq!(View::of(elements[0]).unwrap().kind(), "a number");
    }

    #[test]
    fn half_a_surrogate_is_refused_where_it_is_looked_at() {
        let raw: &RawValue = serde_json::from_str(r#"[{"\ud800": 1}, "\ud800"]"#).unwrap();
        let View::Array(elements) = View::of(raw).unwrap() else {
            panic!("it is an array");
        };
        assert!(
            elements
                .into_iter()
                .all(|element| View::of(element).is_err())
        );
    }
}
