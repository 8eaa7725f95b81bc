//! Where in a request a value is found, and how it becomes the type of an event.

use serde::{Deserialize, Serialize};

use crate::domain::pattern::{MAX_TYPE_BYTES, OWN_PREFIX, is_noncharacter};

/// Of requests that say nothing about their type.
const NAMELESS: &str = "webhook.received";

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A header's value, by its name in any case.
    Header(Box<str>),
    /// A string or a number in a JSON body, by its JSON pointer.
    Pointer(Box<str>),
}

impl Place {
    /// # Errors
    /// Names the rule that it breaks.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Header(name) if http::HeaderName::try_from(&**name).is_err() => {
                Err("is no name of a header")
            }
            Self::Pointer(text) if !text.starts_with('/') || text.len() > 255 => {
                Err("must be a JSON pointer that begins with /, at most 255 bytes")
            }
            _ => Ok(()),
        }
    }
}

/// What an event's type is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeOrigin {
    At(Place),
    Text(Box<str>),
}

/// How an event gets its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct TypeFrom {
    origin: TypeOrigin,
    /// Stands before what was found.
    prefix: Box<str>,
    /// Where nothing usable was found.
    otherwise: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTypeFrom {
    #[error("needs one of header, pointer and text")]
    Origin,
    #[error(
        "text is the whole type; leave prefix and otherwise out, or name a header or a pointer"
    )]
    TextAlone,
    #[error("{0}")]
    Place(&'static str),
    #[error(
        "a type has 1 to 255 bytes, no control characters or code points that stand for none, and does not begin with {OWN_PREFIX}"
    )]
    Type,
}

/// As it is written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Form {
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    otherwise: Option<Box<str>>,
}

impl TypeFrom {
    /// # Panics
    /// Where a text is no type: for texts of our own.
    #[must_use]
    pub(super) fn of(origin: TypeOrigin, prefix: &str) -> Self {
        let otherwise = format!("{prefix}{NAMELESS}");
        Self::checked(origin, prefix.into(), otherwise.into()).expect("our own texts are types")
    }

    fn checked(
        origin: TypeOrigin,
        prefix: Box<str>,
        otherwise: Box<str>,
    ) -> Result<Self, InvalidTypeFrom> {
        match &origin {
            TypeOrigin::At(place) => place.check().map_err(InvalidTypeFrom::Place)?,
            TypeOrigin::Text(text) if !is_type(text) => return Err(InvalidTypeFrom::Type),
            TypeOrigin::Text(_) => {}
        }
        if !is_type(&otherwise) || (!prefix.is_empty() && !is_type(&prefix)) {
            return Err(InvalidTypeFrom::Type);
        }
        Ok(Self {
            origin,
            prefix,
            otherwise,
        })
    }

    /// The type of an event; `find` looks into its request. Whatever a provider writes, the result
    /// is a type.
    #[must_use]
    pub fn event_type(&self, find: impl FnOnce(&Place) -> Option<String>) -> String {
        let found = match &self.origin {
            TypeOrigin::Text(text) => return text.to_string(),
            TypeOrigin::At(place) => find(place).map(|found| match place {
                // Some write orders/create; a pattern goes by segments.
                Place::Header(_) => found.trim().replace('/', "."),
                Place::Pointer(_) => found,
            }),
        };
        let found = found.filter(|found| !found.is_empty());
        let named = found.map(|found| format!("{}{found}", self.prefix));
        named
            .filter(|name| is_type(name))
            .unwrap_or_else(|| self.otherwise.to_string())
    }
}

fn is_type(text: &str) -> bool {
    (1..=MAX_TYPE_BYTES).contains(&text.len())
        && !text.chars().any(|c| c.is_control() || is_noncharacter(c))
        && !text.starts_with(OWN_PREFIX)
}

impl TryFrom<Form> for TypeFrom {
    type Error = InvalidTypeFrom;

    fn try_from(form: Form) -> Result<Self, InvalidTypeFrom> {
        let origin = match (form.header, form.pointer, form.text) {
            (Some(name), None, None) => TypeOrigin::At(Place::Header(name)),
            (None, Some(pointer), None) => TypeOrigin::At(Place::Pointer(pointer)),
            (None, None, Some(text)) if form.prefix.is_none() && form.otherwise.is_none() => {
                TypeOrigin::Text(text)
            }
            (None, None, Some(_)) => return Err(InvalidTypeFrom::TextAlone),
            _ => return Err(InvalidTypeFrom::Origin),
        };
        let prefix = form.prefix.unwrap_or_default();
        let otherwise = form
            .otherwise
            .unwrap_or_else(|| format!("{prefix}{NAMELESS}").into());
        Self::checked(origin, prefix, otherwise)
    }
}

impl From<TypeFrom> for Form {
    fn from(from: TypeFrom) -> Self {
        let mut form = Self::default();
        match from.origin {
            TypeOrigin::At(Place::Header(name)) => form.header = Some(name),
            TypeOrigin::At(Place::Pointer(pointer)) => form.pointer = Some(pointer),
            TypeOrigin::Text(text) => {
                form.text = Some(text);
                return form;
            }
        }
        form.prefix = Some(from.prefix).filter(|prefix| !prefix.is_empty());
        form.otherwise = Some(from.otherwise);
        form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TypeFrom, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn whatever_a_provider_writes_the_result_is_a_type() {
        let from = read(r#"{"header": "X-Topic", "prefix": "shop."}"#).unwrap();
        for (found, expected) in [
            (Some("orders/create"), "shop.orders.create"),
            (Some(" push "), "shop.push"),
            (None, "shop.webhook.received"),
            (Some(""), "shop.webhook.received"),
            (Some("a\u{7}b"), "shop.webhook.received"),
            (Some("a\u{fdd0}b"), "shop.webhook.received"),
            (Some("a\u{10ffff}"), "shop.webhook.received"),
        ] {
            let event_type = from.event_type(|_| found.map(str::to_owned));
            assert_eq!(event_type, expected, "{found:?}");
        }
        let bare = read(r#"{"pointer": "/type", "otherwise": "x.y"}"#).unwrap();
        assert_eq!(bare.event_type(|_| Some("hookgate.own".into())), "x.y");
        assert_eq!(bare.event_type(|_| Some("a/b".into())), "a/b");
        assert_eq!(bare.event_type(|_| Some("x".repeat(300))), "x.y");
        let text = read(r#"{"text": "card.charged"}"#).unwrap();
        assert_eq!(text.event_type(|_| None), "card.charged");
    }

    #[test]
    fn it_is_kept_as_it_was_written_and_says_what_is_wrong() {
        for text in [
            r#"{"header":"x-topic","prefix":"shop.","otherwise":"shop.webhook.received"}"#,
            r#"{"pointer":"/type","otherwise":"x.y"}"#,
            r#"{"text":"card.charged"}"#,
        ] {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
        for (text, part) in [
            ("{}", "one of header"),
            (r#"{"header": "a", "text": "b"}"#, "one of header"),
            (r#"{"header": "a b"}"#, "no name of a header"),
            (r#"{"pointer": "type"}"#, "JSON pointer"),
            (r#"{"text": "hookgate.x"}"#, "does not begin with"),
            (r#"{"heeder": "a"}"#, "heeder"),
            (r#"{"text": "a.b", "prefix": "shop."}"#, "whole type"),
            (r#"{"text": "a.b", "otherwise": "c.d"}"#, "whole type"),
            ("{\"text\": \"a\u{fffe}\"}", "stand for none"),
            (r#"{"header": "a", "prefix": "\ufdef"}"#, "stand for none"),
        ] {
            assert!(read(text).unwrap_err().contains(part), "{text}");
        }
    }
}
