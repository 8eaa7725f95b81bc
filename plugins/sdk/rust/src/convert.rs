//! Small conveniences on the contract's types.

use serde::{Deserialize, Serialize};

use crate::{Attribute, Event, Failure, Message, Verdict, json};

impl Event {
    /// The data, read as JSON. Borrows from the event where `T` does.
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

    /// The value of the extension `name`, if the event carries it.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self
            .attributes
            .iter()
            .find(|attribute| attribute.name == name)?;
        Some(&found.value)
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
            content_type: "application/json".into(),
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

impl PartialEq for Verdict {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pass, Self::Pass) => true,
            (Self::Drop(a), Self::Drop(b)) => a == b,
            (Self::Replace(a), Self::Replace(b)) => a == b,
            (Self::Deliver(a), Self::Deliver(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::InvalidConfig(a), Self::InvalidConfig(b))
            | (Self::UnusableEvent(a), Self::UnusableEvent(b))
            | (Self::AgainLater(a), Self::AgainLater(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        (&self.content_type, &self.body, &self.headers)
            == (&other.content_type, &other.body, &other.headers)
    }
}

impl PartialEq for Attribute {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.value) == (&other.name, &other.value)
    }
}
