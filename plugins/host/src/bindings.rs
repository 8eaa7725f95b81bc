//! The contract's types as Rust sees them; `wit/` is where they are explained.
//!
//! Written by hand rather than generated, so that an event is lowered from borrowed
//! bytes and nothing is copied for a plugin that lets it pass.

use crate::event::GuestEvent;
use wasmtime::component::{ComponentType, Lift, Lower};

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct AttributeRef<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct EventRef<'a> {
    id: &'a str,
    source: &'a str,
    #[component(name = "event-type")]
    event_type: &'a str,
    subject: Option<&'a str>,
    #[component(name = "time-ms")]
    time_ms: u64,
    tenant: &'a str,
    key: Option<&'a str>,
    #[component(name = "content-type")]
    content_type: &'a str,
    data: &'a [u8],
    attributes: Vec<AttributeRef<'a>>,
}

impl<'a> From<&'a GuestEvent> for EventRef<'a> {
    fn from(event: &'a GuestEvent) -> Self {
        Self {
            id: &event.id,
            source: &event.source,
            event_type: &event.event_type,
            subject: event.subject.as_deref(),
            time_ms: event.time_ms,
            tenant: &event.tenant,
            key: event.key.as_deref(),
            content_type: &event.content_type,
            data: &event.data,
            attributes: event
                .attributes
                .iter()
                .map(|(name, value)| AttributeRef { name, value })
                .collect(),
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct RawMessage {
    #[component(name = "content-type")]
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<Attribute>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum RawVerdict {
    #[component(name = "pass")]
    Pass,
    #[component(name = "drop")]
    Drop(String),
    #[component(name = "replace")]
    Replace(Vec<u8>),
    #[component(name = "deliver")]
    Deliver(RawMessage),
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum RawFailure {
    #[component(name = "invalid-config")]
    InvalidConfig(String),
    #[component(name = "unusable-event")]
    UnusableEvent(String),
    #[component(name = "again-later")]
    AgainLater(String),
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only guests make levels")]
pub(crate) enum RawLevel {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

pub(crate) type TransformResult = (Result<RawVerdict, RawFailure>,);
pub(crate) type FilterResult = (Result<bool, RawFailure>,);
