//! JSON as it was written: numbers keep their text, members their order.
//!
//! `1.50` and `1.5` are one number to most readers and two payloads to a receiver that
//! checks a signature, so nothing here ever turns a number into a float.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deeper documents are no JSON to this crate; it reads what plugins wrote.
const MAX_DEPTH: usize = 100;
/// Longest text of a value that is written in one line.
const MAX_LINE_CHARS: usize = 88;

/// One JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exact {
    Null,
    Bool(bool),
    /// As it stands in the document.
    Number(Box<str>),
    Text(String),
    List(Vec<Exact>),
    /// In the document's order; a name may come twice.
    Object(Vec<(String, Exact)>),
}

impl Exact {
    /// Reads one whole document.
    ///
    /// # Errors
    /// Says where it is no JSON, or that it is nested too deeply.
    pub fn parse(document: &[u8]) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_slice(document)?;
        Self::of(raw, MAX_DEPTH)
    }

    pub(crate) fn of_raw(raw: &RawValue) -> Result<Self, serde_json::Error> {
        Self::of(raw, MAX_DEPTH)
    }

    fn of(raw: &RawValue, depth: usize) -> Result<Self, serde_json::Error> {
        let text = raw.get();
        if depth == 0 {
            return Err(serde::de::Error::custom("it is nested too deeply"));
        }
        Ok(match text.as_bytes()[0] {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'"' => Self::Text(serde_json::from_str(text)?),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                let items = items.into_iter().map(|item| Self::of(item, depth - 1));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            b'{' => {
                let Members(members) = serde_json::from_str(text)?;
                let members = members
                    .into_iter()
                    .map(|(name, value)| Ok((name, Self::of(value, depth - 1)?)));
                Self::Object(members.collect::<Result<_, serde_json::Error>>()?)
            }
            _ => Self::Number(text.into()),
        })
    }

    /// An object of these members, in this order.
    #[must_use]
    pub fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        let members = members.map(|(name, value)| (name.to_owned(), value));
        Self::Object(members.into())
    }

    /// A whole number.
    #[must_use]
    pub fn whole(number: u64) -> Self {
        Self::Number(number.to_string().into())
    }

    /// The first member of that name, where this is an object that has one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let found = members.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    /// For people: in one line where it is short, else indented, its first line not.
    #[must_use]
    pub fn pretty(&self, indent: usize) -> String {
        let mut text = String::new();
        self.write_pretty(indent, &mut text);
        text
    }

    fn write_pretty(&self, indent: usize, text: &mut String) {
        let in_a_line = self.spaced();
        let is_short = indent + in_a_line.chars().count() <= MAX_LINE_CHARS;
        let inner = indent + 2;
        let (open, close) = match self {
            Self::List(items) if !is_short && !items.is_empty() => ('[', ']'),
            Self::Object(members) if !is_short && !members.is_empty() => ('{', '}'),
            _ => return text.push_str(&in_a_line),
        };
        text.push(open);
        let mut separator = "\n";
        let mut start = |text: &mut String| {
            text.push_str(separator);
            text.push_str(&" ".repeat(inner));
            separator = ",\n";
        };
        match self {
            Self::List(items) => {
                for item in items {
                    start(text);
                    item.write_pretty(inner, text);
                }
            }
            Self::Object(members) => {
                for (name, value) in members {
                    start(text);
                    text.push_str(&quoted(name));
                    text.push_str(": ");
                    value.write_pretty(inner, text);
                }
            }
            _ => {}
        }
        text.push('\n');
        text.push_str(&" ".repeat(indent));
        text.push(close);
    }

    /// In one line, with a space after each colon and comma.
    fn spaced(&self) -> String {
        match self {
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::spaced).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("{}: {}", quoted(name), value.spaced()))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }
            scalar => scalar.to_string(),
        }
    }
}

impl From<&str> for Exact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// As compact JSON.
impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(text) => f.write_str(text),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{value}", quoted(name))?;
                }
                f.write_str("}")
            }
        }
    }
}

impl serde::Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_string(self.to_string());
        raw.map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The members of an object, values unread.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn numbers_order_and_repeated_names_survive() {
        let text = r#"{"b":1.50,"a":[1E+999,12345678901234567890.10],"b":"\u00e9\n","z":{}}"#;
        let exact = Exact::parse(text.as_bytes()).unwrap();
        assert_eq!(exact.to_string(), text.replace("\\u00e9", "é"));
        assert_eq!(exact.get("b"), Some(&Exact::Number("1.50".into())));
    }

    #[test]
    fn only_one_whole_document_is_read() {
        for text in ["", "{", "[1,}", "1 2", "nul", "\u{feff}1"] {
            assert!(Exact::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(Exact::parse(b"\"\xff\"").is_err());
        let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(Exact::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn what_is_long_is_written_in_lines() {
        let short = Exact::parse(br#"{"replace":{"id":1,"x":[1,2]}}"#).unwrap();
        assert_eq!(short.pretty(0), r#"{"replace": {"id": 1, "x": [1, 2]}}"#);
        let long = Exact::object([
            ("a", Exact::from("x".repeat(70).as_str())),
            ("b", Exact::List(vec![Exact::Null, Exact::whole(17)])),
        ]);
        let lines = long.pretty(2);
        assert_eq!(
            lines,
            format!(
                "{{\n    \"a\": \"{}\",\n    \"b\": [null, 17]\n  }}",
                "x".repeat(70)
            )
        );
        assert_eq!(Exact::parse(lines.as_bytes()).unwrap(), long);
    }
}
