//! CloudEvents 1.0 in JSON: structured mode and batches. Which mode a request is in is told here
//! too; events in headers are read in [`super::binary`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;

use super::flaw::{Flaw, Rule};
use super::object::{self, Object, pointer};
use super::{Identity, Incoming, json, text};
use crate::domain::event::{Attributes, ExtensionValue, is_json};
use crate::domain::pattern::MAX_TYPE_BYTES;

const MAX_NAME_BYTES: usize = 64;
const MAX_MEDIA_TYPE_BYTES: usize = 255;
/// Media type of bytes of which nothing is known.
pub(super) const OPAQUE: &str = "application/octet-stream";

/// One event as `application/cloudevents+json`.
///
/// # Errors
/// Names the first place that breaks a rule.
pub fn one(body: &Bytes) -> Result<Incoming, Flaw> {
    read(&object::one(body)?, body)
}

/// Events as `application/cloudevents-batch+json`.
///
/// # Errors
/// Names the first place that breaks a rule, beginning with the index.
pub fn many(body: &Bytes) -> Result<Vec<Incoming>, Flaw> {
    let objects = object::many(body)?;
    let events = objects
        .iter()
        .enumerate()
        .map(|(index, object)| read(object, body).map_err(|flaw| flaw.at_index(index)));
    events.collect()
}

fn read(object: &Object<'_>, body: &Bytes) -> Result<Incoming, Flaw> {
    let mut draft = Draft::default();
    let mut data = None;
    let mut data_base64 = None;
    for (name, raw) in &object.members {
        let at = |rule| Flaw::body(pointer(name), rule);
        match name.as_ref() {
            "data" => data = Some(*raw),
            _ if text::is_null(raw) => {}
            "data_base64" => data_base64 = Some(*raw),
            _ => match typed(name, raw) {
                Some(value) => draft.extend(name, value).map_err(at)?,
                None => {
                    let value = scalar(name, raw).map_err(at)?;
                    draft.set(name, &value).map_err(at)?;
                }
            },
        }
    }
    let data = match (data, data_base64) {
        (Some(_), Some(_)) => return Err(Flaw::body("/data_base64", Rule::Beside("data"))),
        (Some(raw), None) => draft
            .data(raw, body)
            .map_err(|rule| Flaw::body("/data", rule))?,
        (None, Some(raw)) => draft
            .bytes(raw)
            .map_err(|rule| Flaw::body("/data_base64", rule))?,
        (None, None) => Bytes::new(),
    };
    draft.finish(data, |name| Flaw::body(pointer(name), Draft::missing()))
}

/// An extension that is an integer or a boolean; anything else is read as text.
fn typed(name: &str, raw: &RawValue) -> Option<ExtensionValue> {
    if Draft::CONTEXT.contains(&name) {
        return None;
    }
    match raw.get() {
        "true" => Some(ExtensionValue::Boolean(true)),
        "false" => Some(ExtensionValue::Boolean(false)),
        text => text.parse().ok().map(ExtensionValue::Integer),
    }
}

fn scalar<'a>(name: &str, raw: &'a RawValue) -> Result<std::borrow::Cow<'a, str>, Rule> {
    text::string(raw).map_err(|rule| match rule {
        Rule::WrongKind(_) if !Draft::CONTEXT.contains(&name) => {
            Rule::WrongKind("a string, a boolean or an integer of 32 bits")
        }
        rule => rule,
    })
}

/// The context attributes of an event that is being read, in either mode.
#[derive(Debug, Default)]
pub(super) struct Draft {
    event_type: Option<Box<str>>,
    has_version: bool,
    pub(super) attributes: Attributes,
}

impl Draft {
    const CONTEXT: [&'static str; 8] = [
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "dataschema",
        "datacontenttype",
    ];

    fn missing() -> Rule {
        Rule::Missing("CloudEvents needs specversion, id, source and type")
    }

    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Rule> {
        let word = |max_bytes| text::bounded(value, max_bytes).map(Box::<str>::from);
        let attribute = || word(text::MAX_ATTRIBUTE_BYTES);
        let attributes = &mut self.attributes;
        match name {
            "specversion" if value == "1.0" => self.has_version = true,
            "specversion" => return Err(Rule::SpecVersion),
            "type" => self.event_type = Some(word(MAX_TYPE_BYTES)?),
            "id" => attributes.producer_id = Some(word(text::MAX_ID_BYTES)?),
            "source" => attributes.source = Some(attribute()?),
            "subject" => attributes.subject = Some(attribute()?),
            "dataschema" => attributes.data_schema = Some(attribute()?),
            "time" => attributes.time = Some(text::time(value)?),
            "datacontenttype" => attributes.content_type = Some(media_type(value)?.into()),
            _ => {
                // An extension may be empty, the others may not.
                let value = if value.is_empty() {
                    "".into()
                } else {
                    attribute()?
                };
                return self.extend(name, ExtensionValue::Text(value));
            }
        }
        Ok(())
    }

    fn extend(&mut self, name: &str, value: ExtensionValue) -> Result<(), Rule> {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.bytes().all(is_allowed) {
            return Err(Rule::AttributeName);
        }
        // The partitioning extension names what ordering goes by.
        if name == "partitionkey" {
            let key = value.to_string();
            self.attributes.key = Some(text::bounded(&key, text::MAX_ID_BYTES)?.into());
        }
        self.attributes.extensions.push((name.into(), value));
        Ok(())
    }

    /// A JSON value under a JSON type, else text in a JSON string.
    fn data(&self, raw: &RawValue, body: &Bytes) -> Result<Bytes, Rule> {
        if self.attributes.is_json() {
            return json::checked_data(raw, body);
        }
        let text = text::string(raw)
            .map_err(|_| Rule::WrongKind("a string, as datacontenttype is not JSON"))?;
        json::bounded_data(text.len())?;
        Ok(match text {
            std::borrow::Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
            std::borrow::Cow::Owned(text) => text.into(),
        })
    }

    fn bytes(&mut self, raw: &RawValue) -> Result<Bytes, Rule> {
        let text = text::string(raw)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| Rule::Base64)?;
        json::bounded_data(bytes.len())?;
        match &self.attributes.content_type {
            None => self.attributes.content_type = Some(OPAQUE.into()),
            Some(content_type) if is_json(content_type) => {
                super::binary::check_json(&bytes)?;
            }
            Some(_) => {}
        }
        Ok(bytes.into())
    }

    pub(super) fn finish(
        self,
        data: Bytes,
        missing: impl Fn(&str) -> Flaw,
    ) -> Result<Incoming, Flaw> {
        if !self.has_version {
            return Err(missing("specversion"));
        }
        let event_type = self.event_type.ok_or_else(|| missing("type"))?;
        let has = |value: &Option<Box<str>>, name| match value {
            Some(_) => Ok(()),
            None => Err(missing(name)),
        };
        has(&self.attributes.producer_id, "id")?;
        has(&self.attributes.source, "source")?;
        Ok(Incoming {
            tenant: None,
            event_type: event_type.into(),
            attributes: self.attributes,
            data,
            identity: Identity::SourceAndId,
        })
    }
}

/// Visible ASCII; a JSON type must be UTF-8.
pub(super) fn media_type(value: &str) -> Result<&str, Rule> {
    let value = text::bounded(value.trim(), MAX_MEDIA_TYPE_BYTES)?;
    let is_plain = value.is_ascii() && value.contains('/');
    if !is_plain {
        return Err(Rule::WrongKind("a media type such as application/json"));
    }
    if is_json(value) && !is_utf8(value) {
        return Err(Rule::Charset);
    }
    Ok(value)
}

/// Whether a media type names no other character set than UTF-8 or its part, ASCII.
pub(super) fn is_utf8(media_type: &str) -> bool {
    media_type.split(';').skip(1).all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8", "us-ascii", "ascii"]
                .iter()
                .any(|known| value.eq_ignore_ascii_case(known))
    })
}
