//! A JSON object whose members keep their own bytes: names once, values unread.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::MAX_BATCH_EVENTS;
use super::flaw::{Flaw, Rule};

/// Most members of an event; what is above comes from nobody who means well.
const MAX_MEMBERS: usize = 64;

/// Members in the order in which they came; a name that comes twice is a flaw, not a choice.
#[derive(Debug, Default)]
pub(super) struct Object<'a> {
    pub(super) members: Vec<(Cow<'a, str>, &'a RawValue)>,
    flaw: Option<Flaw>,
}

/// Reads one object, which must be the whole text.
pub(super) fn one(body: &[u8]) -> Result<Object<'_>, Flaw> {
    let object: Object<'_> = serde_json::from_slice(body).map_err(|error| flaw_of(&error))?;
    object.checked()
}

/// Reads an array of at most [`MAX_BATCH_EVENTS`] objects.
pub(super) fn many(body: &[u8]) -> Result<Vec<Object<'_>>, Flaw> {
    let Objects { objects, is_more } =
        serde_json::from_slice(body).map_err(|error| flaw_of(&error))?;
    if is_more {
        let max = MAX_BATCH_EVENTS;
        return Err(Flaw::body("", Rule::TooManyEvents { max }));
    }
    let checked = objects
        .into_iter()
        .enumerate()
        .map(|(index, object)| object.checked().map_err(|flaw| flaw.at_index(index)));
    checked.collect()
}

pub(super) fn flaw_of(error: &serde_json::Error) -> Flaw {
    let rule = if error.is_data() {
        Rule::WrongKind("an event as a JSON object, or an array of them where a batch is sent")
    } else {
        Rule::NotJson(error.to_string())
    };
    Flaw::body("", rule)
}

/// A name as a step of a JSON pointer.
pub(super) fn pointer(name: &str) -> String {
    let short: String = name.chars().take(80).collect();
    format!("/{}", short.replace('~', "~0").replace('/', "~1"))
}

impl Object<'_> {
    fn checked(self) -> Result<Self, Flaw> {
        match self.flaw {
            Some(flaw) => Err(flaw),
            None => Ok(self),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut object = Object {
            members: Vec::with_capacity(8),
            flaw: None,
        };
        while let Some(Name(name)) = map.next_key()? {
            if object.members.len() == MAX_MEMBERS {
                let rule = Rule::TooManyMembers { max: MAX_MEMBERS };
                object.flaw = object.flaw.or(Some(Flaw::body("", rule)));
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if object.members.iter().any(|(other, _)| *other == name) {
                object.flaw = object
                    .flaw
                    .or_else(|| Some(Flaw::body(pointer(&name), Rule::Twice)));
            }
            object.members.push((name, map.next_value()?));
        }
        Ok(object)
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

struct Objects<'a> {
    objects: Vec<Object<'a>>,
    is_more: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Objects<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ObjectsVisitor)
    }
}

struct ObjectsVisitor;

impl<'de> Visitor<'de> for ObjectsVisitor {
    type Value = Objects<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Objects<'de>, A::Error> {
        let mut objects = Vec::new();
        while objects.len() < MAX_BATCH_EVENTS {
            match seq.next_element()? {
                Some(object) => objects.push(object),
                None => {
                    return Ok(Objects {
                        objects,
                        is_more: false,
                    });
                }
            }
        }
        let is_more = seq.next_element::<IgnoredAny>()?.is_some();
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Objects { objects, is_more })
    }
}
