//! What stands in a golden file, and what a plugin is given for it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::Answer;
use super::expect::Expect;
use super::value::{Bytes, Pairs, given, has_member};
use crate::{Attribute, Event, Failure, Request, json, testing, time};

/// The interface that a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Export {
    Transform,
    Filter,
    Fold,
    Receiver,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    export: Option<Export>,
    config: Option<Box<RawValue>>,
    event: Option<EventForm>,
    earlier: Option<EventForm>,
    later: Option<EventForm>,
    request: Option<RequestForm>,
    data_url: Option<String>,
    expect: Box<RawValue>,
    logs: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventForm {
    id: Option<String>,
    source: Option<String>,
    r#type: String,
    subject: Option<String>,
    time: Option<String>,
    tenant: Option<String>,
    key: Option<String>,
    content_type: Option<String>,
    #[serde(default, deserialize_with = "given")]
    data: Option<Box<RawValue>>,
    data_text: Option<String>,
    data_base64: Option<String>,
    attributes: Option<Pairs>,
    /// Goes to the receiver; no plugin sees it.
    #[serde(rename = "headers")]
    _headers: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestForm {
    method: Option<String>,
    path: Option<String>,
    query: Option<String>,
    headers: Option<Pairs>,
    #[serde(default, deserialize_with = "given")]
    body: Option<Box<RawValue>>,
    body_text: Option<String>,
    body_base64: Option<String>,
    secret: Option<String>,
    received_at: Option<String>,
}

/// One case, or an array of cases.
pub(super) fn read(text: &str) -> Result<Vec<Case>, json::Error> {
    if text.trim_start().starts_with('[') {
        json::from_str(text)
    } else {
        Ok(vec![json::from_str(text)?])
    }
}

impl Case {
    /// As `hookgate plugin test` finds out; a case that expects a failure by force is for nobody.
    pub(super) fn is_for(&self, export: Export) -> bool {
        let expect = self.expect.get();
        if has_member(expect, "fails") {
            return false;
        }
        let is_of_filters = matches!(expect, "true" | "false") || has_member(expect, "accepts");
        match self.export {
            Some(named) => named == export,
            None => match export {
                Export::Transform => self.event.is_some() && !is_of_filters,
                Export::Filter => self.event.is_some(),
                Export::Fold => self.earlier.is_some() || self.later.is_some(),
                Export::Receiver => self.request.is_some(),
            },
        }
    }

    /// As a subscription hands it over: read and written anew by the gateway.
    pub(super) fn config(&self) -> Result<String, String> {
        let text = self.config.as_deref().map_or("{}", RawValue::get);
        let value: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| format!("  config cannot be read: {error}"))?;
        Ok(value.to_string())
    }

    /// Empty where the case names none.
    pub(super) fn data_url(&self) -> &str {
        self.data_url.as_deref().unwrap_or_default()
    }

    pub(super) fn event(&self) -> Result<Event, String> {
        form("event", self.event.as_ref())?.event()
    }

    pub(super) fn events(&self) -> Result<(Event, Event), String> {
        let earlier = form("earlier", self.earlier.as_ref())?.event()?;
        Ok((earlier, form("later", self.later.as_ref())?.event()?))
    }

    pub(super) fn request(&self) -> Result<Request, String> {
        form("request", self.request.as_ref())?.request()
    }

    /// # Errors
    /// Tells what was expected and what came.
    pub(super) fn compare(
        &self,
        answer: &Result<Answer, Failure>,
        logs: &[String],
    ) -> Result<(), String> {
        Expect::read(self.expect.get())?.compare(answer)?;
        match &self.logs {
            Some(expected) if expected != logs => Err(format!(
                "  expected the log {expected:?}\n  it was           {logs:?}"
            )),
            _ => Ok(()),
        }
    }
}

fn form<'a, T>(name: &str, form: Option<&'a T>) -> Result<&'a T, String> {
    form.ok_or_else(|| format!("  the case has no {name}"))
}

impl EventForm {
    fn event(&self) -> Result<Event, String> {
        let data = Bytes::given(
            "data",
            self.data.clone(),
            self.data_text.clone(),
            self.data_base64.clone(),
        )?;
        let mut event = testing::event(data.to_vec());
        event.event_type.clone_from(&self.r#type);
        event.subject.clone_from(&self.subject);
        event.key = self.key.clone().or_else(|| self.subject.clone());
        for (place, given) in [
            (&mut event.id, &self.id),
            (&mut event.source, &self.source),
            (&mut event.tenant, &self.tenant),
            (&mut event.content_type, &self.content_type),
        ] {
            if let Some(given) = given {
                place.clone_from(given);
            }
        }
        if let Some(time) = &self.time {
            event.time_ms = instant("time", time)?;
        }
        event.attributes = attributes(self.attributes.as_ref());
        Ok(event)
    }
}

impl RequestForm {
    fn request(&self) -> Result<Request, String> {
        let body = Bytes::one_of(
            "body",
            self.body.clone(),
            self.body_text.clone(),
            self.body_base64.clone(),
        )?;
        let mut request = testing::request(body.map_or_else(Vec::new, |body| body.to_vec()));
        request.secret.clone_from(&self.secret);
        for (place, given) in [
            (&mut request.method, &self.method),
            (&mut request.path, &self.path),
            (&mut request.query, &self.query),
        ] {
            if let Some(given) = given {
                place.clone_from(given);
            }
        }
        if let Some(time) = &self.received_at {
            request.received_ms = instant("received_at", time)?;
        }
        request.method.make_ascii_uppercase();
        request.headers = attributes(self.headers.as_ref());
        for header in &mut request.headers {
            header.name.make_ascii_lowercase();
        }
        Ok(request)
    }
}

pub(super) fn instant(name: &str, text: &str) -> Result<u64, String> {
    time::from_rfc3339(text)
        .ok_or_else(|| format!("  {name}: {text} is not a time like 2026-01-01T00:00:00Z"))
}

fn attributes(pairs: Option<&Pairs>) -> Vec<Attribute> {
    let pairs = pairs.map(|Pairs(pairs)| pairs.as_slice());
    let pairs = pairs.unwrap_or_default().iter();
    pairs
        .map(|(name, value)| testing::attribute(name, value))
        .collect()
}
