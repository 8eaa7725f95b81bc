//! The contract's types as Rust sees them; `wit/` is where they are explained.
//!
//! Written by hand rather than generated, so that an event is lowered from borrowed
//! bytes and nothing is copied for a plugin that lets it pass.

use crate::event::{GuestEvent, GuestRequest};
use wasmtime::component::{ComponentType, Lift, Lower, TypedFunc};

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

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct RequestRef<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: Vec<AttributeRef<'a>>,
    body: &'a [u8],
    secret: Option<&'a str>,
    #[component(name = "received-ms")]
    received_ms: u64,
}

fn attributes(pairs: &[(String, String)]) -> Vec<AttributeRef<'_>> {
    pairs
        .iter()
        .map(|(name, value)| AttributeRef { name, value })
        .collect()
}

impl<'a> From<&'a GuestRequest> for RequestRef<'a> {
    fn from(request: &'a GuestRequest) -> Self {
        Self {
            method: &request.method,
            path: &request.path,
            query: &request.query,
            headers: attributes(&request.headers),
            body: &request.body,
            secret: request.secret.as_deref(),
            received_ms: request.received_ms,
        }
    }
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
            attributes: attributes(&event.attributes),
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

/// An event as a fold returns it; who it is, the host knows better.
#[derive(ComponentType, Lift)]
#[component(record)]
#[expect(dead_code, reason = "the contract has fields that a fold can't change")]
pub(crate) struct RawEvent {
    id: String,
    source: String,
    #[component(name = "event-type")]
    event_type: String,
    pub(crate) subject: Option<String>,
    #[component(name = "time-ms")]
    pub(crate) time_ms: u64,
    tenant: String,
    key: Option<String>,
    #[component(name = "content-type")]
    pub(crate) content_type: String,
    pub(crate) data: Vec<u8>,
    pub(crate) attributes: Vec<Attribute>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct RawDraft {
    #[component(name = "event-type")]
    pub(crate) event_type: String,
    pub(crate) id: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) key: Option<String>,
    #[component(name = "time-ms")]
    pub(crate) time_ms: Option<u64>,
    #[component(name = "content-type")]
    pub(crate) content_type: String,
    pub(crate) data: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    #[component(name = "content-type")]
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum RawReception {
    #[component(name = "accepted")]
    Accepted(Vec<RawDraft>),
    #[component(name = "challenge")]
    Challenge(RawResponse),
    #[component(name = "rejected")]
    Rejected(String),
}

/// What every exported function returns.
pub(crate) type Returned<T> = (Result<T, RawFailure>,);

/// An exported function of one instance, its type compared with the contract's.
pub(crate) type Function<P, R> = TypedFunc<P, Returned<R>>;

/// Exports that are called for each event.
pub(crate) type Filter = Function<(EventRef<'static>,), bool>;
pub(crate) type Transform = Function<(EventRef<'static>,), RawVerdict>;
