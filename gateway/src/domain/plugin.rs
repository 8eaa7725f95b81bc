//! Names, owners and identities of plugins. Running them is the plugin host's business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A plugin's name: 1 to 64 characters of `[a-z0-9-]`, starting with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(Box<str>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a plugin's name is 1 to 64 characters of a-z 0-9 - and starts with a letter")]
pub struct InvalidPluginName;

impl PluginName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginName {
    type Err = InvalidPluginName;

    fn from_str(text: &str) -> Result<Self, InvalidPluginName> {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let starts_well = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase());
        if starts_well && text.len() <= 64 && text.bytes().all(is_allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidPluginName)
        }
    }
}

impl TryFrom<String> for PluginName {
    type Error = InvalidPluginName;

    fn try_from(text: String) -> Result<Self, InvalidPluginName> {
        text.parse()
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> Self {
        name.0.into()
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who may put new versions under a name. Owners never overwrite each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PluginOwner {
    /// Uploaded over REST.
    Api,
    /// A file in the plugin folder.
    Folder,
    /// Shipped inside the binary.
    Binary,
}

impl PluginOwner {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Folder => "folder",
            Self::Binary => "binary",
        }
    }

    /// # Panics
    /// On text that the table's check constraint does not let in.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        match text {
            "api" => Self::Api,
            "folder" => Self::Folder,
            "binary" => Self::Binary,
            other => unreachable!("plugin_owner_is_known lets {other:?} in"),
        }
    }
}

/// SHA-256 of a component's bytes: the identity of a plugin's version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentDigest(pub [u8; 32]);

impl fmt::Display for ComponentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ComponentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits")]
pub struct InvalidComponentDigest;

impl FromStr for ComponentDigest {
    type Err = InvalidComponentDigest;

    fn from_str(text: &str) -> Result<Self, InvalidComponentDigest> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(InvalidComponentDigest)
    }
}

impl<'de> Deserialize<'de> for ComponentDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ComponentDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a subscription does with an event when one of its plugins fails. There is no pass-through:
/// what a plugin was to slim or to filter never goes out as it was.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Wait until the plugin or the subscription is mended, or somebody retries.
    #[default]
    Park,
    /// Try again by the retry schedule.
    Retry,
    /// Finish the delivery as dropped, with the reason.
    Drop,
}

/// A subscription's use of one plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginUse {
    #[schema(value_type = String, example = "skinny")]
    pub name: PluginName,
    /// Handed to the plugin as JSON.
    #[serde(default = "empty_config")]
    #[schema(value_type = Object)]
    pub config: serde_json::Value,
    /// A version's number; none means the active one.
    #[serde(default)]
    pub version: Option<i32>,
    #[serde(default)]
    pub on_error: OnError,
}

fn empty_config() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}
