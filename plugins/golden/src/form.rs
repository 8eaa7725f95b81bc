//! The members of a golden file, as they are written: names, kinds and defaults.
//!
//! Reads and refuses; what a case means is decided elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use hookgate_plugin_host::{Export, GuestEvent, GuestRequest};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::word::{Base64, ExportName, Moment, Pairs, given};

/// 2026-01-01T00:00:00Z: a moment that no test has to think of.
const USUAL_TIME_MS: u64 = 1_767_225_600_000;
pub(crate) const JSON: &str = "application/json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseForm<'a> {
    pub(crate) name: Option<String>,
    export: Option<ExportName>,
    #[serde(borrow)]
    config: Option<&'a RawValue>,
    data_url: Option<String>,
    #[serde(borrow)]
    event: Option<EventForm<'a>>,
    #[serde(borrow)]
    earlier: Option<EventForm<'a>>,
    #[serde(borrow)]
    later: Option<EventForm<'a>>,
    #[serde(borrow)]
    request: Option<RequestForm<'a>>,
    #[serde(borrow)]
    pub(crate) expect: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) logs: Option<&'a RawValue>,
}

impl CaseForm<'_> {
    pub(crate) fn export(&self) -> Option<Export> {
        self.export.map(|ExportName(export)| export)
    }

    /// As a subscription hands it over: read and written anew by the gateway.
    pub(crate) fn config(&self) -> Result<Arc<str>, String> {
        let Some(raw) = self.config else {
            return Ok("{}".into());
        };
        let value: serde_json::Value = serde_json::from_str(raw.get())
            .map_err(|error| format!("config cannot be read: {error}"))?;
        Ok(value.to_string().into())
    }

    pub(crate) fn data_url(&self) -> Arc<str> {
        self.data_url.as_deref().unwrap_or_default().into()
    }

    pub(crate) fn input(&self) -> Result<Input, String> {
        match (&self.event, &self.earlier, &self.later, &self.request) {
            (Some(event), None, None, None) => Ok(Input::Event(event.guest("event")?)),
            (None, Some(earlier), Some(later), None) => Ok(Input::Fold {
                earlier: earlier.guest("earlier")?,
                later: later.guest("later")?,
            }),
            (None, None, None, Some(request)) => Ok(Input::Request(request.guest()?)),
            _ => Err(
                "give \"event\"; or \"earlier\" and \"later\" for a fold; or \"request\" \
                 for a receiver"
                    .to_owned(),
            ),
        }
    }
}

/// What a plugin is asked about.
#[derive(Clone, Debug)]
pub enum Input {
    /// By a transform or a filter.
    Event(GuestEvent),
    Fold {
        earlier: GuestEvent,
        later: GuestEvent,
    },
    /// By a receiver.
    Request(GuestRequest),
}

/// An event as it is sent to `/v1/events`, plus what JSON cannot hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventForm<'a> {
    #[serde(rename = "type")]
    event_type: Arc<str>,
    id: Option<Arc<str>>,
    source: Option<Arc<str>>,
    subject: Option<Arc<str>>,
    time: Option<Moment>,
    key: Option<Arc<str>>,
    tenant: Option<Arc<str>>,
    attributes: Option<Pairs>,
    /// Goes to the receiver; no plugin sees it.
    #[serde(rename = "headers")]
    _headers: Option<IgnoredAny>,
    #[serde(borrow, default, deserialize_with = "given")]
    data: Option<&'a RawValue>,
    data_text: Option<String>,
    data_base64: Option<Base64>,
    content_type: Option<Arc<str>>,
}

impl EventForm<'_> {
    pub(crate) fn guest(&self, name: &str) -> Result<GuestEvent, String> {
        let data = self.data().map_err(|reason| format!("{name}: {reason}"))?;
        Ok(GuestEvent {
            id: self.id.clone().unwrap_or_else(|| "evt_test".into()),
            source: self.source.clone().unwrap_or_else(|| "test".into()),
            event_type: Arc::clone(&self.event_type),
            subject: self.subject.clone(),
            time_ms: self.time.map_or(USUAL_TIME_MS, |Moment(ms)| ms),
            tenant: self.tenant.clone().unwrap_or_else(|| "default".into()),
            key: self.key.clone().or_else(|| self.subject.clone()),
            content_type: self.content_type.clone().unwrap_or_else(|| JSON.into()),
            data,
            attributes: pairs(self.attributes.as_ref()),
        })
    }

    fn data(&self) -> Result<Bytes, String> {
        match (self.data, &self.data_text, &self.data_base64) {
            (Some(json), None, None) => Ok(json.get().to_owned().into()),
            (None, Some(text), None) => Ok(text.clone().into()),
            (None, None, Some(Base64(bytes))) => Ok(bytes.clone()),
            _ => Err("give one of \"data\", \"data_text\" and \"data_base64\"".to_owned()),
        }
    }
}

/// A request as it comes to the address of a source.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestForm<'a> {
    method: Option<Arc<str>>,
    path: Option<Arc<str>>,
    query: Option<Arc<str>>,
    headers: Option<Pairs>,
    #[serde(borrow, default, deserialize_with = "given")]
    body: Option<&'a RawValue>,
    body_text: Option<String>,
    body_base64: Option<Base64>,
    secret: Option<Arc<str>>,
    received_at: Option<Moment>,
}

impl RequestForm<'_> {
    pub(crate) fn guest(&self) -> Result<GuestRequest, String> {
        let body: Bytes = match (self.body, &self.body_text, &self.body_base64) {
            (None, None, None) => Bytes::new(),
            (Some(json), None, None) => json.get().to_owned().into(),
            (None, Some(text), None) => text.clone().into(),
            (None, None, Some(Base64(bytes))) => bytes.clone(),
            _ => {
                return Err(
                    "request: give one of \"body\", \"body_text\" and \"body_base64\"".to_owned(),
                );
            }
        };
        Ok(GuestRequest {
            method: self.method.as_deref().map_or_else(
                || "POST".into(),
                |method| method.to_ascii_uppercase().into(),
            ),
            path: self.path.clone().unwrap_or_else(|| "/".into()),
            query: self.query.clone().unwrap_or_default(),
            headers: lower_case(self.headers.as_ref()),
            body,
            secret: self.secret.clone(),
            received_ms: self.received_at.map_or(USUAL_TIME_MS, |Moment(ms)| ms),
        })
    }
}

fn pairs(pairs: Option<&Pairs>) -> Arc<[(String, String)]> {
    pairs
        .map(|Pairs(pairs)| pairs.as_slice())
        .unwrap_or_default()
        .into()
}

/// As a receiver sees them.
fn lower_case(headers: Option<&Pairs>) -> Arc<[(String, String)]> {
    let headers = headers.map(|Pairs(pairs)| pairs.as_slice());
    let headers = headers.unwrap_or_default().iter();
    headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect()
}
