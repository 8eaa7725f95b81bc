//! What is read of a body: enough to file the event, and no more.
//!
//! Two shapes: events with their object inside, whose time is a number of seconds, and the
//! thin ones of the newer API, whose time is a text and which only name their object.

use hookgate_plugin::{json, time};
use serde::Deserialize;

/// An event as Stripe tells it.
pub(crate) struct Notice {
    pub(crate) id: String,
    pub(crate) event_type: String,
    pub(crate) time_ms: Option<u64>,
    pub(crate) subject: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    id: String,
    r#type: String,
    created: Option<Created>,
    data: Option<Data>,
    related_object: Option<Object>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Created {
    Seconds(u64),
    Text(String),
}

#[derive(Deserialize)]
struct Data {
    object: Option<Object>,
}

#[derive(Deserialize)]
struct Object {
    id: Option<String>,
}

impl Notice {
    pub(crate) fn read(body: &[u8]) -> Result<Self, json::Error> {
        let body: Body = json::from_slice(body)?;
        let inside = body.data.and_then(|data| data.object);
        let time_ms = match body.created {
            Some(Created::Seconds(seconds)) => seconds.checked_mul(1000),
            Some(Created::Text(text)) => time::from_rfc3339(&text),
            None => None,
        };
        Ok(Self {
            id: body.id,
            event_type: body.r#type,
            time_ms,
            subject: inside.or(body.related_object).and_then(|object| object.id),
        })
    }
}
