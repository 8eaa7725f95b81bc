//! The config: a template, and what becomes of what is missing.

use hookgate_plugin::json::RawValue;
use serde::Deserialize;

use crate::gather::Wanted;
use crate::template::{self, Node};

/// What a subscription asks of `reshape`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    pub(crate) template: Node,
    /// Every pointer of the template that leads into the data.
    pub(crate) wanted: Wanted,
    pub(crate) missing: Missing,
}

/// What becomes of a place whose value the event does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Missing {
    /// The member or element is left out; in a text, nothing stands in its place.
    #[default]
    Omit,
    /// It is `null`.
    Null,
    /// The event is unusable.
    Fail,
}

/// As it stands in a subscription.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    template: Box<RawValue>,
    #[serde(default)]
    missing: Missing,
}

impl TryFrom<Written> for Config {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let mut wanted = Wanted::default();
        let template = template::parse(&written.template, &mut wanted)?;
        Ok(Self {
            template,
            wanted,
            missing: written.missing,
        })
    }
}
