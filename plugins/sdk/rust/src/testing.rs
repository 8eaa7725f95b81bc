//! Stand-ins for Hookgate in a plugin's own tests, which run natively.
//!
//! Each test thread has its own. Nothing here exists in a built component.

use std::cell::RefCell;

use crate::{Attribute, Event, Request, bindings::host::hookgate::plugin::types::Level};

pub mod golden;

/// 2026-01-01T00:00:00Z, when everything in a test happens.
const NOW_MS: u64 = 1_767_225_600_000;

thread_local! {
    static HOST: RefCell<Host> = RefCell::new(Host::default());
}

struct Host {
    config: String,
    data_url: String,
    lines: Vec<String>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            config: "{}".into(),
            data_url: "https://hookgate.example/v1/events/evt_test/data?token=test".into(),
            lines: Vec::new(),
        }
    }
}

/// An event of type `test.event` with these bytes as its JSON data.
#[must_use]
pub fn event(data: impl Into<Vec<u8>>) -> Event {
    Event {
        id: "evt_test".into(),
        source: "test".into(),
        event_type: "test.event".into(),
        subject: None,
        time_ms: NOW_MS,
        tenant: "default".into(),
        key: None,
        content_type: "application/json".into(),
        data: data.into(),
        attributes: Vec::new(),
    }
}

/// A `POST` with this body to a source whose secret is `secret`.
#[must_use]
pub fn request(body: impl Into<Vec<u8>>) -> Request {
    Request {
        method: "POST".into(),
        path: "/".into(),
        query: String::new(),
        headers: Vec::new(),
        body: body.into(),
        secret: Some("secret".into()),
        received_ms: NOW_MS,
    }
}

/// A header, or an extension of an event.
#[must_use]
pub fn attribute(name: impl Into<String>, value: impl Into<String>) -> Attribute {
    Attribute {
        name: name.into(),
        value: value.into(),
    }
}

/// What [`data_url`](crate::data_url) gives from now on in this thread.
pub fn set_data_url(url: impl Into<String>) {
    HOST.with_borrow_mut(|host| host.data_url = url.into());
}

/// The config that an exported plugin reads in this thread.
pub fn set_config(json: impl Into<String>) {
    HOST.with_borrow_mut(|host| host.config = json.into());
}

/// The lines logged in this thread so far, such as `info: 3 members kept`; empties them.
#[must_use]
pub fn take_log() -> Vec<String> {
    HOST.with_borrow_mut(|host| std::mem::take(&mut host.lines))
}

pub(crate) fn config() -> String {
    HOST.with_borrow(|host| host.config.clone())
}

pub(crate) fn data_url() -> String {
    HOST.with_borrow(|host| host.data_url.clone())
}

pub(crate) fn log(level: Level, text: &str) {
    let name = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    HOST.with_borrow_mut(|host| host.lines.push(format!("{name}: {text}")));
}
