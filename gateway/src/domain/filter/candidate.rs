//! An event as filters see it: its attributes by their CloudEvents names, and its data by pointer.
//!
//! The data is read at most once, when the first filter asks for it, and each pointer is looked up
//! once, however many subscriptions ask. Data that is not JSON by its media type has no members.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use super::cesql::Value;
use super::data::Pointer;
use super::document::Node;
use crate::domain::event::{Attributes, ExtensionValue};

/// What filters are asked about. Not shared between threads: it remembers what it has looked up.
#[derive(Debug)]
pub struct Candidate<'a> {
    event_type: &'a str,
    attributes: &'a Attributes,
    data: &'a [u8],
    document: OnceCell<Option<Node<'a>>>,
    found: RefCell<HashMap<Box<str>, Found<'a>>>,
}

/// What a pointer points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Absent,
    /// An object or an array: there, and equal to no scalar.
    Composite,
    /// The text of a string, a number, `true`, `false` or `null`, as it stands in the data.
    Scalar(&'a str),
}

impl<'a> Candidate<'a> {
    #[must_use]
    pub fn new(event_type: &'a str, attributes: &'a Attributes, data: &'a [u8]) -> Self {
        Self {
            event_type,
            attributes,
            data,
            document: OnceCell::new(),
            found: RefCell::default(),
        }
    }

    #[must_use]
    pub fn event_type(&self) -> &'a str {
        self.event_type
    }

    #[must_use]
    pub fn labels(&self) -> &'a [Box<str>] {
        &self.attributes.labels
    }

    /// An attribute; none where the producer did not give it. Media type and version of the
    /// specification are always there, because they go out with every delivery.
    pub(super) fn attribute(&self, name: &str) -> Option<Value<'a>> {
        let attributes = self.attributes;
        let text = |text: &'a Option<Box<str>>| text.as_deref().map(Value::from);
        match name {
            "type" => Some(self.event_type.into()),
            "id" => text(&attributes.producer_id),
            "source" => text(&attributes.source),
            "subject" => text(&attributes.subject),
            "dataschema" => text(&attributes.data_schema),
            "datacontenttype" => Some(attributes.content_type().into()),
            "specversion" => Some("1.0".into()),
            "time" => attributes
                .time
                .map(|time| Value::String(time.to_rfc3339().into())),
            _ => {
                let mut extensions = attributes.extensions.iter();
                let (_, value) = extensions.find(|(other, _)| **other == *name)?;
                Some(match value {
                    ExtensionValue::Text(text) => (&**text).into(),
                    ExtensionValue::Integer(number) => Value::Integer(*number),
                    ExtensionValue::Boolean(value) => Value::Boolean(*value),
                })
            }
        }
    }

    /// The same as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.attribute(name).map(Value::into_text)
    }

    pub(super) fn find(&self, pointer: &Pointer) -> Found<'a> {
        if let Some(found) = self.found.borrow().get(pointer.as_str()) {
            return *found;
        }
        let found = match self.document().and_then(|root| root.find(pointer.steps())) {
            None => Found::Absent,
            Some(Node::Scalar(text)) => Found::Scalar(text),
            Some(Node::Object(_) | Node::Array(_)) => Found::Composite,
        };
        let mut all = self.found.borrow_mut();
        all.insert(pointer.as_str().into(), found);
        found
    }

    fn document(&self) -> Option<&Node<'a>> {
        let read = || {
            let is_json = self.attributes.is_json();
            is_json.then(|| Node::read(self.data)).flatten()
        };
        self.document.get_or_init(read).as_ref()
    }
}
