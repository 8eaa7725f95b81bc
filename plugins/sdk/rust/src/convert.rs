//! Small conveniences on the contract's types.

use serde::{Deserialize, Serialize};

use crate::{Attribute, Draft, Event, Failure, Message, Request, Response, Verdict, json};

/// The media type of JSON.
const JSON: &str = "application/json";

impl Event {
    /// The data, read as JSON: a type of your own, or `json::RawValue` for the text as it
    /// came. Borrows from the event where `T` does.
    ///
    /// # Errors
    /// `unusable-event` with the path to the mistake.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        Ok(json::from_str(self.text()?)?)
    }

    /// The data as text.
    ///
    /// # Errors
    /// `unusable-event` where the data is not UTF-8.
    pub fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(&self.data)
            .map_err(|error| Failure::UnusableEvent(format!("data is not UTF-8: {error}")))
    }

    /// The same event with `value` as its data.
    ///
    /// # Errors
    /// `unusable-event` where `value` has no JSON form.
    pub fn with_json(mut self, value: &impl Serialize) -> Result<Self, Failure> {
        self.data = serde_json::to_vec(value)?;
        self.content_type = JSON.into();
        Ok(self)
    }

    /// Whether the content type says JSON: `application/json`, `…/json` or `…+json`.
    #[must_use]
    pub fn is_json(&self) -> bool {
        json::is_media_type(&self.content_type)
    }

    /// The value of the extension `name`, if the event carries it.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        value_of(&self.attributes, name)
    }
}

impl Verdict {
    /// Delivers `value` as the event's data.
    ///
    /// # Errors
    /// `unusable-event` where `value` has no JSON form.
    pub fn replace_json(value: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self::Replace(serde_json::to_vec(value)?))
    }
}

impl Message {
    /// A JSON body without extra headers.
    ///
    /// # Errors
    /// `unusable-event` where `value` has no JSON form.
    pub fn json(value: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_vec(value)?;
        Ok(Self {
            content_type: JSON.into(),
            body,
            headers: Vec::new(),
        })
    }

    /// Adds a request header. Names that Hookgate sets itself are refused later.
    #[must_use]
    pub fn with_header(mut self, header: Attribute) -> Self {
        self.headers.push(header);
        self
    }
}

impl Request {
    /// The first header of this name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        value_of(&self.headers, name)
    }

    /// The source's secret.
    ///
    /// # Errors
    /// `invalid-config` where the source has none: without it nothing can be verified.
    pub fn secret(&self) -> Result<&str, Failure> {
        let secret = self.secret.as_deref().filter(|secret| !secret.is_empty());
        secret.ok_or_else(|| {
            Failure::InvalidConfig(
                "the source has no secret: set it to the one the provider shows".into(),
            )
        })
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// Where it is not UTF-8 or not what `T` expects, with the path to the mistake.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, json::Error> {
        json::from_slice(&self.body)
    }
}

impl Draft {
    /// An event of this type with JSON data; the rest is Hookgate's to fill in, or yours:
    /// `Draft { id: Some(id), ..Draft::new("invoice.paid", data) }`.
    #[must_use]
    pub fn new(event_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self {
            event_type: event_type.into(),
            id: None,
            subject: None,
            key: None,
            time_ms: None,
            content_type: JSON.into(),
            data: data.into(),
        }
    }
}

impl Response {
    /// Status 200 with a text as its body.
    #[must_use]
    pub fn text(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            content_type: "text/plain".into(),
            body: body.into(),
        }
    }
}

fn value_of<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.name == name)?;
    Some(&found.value)
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::UnusableEvent(format!("data: {error}"))
    }
}

impl From<json::Error> for Failure {
    fn from(error: json::Error) -> Self {
        Self::UnusableEvent(format!("data: {error}"))
    }
}

impl From<std::str::Utf8Error> for Failure {
    fn from(error: std::str::Utf8Error) -> Self {
        Self::UnusableEvent(error.to_string())
    }
}
