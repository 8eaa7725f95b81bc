//! A genuine request as an event: its bytes as they came, its type and its id as the rules say.

use std::cell::LazyCell;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::Request;
use crate::domain::clock::Timestamp;
use crate::domain::event::{Attributes, is_json};
use crate::domain::pattern::MAX_TYPE_BYTES;
use crate::domain::source::Source;
use crate::ingest::binary::check_json;
use crate::ingest::cloudevents::{OPAQUE, media_type};
use crate::ingest::flaw::Flaw;
use crate::ingest::{Identity, Incoming, json, text};

/// The event that a request is.
#[must_use]
pub fn of_request(source: &Source, request: &Request<'_>) -> Incoming {
    let rules = &source.rules;
    let (type_from, id_from) = (rules.type_from(), rules.id_from());
    // Read only where a rule looks into it.
    let parsed = LazyCell::new(|| serde_json::from_slice::<Value>(request.body).ok());
    let body = || parsed.as_ref();
    let event_type = type_from.event_type(|place| request.find(place, body));
    let id = id_from.and_then(|place| request.find(&place, body));
    let mut attributes = of_source(source, id.as_deref());
    attributes.content_type = content_type(request.header(CONTENT_TYPE.as_str()), request.body);
    incoming(event_type, attributes, request.body.clone())
}

/// An event as a plugin proposes it, not checked yet.
#[derive(Clone, Debug)]
pub struct Proposed {
    pub event_type: String,
    pub id: Option<String>,
    pub subject: Option<String>,
    pub key: Option<String>,
    pub at: Option<Timestamp>,
    pub content_type: String,
    pub data: Bytes,
}

/// The event that a plugin proposes.
///
/// # Errors
/// Names the member that breaks a rule of events.
pub fn of_plugin(source: &Source, proposed: Proposed) -> Result<Incoming, Flaw> {
    let bounded = |name: &str, value: &str, max_bytes: usize| {
        let checked = text::bounded(value, max_bytes);
        checked
            .map(Box::<str>::from)
            .map_err(|rule| Flaw::body(name, rule))
    };
    let optional = |name: &str, value: Option<String>, max_bytes: usize| {
        let checked = value.map(|value| bounded(name, &value, max_bytes));
        checked.transpose()
    };
    let event_type = bounded("/event-type", &proposed.event_type, MAX_TYPE_BYTES)?;
    let mut attributes = of_source(source, None);
    attributes.producer_id = optional("/id", proposed.id, text::MAX_ID_BYTES)?;
    attributes.subject = optional("/subject", proposed.subject, text::MAX_ATTRIBUTE_BYTES)?;
    attributes.key = optional("/key", proposed.key, text::MAX_ID_BYTES)?;
    attributes.time = proposed.at;
    json::bounded_data(proposed.data.len()).map_err(|rule| Flaw::body("/data", rule))?;
    let named = Some(&*proposed.content_type).filter(|text| !text.is_empty());
    attributes.content_type = content_type(named, &proposed.data);
    Ok(incoming(
        event_type.into_string(),
        attributes,
        proposed.data,
    ))
}

fn of_source(source: &Source, id: Option<&str>) -> Attributes {
    let is_id = |id: &&str| text::bounded(id, text::MAX_ID_BYTES).is_ok();
    Attributes {
        source: Some(source.name.clone()),
        producer_id: id.filter(is_id).map(Into::into),
        ..Attributes::default()
    }
}

fn incoming(event_type: String, attributes: Attributes, data: Bytes) -> Incoming {
    let identity = match attributes.producer_id {
        Some(_) => Identity::SourceAndId,
        None => Identity::None,
    };
    Incoming {
        tenant: None,
        event_type: event_type.into(),
        attributes,
        data,
        identity,
    }
}

/// The media type, where it is not plain JSON. What calls itself JSON and is none is kept as bytes,
/// because deliveries put JSON data into JSON bodies.
fn content_type(named: Option<&str>, body: &Bytes) -> Option<Box<str>> {
    let named = named.and_then(|text| media_type(text).ok());
    let reads = || check_json(body).is_ok();
    match named {
        _ if body.is_empty() => Some(named.unwrap_or(OPAQUE)).filter(|text| !is_json(text)),
        Some(text) if is_json(text) && !reads() => Some(OPAQUE),
        Some(text) => Some(text),
        None if reads() => None,
        None => Some(OPAQUE),
    }
    .map(Into::into)
}
