//! `reshape`: makes a new JSON body from a template of pointers.
//!
//! ```json
//! {"template": {
//!   "id":    {"$": "/data/order/id"},
//!   "kind":  {"$": "/type"},
//!   "title": {"$text": "Order {/data/order/id} of {/data/customer/name}"},
//!   "state": {"$": "/data/state", "or": "unknown"},
//!   "via":   "hookgate"
//! }}
//! ```
//!
//! A value taken from the data keeps its text, number by number. What is missing is left out,
//! is null, or fails the event, as `missing` says.
//!
//! It computes nothing, loops over nothing and keeps nothing of the event that the template does
//! not name. It refuses pointers that name no part of an event, when the config is read.

mod config;
mod gather;
mod place;
mod render;
mod template;

use hookgate_plugin::json::{RawValue, View};
use hookgate_plugin::{Event, Failure, Message, Transform, Verdict, json};

pub use config::Config;

/// The plugin.
#[derive(Debug)]
pub struct Reshape;

impl Transform for Reshape {
    type Config = Config;

    fn handle(event: Event, config: &Config) -> Result<Verdict, Failure> {
        let quoted;
        let data = match data_of(&event)? {
            Data::Json(text) => Some(text),
            Data::Quoted(text) => {
                quoted = text;
                Some(quoted.as_str())
            }
            Data::None => None,
        };
        let values = match data {
            Some(data) if config.wanted.is_needed() => {
                config.wanted.gather(json::from_str::<&RawValue>(data)?)?
            }
            _ => config.wanted.nothing(),
        };
        let body = render::render(config, &event, &values)?;
        if event.is_json() {
            return Ok(Verdict::Replace(body.into_bytes()));
        }
        Ok(Verdict::Deliver(Message {
            content_type: "application/json".into(),
            body: body.into_bytes(),
            headers: Vec::new(),
        }))
    }
}

enum Data<'a> {
    Json(&'a str),
    /// Text that is not JSON, as a JSON string.
    Quoted(String),
    None,
}

fn data_of(event: &Event) -> Result<Data<'_>, Failure> {
    if event.data.is_empty() {
        return Ok(Data::None);
    }
    let text = event.text()?;
    Ok(if event.is_json() {
        Data::Json(text)
    } else {
        Data::Quoted(serde_json::to_string(text)?)
    })
}

/// A string without its quotes, anything else as it stands.
fn plain_text(value: &RawValue) -> Result<String, Failure> {
    Ok(match View::of(value)? {
        View::String(text) => text.into_owned(),
        _ => value.get().to_owned(),
    })
}

hookgate_plugin::export!(Reshape as transform);
