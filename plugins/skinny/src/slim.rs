//! One pass over the data that copies what is kept.
//!
//! Values are never parsed: their text is copied, and what is not kept is skipped.

use std::fmt;

use hookgate_plugin::{Failure, json::RawValue};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::config::{Branch, Tree};

/// The kept parts of `data`, with the claim check where one is given.
///
/// # Errors
/// `unusable-event` where `data` is not a JSON object.
pub(crate) fn slim(data: &str, keep: &Tree, data_url: Option<&str>) -> Result<String, Failure> {
    if !data.trim_start().starts_with('{') {
        serde_json::from_str::<IgnoredAny>(data)?;
        return Err(Failure::UnusableEvent(format!(
            "data is {}, and skinny keeps members of a JSON object",
            kind(data.trim_start())
        )));
    }
    let mut out = String::with_capacity(256);
    out.push('{');
    let mut reader = serde_json::Deserializer::from_str(data);
    reader.deserialize_map(Copy {
        keep,
        out: &mut out,
    })?;
    reader.end()?;
    if let Some(url) = data_url {
        separate(&mut out, 1);
        out.push_str("\"data_url\":");
        out.push_str(&serde_json::Value::from(url).to_string());
    }
    out.push('}');
    Ok(out)
}

fn kind(data: &str) -> &'static str {
    match data.as_bytes().first() {
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// A comma, unless nothing was written since the container opened before `start`.
fn separate(out: &mut String, start: usize) {
    if out.len() > start {
        out.push(',');
    }
}

/// Appends the kept members or elements of one container to `out`, without its brackets.
struct Copy<'t> {
    keep: &'t Tree,
    out: &'t mut String,
}

impl<'de> Visitor<'de> for Copy<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let start = self.out.len();
        while let Some(branch) = map.next_key_seed(Name(self.keep))? {
            match branch {
                Some(branch) => {
                    let value = map.next_value()?;
                    append(self.out, start, branch, &branch.member, value)
                        .map_err(A::Error::custom)?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let start = self.out.len();
        for index in 0.. {
            match self.keep.at(index) {
                Some(branch) => match seq.next_element()? {
                    Some(value) => {
                        append(self.out, start, branch, "", value).map_err(A::Error::custom)?;
                    }
                    None => break,
                },
                None if seq.next_element::<IgnoredAny>()?.is_none() => break,
                None => {}
            }
        }
        Ok(())
    }
}

/// Appends `value`, or what is kept of it; where nothing is, `out` stays as it was.
///
/// # Errors
/// Where a name below has an escape that stands for no character: until here it was only skipped.
fn append(
    out: &mut String,
    start: usize,
    branch: &Branch,
    member: &str,
    value: &RawValue,
) -> Result<(), serde_json::Error> {
    let before = out.len();
    separate(out, start);
    out.push_str(member);
    let text = value.get();
    let Some(below) = &branch.below else {
        out.push_str(text);
        return Ok(());
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let brackets = match text.as_bytes().first() {
        Some(b'{') => ('{', '}'),
        Some(b'[') => ('[', ']'),
        _ => {
            out.truncate(before);
            return Ok(());
        }
    };
    out.push(brackets.0);
    let opened = out.len();
    let copy = Copy { keep: below, out };
    match brackets.0 {
        '{' => reader.deserialize_map(copy)?,
        _ => reader.deserialize_seq(copy)?,
    }
    if out.len() == opened {
        out.truncate(before);
    } else {
        out.push(brackets.1);
    }
    Ok(())
}

/// Looks a member's name up without keeping it.
struct Name<'t>(&'t Tree);

impl<'de, 't> DeserializeSeed<'de> for Name<'t> {
    type Value = Option<&'t Branch>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'t> Visitor<'_> for Name<'t> {
    type Value = Option<&'t Branch>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.named(name))
    }
}
