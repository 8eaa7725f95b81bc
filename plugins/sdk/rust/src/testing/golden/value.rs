//! JSON values that are the same where their text means the same, numbers to the digit.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A value whose numbers are kept as they were written: `1` is not `1.0`.
#[derive(Debug, PartialEq)]
pub(super) enum Exact {
    /// By name; a name that comes twice keeps its order.
    Object(Vec<(String, Exact)>),
    Array(Vec<Exact>),
    String(String),
    /// A number, `true`, `false` or `null`.
    Plain(String),
}

impl Exact {
    pub(super) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let text = text.trim();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let Members(mut members) = serde_json::from_str::<Members<&RawValue>>(text)?;
                members.sort_by(|one, other| one.0.cmp(&other.0));
                let members = members.into_iter();
                Self::Object(
                    members
                        .map(|(name, value)| Ok((name, Self::read(value.get())?)))
                        .collect::<Result<_, serde_json::Error>>()?,
                )
            }
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(text)?;
                let elements = elements.into_iter();
                Self::Array(
                    elements
                        .map(|element| Self::read(element.get()))
                        .collect::<Result<_, _>>()?,
                )
            }
            Some(b'"') => Self::String(serde_json::from_str(text)?),
            _ => Self::Plain(serde_json::from_str::<&RawValue>(text)?.get().to_owned()),
        })
    }
}

/// Whether `json` is an object with this member.
pub(super) fn has_member(json: &str, name: &str) -> bool {
    serde_json::from_str::<Members<IgnoredAny>>(json)
        .is_ok_and(|Members(members)| members.iter().any(|(member, _)| member == name))
}

/// The members of an object, as they stand there.
struct Members<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Read(PhantomData)).map(Self)
    }
}

/// Names and values: an object of texts, or a list of pairs where a name comes twice.
#[derive(Debug)]
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

impl Pairs {
    /// Names in lower case, and in order of their names.
    pub(super) fn as_headers(&self) -> Vec<(String, &str)> {
        let pairs = self.0.iter();
        let mut pairs: Vec<_> = pairs
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
            .collect();
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        pairs
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read(PhantomData)).map(Self)
    }
}

struct Read<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
    type Value = Vec<(String, T)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, or a list of [name, value]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = list.next_element()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

/// Tells a member that is `null` from none at all.
pub(super) fn given<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// Bytes in a golden file: JSON as it stands, a text, or base64.
#[derive(Debug)]
pub(super) enum Bytes {
    Json(Box<RawValue>),
    Exact(Vec<u8>),
}

impl Bytes {
    /// At most one of the three; `name` is what messages call them.
    pub(super) fn one_of(
        name: &str,
        json: Option<Box<RawValue>>,
        text: Option<String>,
        base64: Option<String>,
    ) -> Result<Option<Self>, String> {
        match (json, text, base64) {
            (None, None, None) => Ok(None),
            (Some(json), None, None) => Ok(Some(Self::Json(json))),
            (None, Some(text), None) => Ok(Some(Self::Exact(text.into_bytes()))),
            (None, None, Some(base64)) => {
                use base64::Engine as _;
                let bytes = base64::engine::general_purpose::STANDARD.decode(base64);
                let bytes = bytes.map_err(|error| format!("{name}_base64: {error}"))?;
                Ok(Some(Self::Exact(bytes)))
            }
            _ => Err(format!(
                "one of {name}, {name}_text and {name}_base64, not several"
            )),
        }
    }

    /// Exactly one of the three.
    pub(super) fn given(
        name: &str,
        json: Option<Box<RawValue>>,
        text: Option<String>,
        base64: Option<String>,
    ) -> Result<Self, String> {
        Self::one_of(name, json, text, base64)?
            .ok_or_else(|| format!("give one of {name}, {name}_text and {name}_base64"))
    }

    /// What a plugin is given.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        match self {
            Self::Json(json) => json.get().as_bytes().to_vec(),
            Self::Exact(bytes) => bytes.clone(),
        }
    }

    /// Whether `found` is this: as a value where this is JSON, else byte for byte.
    pub(super) fn is(&self, found: &[u8]) -> bool {
        match self {
            Self::Exact(bytes) => bytes == found,
            Self::Json(json) => {
                let found = std::str::from_utf8(found).ok().map(Exact::read);
                matches!((found, Exact::read(json.get())), (Some(Ok(a)), Ok(b)) if a == b)
            }
        }
    }
}
