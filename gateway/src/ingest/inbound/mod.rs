//! Requests of providers, on their way to becoming events: who sent them, what they ask, what they
//! say.
//!
//! Pure: the time comes in, an answer goes out. The body is looked into and never changed; whatever
//! a genuine request says, it is an event afterwards, because a provider that is refused sends the
//! same again and again.

pub mod challenge;
pub mod draft;
mod signature;
pub mod verify;

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::domain::duration::format_duration;
use crate::domain::source::Place;

/// A request at a source's address, read whole.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub headers: &'a HeaderMap,
    pub body: &'a Bytes,
}

/// Why a request is not believed. For the operator; whoever sent it is told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the source has no secret; give it the provider's by /secret/rotate")]
    NoSecret,
    #[error("the secret cannot be read: {0}")]
    UnreadableSecret(&'static str),
    #[error("there is no {0} header")]
    NoHeader(Box<str>),
    #[error("the {name} header cannot be read: {why}")]
    UnreadableHeader { name: Box<str>, why: &'static str },
    #[error("no signature fits the body and the source's secrets")]
    Signature,
    #[error(
        "it was signed {} away from now by the database's clock, {} are allowed",
        format_duration(*apart), format_duration(*tolerance)
    )]
    Time {
        apart: Duration,
        tolerance: Duration,
    },
    #[error("X-Hook-Secret is not the source's secret")]
    HookSecret,
    #[error("the plugin: {0}")]
    Plugin(String),
}

impl Refusal {
    /// A stable name for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NoSecret | Self::UnreadableSecret(_) => "secret",
            Self::NoHeader(_) | Self::UnreadableHeader { .. } => "header",
            Self::Signature | Self::HookSecret => "signature",
            Self::Time { .. } => "timestamp",
            Self::Plugin(_) => "plugin",
        }
    }
}

impl<'a> Request<'a> {
    /// A header's value; none where it is absent or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn needed(&self, name: &str) -> Result<&'a str, Refusal> {
        self.header(name)
            .ok_or_else(|| Refusal::NoHeader(name.into()))
    }

    /// A string or a number at a place; `body` reads the body as JSON.
    fn find<'b>(&self, place: &Place, body: impl FnOnce() -> Option<&'b Value>) -> Option<String> {
        match place {
            Place::Header(name) => self.header(name).map(str::to_owned),
            Place::Pointer(pointer) => match body()?.pointer(pointer)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            },
        }
    }
}

/// Bodies and signatures stay out of logs.
impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
