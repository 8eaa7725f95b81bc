//! Shows, by its config, everything that a plugin can answer.
//!
//! What each action does is said in `../README.md`. It does nothing that an author would want.

use hookgate_plugin::{
    Attribute, Draft, Event, Failure, Filter, Fold, Message, Receiver, Reception, Request,
    Response, Transform, Verdict, data_url, log,
};
use serde_json::{Map, json};

/// An action and what it says.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    r#do: String,
    #[serde(default)]
    text: String,
}

impl Config {
    fn otherwise(&self) -> Failure {
        let text = self.text.clone();
        match self.r#do.as_str() {
            "invalid-config" => Failure::InvalidConfig(text),
            "unusable-event" => Failure::UnusableEvent(text),
            "again-later" => Failure::AgainLater(text),
            other => Failure::InvalidConfig(format!("no such action: {other}")),
        }
    }
}

/// The plugin.
#[derive(Debug)]
pub struct Conformance;

impl Transform for Conformance {
    type Config = Config;

    fn handle(event: Event, config: &Config) -> Result<Verdict, Failure> {
        let text = config.text.as_str();
        match config.r#do.as_str() {
            "pass" => Ok(Verdict::Pass),
            "drop" => Ok(Verdict::Drop(text.into())),
            "replace" => Ok(Verdict::Replace(text.into())),
            "echo" => Ok(Verdict::Replace(event.data)),
            "deliver" => Ok(Verdict::Deliver(Message {
                content_type: "text/plain; charset=utf-8".into(),
                body: text.into(),
                headers: vec![header("x-one", "1"), header("x-two", "two words")],
            })),
            "describe" => Verdict::replace_json(&described(&event)),
            "data-url" => Verdict::replace_json(&json!({"url": data_url()})),
            "log" => {
                log::debug(text);
                log::info(text);
                log::warn(text);
                log::error(text);
                Ok(Verdict::Pass)
            }
            _ => Err(config.otherwise()),
        }
    }
}

fn header(name: &str, value: &str) -> Attribute {
    Attribute {
        name: name.into(),
        value: value.into(),
    }
}

fn described(event: &Event) -> serde_json::Value {
    let attributes = event.attributes.iter();
    let attributes: Map<String, serde_json::Value> = attributes
        .map(|attribute| (attribute.name.clone(), attribute.value.clone().into()))
        .collect();
    json!({
        "id": event.id, "source": event.source, "type": event.event_type, "subject": event.subject,
        "time_ms": event.time_ms, "tenant": event.tenant, "key": event.key,
        "content_type": event.content_type, "length": event.data.len(), "attributes": attributes,
    })
}

impl Filter for Conformance {
    type Config = Config;

    fn accepts(event: Event, config: &Config) -> Result<bool, Failure> {
        match config.r#do.as_str() {
            "yes" => Ok(true),
            "no" => Ok(false),
            "has-data" => Ok(!event.data.is_empty()),
            _ => Err(config.otherwise()),
        }
    }
}

impl Fold for Conformance {
    type Config = Config;

    fn fold(earlier: Event, mut later: Event, config: &Config) -> Result<Event, Failure> {
        match config.r#do.as_str() {
            "earlier" => Ok(earlier),
            "later" => Ok(later),
            "join" => {
                later.data = [earlier.data, later.data].concat();
                if !config.text.is_empty() {
                    later.content_type.clone_from(&config.text);
                }
                Ok(later)
            }
            _ => Err(config.otherwise()),
        }
    }
}

impl Receiver for Conformance {
    type Config = Config;

    fn receive(request: Request, config: &Config) -> Result<Reception, Failure> {
        let draft = |data: &str| Draft {
            content_type: "text/plain".into(),
            ..Draft::new(config.text.as_str(), data)
        };
        match config.r#do.as_str() {
            "accept" => Ok(Reception::Accepted(vec![received(request, config)])),
            "accept-none" => Ok(Reception::Accepted(Vec::new())),
            "accept-two" => Ok(Reception::Accepted(vec![draft("first"), draft("second")])),
            "describe" => Ok(Reception::Accepted(vec![Draft::new(
                "request.described",
                described_request(&request).to_string(),
            )])),
            "challenge" => Ok(Reception::Challenge(Response {
                status: 202,
                content_type: "text/plain".into(),
                body: request.query.into(),
            })),
            "reject" => Ok(Reception::Rejected(config.text.clone())),
            _ => Err(config.otherwise()),
        }
    }
}

fn received(request: Request, config: &Config) -> Draft {
    let content_type = request.header("content-type");
    Draft {
        event_type: config.text.clone(),
        id: request.header("x-id").map(str::to_owned),
        subject: Some(request.path.clone()),
        time_ms: Some(request.received_ms + 1),
        content_type: content_type.unwrap_or("application/octet-stream").into(),
        key: request.secret,
        data: request.body,
    }
}

fn described_request(request: &Request) -> serde_json::Value {
    let headers = request.headers.iter();
    let headers: Vec<[&str; 2]> = headers
        .map(|header| [header.name.as_str(), header.value.as_str()])
        .collect();
    json!({
        "method": request.method, "path": request.path, "query": request.query, "headers": headers,
        "length": request.body.len(), "secret": request.secret, "received_ms": request.received_ms,
    })
}

hookgate_plugin::export!(Conformance as transform);
hookgate_plugin::export!(Conformance as filter);
hookgate_plugin::export!(Conformance as fold);
hookgate_plugin::export!(Conformance as receiver);
