//! The event: one accepted fact, immutable, with its bytes untouched.
//!
//! Knows what an event holds and how its attributes are kept beside the data. How an event comes in
//! (JSON, CloudEvents) is the business of `ingest`, how it goes out that of `delivery`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{EventId, TenantId};

/// What came with an event beside its type and data. Stored as one compact JSON text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// The producer's own id (CloudEvents `id`, or `id` of a JSON event).
    #[serde(rename = "i", skip_serializing_if = "Option::is_none")]
    pub producer_id: Option<Box<str>>,
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<str>>,
    #[serde(rename = "j", skip_serializing_if = "Option::is_none")]
    pub subject: Option<Box<str>>,
    /// When it happened, where the producer said so.
    #[serde(rename = "t", skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The entity it is about; without one, the subject serves.
    #[serde(rename = "k", skip_serializing_if = "Option::is_none")]
    pub key: Option<Box<str>>,
    /// Media type of the data; none means JSON.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Box<str>>,
    /// CloudEvents `dataschema`.
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub data_schema: Option<Box<str>>,
    /// Extension attributes of CloudEvents, in the order they came.
    #[serde(rename = "x", skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<(Box<str>, ExtensionValue)>,
    /// Which subscriptions it is for, where those are labelled too.
    #[serde(rename = "l", skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Box<str>>,
    /// Extra headers for the event's deliveries.
    #[serde(rename = "h", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// W3C `traceparent` of the request that brought it.
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<Box<str>>,
    /// W3C `tracestate` beside it.
    #[serde(rename = "q", skip_serializing_if = "Option::is_none")]
    pub trace_state: Option<Box<str>>,
}

/// An extension attribute as its producer typed it; in binary mode everything is text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExtensionValue {
    Boolean(bool),
    Integer(i32),
    Text(Box<str>),
}

impl From<&str> for ExtensionValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Display for ExtensionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Attributes {
    /// Media type of data that came without one.
    pub const DEFAULT_CONTENT_TYPE: &'static str = "application/json";

    #[must_use]
    pub fn content_type(&self) -> &str {
        self.content_type
            .as_deref()
            .unwrap_or(Self::DEFAULT_CONTENT_TYPE)
    }

    /// Whether the data is JSON by its media type: `application/json`, `text/json` or `…+json`.
    #[must_use]
    pub fn is_json(&self) -> bool {
        is_json(self.content_type())
    }

    /// What ordering and debouncing go by.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref().or(self.subject.as_deref())
    }
}

/// Whether a media type says JSON (RFC 6839 suffix included); parameters and case do not matter.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let ends_with = |end: &str| {
        essence.len() >= end.len()
            && essence.is_char_boundary(essence.len() - end.len())
            && essence[essence.len() - end.len()..].eq_ignore_ascii_case(end)
    };
    ends_with("/json") || ends_with("+json")
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub tenant: TenantId,
    pub event_type: Arc<str>,
    pub attributes: Attributes,
    /// The producer's bytes, never parsed and written again.
    pub data: Bytes,
}

impl Event {
    /// When it happened; when it was accepted, where the producer did not say.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.attributes
            .time
            .unwrap_or_else(|| self.id.received_at())
    }

    /// Bytes it takes in memory, roughly; what queues are bounded by.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.data.len() + self.event_type.len() + 512
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_media_type() {
        for (text, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/vnd.github+json", true),
            ("text/plain", false),
            ("application/jsonl", false),
            ("é", false),
            ("", false),
        ] {
            assert_eq!(is_json(text), expected, "{text}");
        }
    }

    #[test]
    fn empty_attributes_take_two_bytes() {
        assert_eq!(serde_json::to_string(&Attributes::default()).unwrap(), "{}");
    }
}
