//! From a request's bytes to stored events: what is understood, what is refused, who gets it.
//!
//! Every refusal names the place and the cure, and nothing that reached the log can be refused
//! later. The data of an event is a slice of the request's body: it is checked, never rewritten.

pub mod accept;
pub mod binary;
pub mod cloudevents;
pub mod flaw;
pub mod idempotency;
pub mod inbound;
pub mod json;
pub mod lines;
pub mod notices;
mod object;
pub mod outbox;
mod quota;
pub mod room;
mod scan;
mod text;

use std::sync::Arc;

use bytes::Bytes;

use crate::domain::event::Attributes;
use crate::domain::tenant::TenantName;

/// Most events in one array.
pub const MAX_BATCH_EVENTS: usize = 10_000;
/// Largest data of one event.
pub const MAX_DATA_BYTES: usize = 1024 * 1024;

/// An event that was understood, and is not stored yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// None: the caller's own, or the one that the request names.
    pub tenant: Option<TenantName>,
    pub event_type: Arc<str>,
    pub attributes: Attributes,
    pub data: Bytes,
    pub identity: Identity,
}

/// What tells an event from its repetition, unless the request carries an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Each request is a new event.
    None,
    /// The producer's id.
    ProducerId,
    /// Source and id together, as CloudEvents has it.
    SourceAndId,
}
