//! Events in Hookgate's own JSON: `{"type", "data", …}`, alone or as an array.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::flaw::{Flaw, Rule};
use super::object::{self, Object, pointer};
use super::{Identity, Incoming, MAX_DATA_BYTES, scan, text};
use crate::domain::event::Attributes;
use crate::domain::headers;
use crate::domain::labels::MAX_LABELS;
use crate::domain::pattern::MAX_TYPE_BYTES;

const KNOWN: &str = "type, data, tenant, source, subject, time, id, key, labels and headers";

/// One event.
///
/// # Errors
/// Names the first place that breaks a rule.
pub fn one(body: &Bytes) -> Result<Incoming, Flaw> {
    read(&object::one(body)?, body)
}

/// An array of events.
///
/// # Errors
/// Names the first place that breaks a rule, beginning with the index.
pub fn many(body: &Bytes) -> Result<Vec<Incoming>, Flaw> {
    let objects = object::many(body)?;
    let events = objects
        .iter()
        .enumerate()
        .map(|(index, object)| read(object, body).map_err(|flaw| flaw.at_index(index)));
    events.collect()
}

fn read(object: &Object<'_>, body: &Bytes) -> Result<Incoming, Flaw> {
    let mut event_type = None;
    let mut data = None;
    let mut tenant = None;
    let mut attributes = Attributes::default();
    for (name, raw) in &object.members {
        let at = |rule| Flaw::body(pointer(name), rule);
        match name.as_ref() {
            "data" => data = Some(*raw),
            "type" => event_type = Some(word(raw, MAX_TYPE_BYTES).map_err(at)?),
            _ if text::is_null(raw) && is_optional(name) => {}
            "tenant" => {
                let name = text::string(raw).map_err(at)?;
                let parsed = name.parse().map_err(|error| domain(&error));
                tenant = Some(parsed.map_err(at)?);
            }
            "source" => attributes.source = Some(attribute(raw).map_err(at)?),
            "subject" => attributes.subject = Some(attribute(raw).map_err(at)?),
            "id" => attributes.producer_id = Some(word(raw, text::MAX_ID_BYTES).map_err(at)?),
            "key" => attributes.key = Some(word(raw, text::MAX_ID_BYTES).map_err(at)?),
            "time" => {
                let time = text::string(raw).and_then(|time| text::time(&time));
                attributes.time = Some(time.map_err(at)?);
            }
            "labels" => attributes.labels = labels(raw).map_err(at)?,
            "headers" => attributes.headers = extra_headers(raw).map_err(at)?,
            _ => return Err(at(Rule::Unknown { known: KNOWN })),
        }
    }
    let missing = |name: &str, cure| Flaw::body(pointer(name), Rule::Missing(cure));
    let event_type =
        event_type.ok_or_else(|| missing("type", "name what happened, as in \"invoice.paid\""))?;
    let data = data.ok_or_else(|| missing("data", "give any JSON value, null included"))?;
    let identity = match attributes.producer_id {
        Some(_) => Identity::ProducerId,
        None => Identity::None,
    };
    Ok(Incoming {
        tenant,
        event_type: event_type.into(),
        attributes,
        data: checked_data(data, body).map_err(|rule| Flaw::body("/data", rule))?,
        identity,
    })
}

fn is_optional(name: &str) -> bool {
    matches!(
        name,
        "tenant" | "source" | "subject" | "time" | "id" | "key" | "labels" | "headers"
    )
}

fn domain(error: &dyn std::fmt::Display) -> Rule {
    Rule::Domain(format!("is not allowed: {error}"))
}

/// The value's own bytes, as they lie in the body.
pub(super) fn checked_data(raw: &RawValue, body: &Bytes) -> Result<Bytes, Rule> {
    let bytes = raw.get().as_bytes();
    bounded_data(bytes.len())?;
    scan::check(bytes)?;
    Ok(body.slice_ref(bytes))
}

pub(super) fn bounded_data(actual_bytes: usize) -> Result<(), Rule> {
    if actual_bytes > MAX_DATA_BYTES {
        return Err(Rule::TooLong {
            actual_bytes,
            max_bytes: MAX_DATA_BYTES,
        });
    }
    Ok(())
}

fn word(raw: &RawValue, max_bytes: usize) -> Result<Box<str>, Rule> {
    let text = text::string(raw)?;
    text::bounded(&text, max_bytes).map(Into::into)
}

fn attribute(raw: &RawValue) -> Result<Box<str>, Rule> {
    word(raw, text::MAX_ATTRIBUTE_BYTES)
}

fn labels(raw: &RawValue) -> Result<Vec<Box<str>>, Rule> {
    let kind = || Rule::WrongKind("an array of at most 20 strings");
    let texts: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| kind())?;
    if texts.len() > MAX_LABELS {
        return Err(kind());
    }
    texts.into_iter().map(attribute).collect()
}

fn extra_headers(raw: &RawValue) -> Result<Vec<(Box<str>, Box<str>)>, Rule> {
    let kind = Rule::WrongKind("an object of strings");
    let object = object::one(raw.get().as_bytes()).map_err(|flaw| match flaw.rule {
        Rule::WrongKind(_) => kind.clone(),
        rule => rule,
    })?;
    let mut pairs = Vec::with_capacity(object.members.len());
    for (name, value) in &object.members {
        pairs.push((name, text::string(value).map_err(|_| kind.clone())?));
    }
    headers::checked(pairs.iter().map(|(name, value)| (&***name, &**value))).map_err(Rule::Headers)
}
