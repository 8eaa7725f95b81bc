//! What a pointer of the template can name: the parts of an event.

use hookgate_plugin::json::Pointer;
use hookgate_plugin::{Event, data_url, time};

use crate::gather::{Slot, Wanted};

/// The event's own members, beside `data` and `attributes`.
const MEMBERS: &str = "/id, /source, /type, /subject, /time, /tenant, /key, /content_type, \
                       /attributes/NAME, /data_url, or /data and what lies below it";

/// Where a value comes from.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) pointer: String,
    pub(crate) part: Part,
}

#[derive(Debug)]
pub(crate) enum Part {
    Id,
    Source,
    Type,
    Subject,
    Time,
    Tenant,
    Key,
    ContentType,
    Attribute(String),
    DataUrl,
    Data(Slot),
}

impl Place {
    pub(crate) fn parse(text: &str, wanted: &mut Wanted) -> Result<Self, String> {
        let pointer = Pointer::parse(text).map_err(|error| error.to_string())?;
        let nothing = || format!("pointer \"{text}\" names no part of an event: write {MEMBERS}");
        let (first, below) = pointer.tokens().split_first().ok_or_else(nothing)?;
        let part = match (first.name(), below) {
            ("data", below) => Part::Data(wanted.add(text, below)?),
            ("attributes", [name]) => Part::Attribute(name.name().to_owned()),
            ("id", []) => Part::Id,
            ("source", []) => Part::Source,
            ("type", []) => Part::Type,
            ("subject", []) => Part::Subject,
            ("time", []) => Part::Time,
            ("tenant", []) => Part::Tenant,
            ("key", []) => Part::Key,
            ("content_type", []) => Part::ContentType,
            ("data_url", []) => Part::DataUrl,
            _ => return Err(nothing()),
        };
        Ok(Self {
            pointer: text.to_owned(),
            part,
        })
    }
}

impl Part {
    /// The text of a part that is not data; None where the event has none.
    pub(crate) fn text(&self, event: &Event) -> Option<String> {
        match self {
            Self::Id => Some(event.id.clone()),
            Self::Source => Some(event.source.clone()),
            Self::Type => Some(event.event_type.clone()),
            Self::Subject => event.subject.clone(),
            Self::Time => Some(time::to_rfc3339(event.time_ms)),
            Self::Tenant => Some(event.tenant.clone()),
            Self::Key => event.key.clone(),
            Self::ContentType => Some(event.content_type.clone()),
            Self::Attribute(name) => event.attribute(name).map(str::to_owned),
            Self::DataUrl => Some(data_url()),
            Self::Data(_) => None,
        }
    }
}
