//! Names, owners and identities of plugins. Running them is the plugin host's business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::EventId;

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

/// The part of the events that a version of a plugin gets: 1 to 10,000 hundredths of a percent.
///
/// Which events those are hangs on their ids alone, so every node agrees, a retry meets the version
/// of the first try, and a larger share holds all events of a smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a share is from 0.0001 to 1")]
pub struct InvalidShare;

impl Share {
    const WHOLE: u16 = 10_000;
    pub const ALL: Self = Self(Self::WHOLE);

    /// From a fraction, rounded to hundredths of a percent.
    ///
    /// # Errors
    /// Where that is nothing, or more than everything.
    pub fn of(fraction: f64) -> Result<Self, InvalidShare> {
        let parts = (fraction * f64::from(Self::WHOLE)).round();
        if (1.0..=f64::from(Self::WHOLE)).contains(&parts) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number from 1 to 10,000"
            )]
            Ok(Self(parts as u16))
        } else {
            Err(InvalidShare)
        }
    }

    /// As Postgres stores it; none where it is out of range.
    #[must_use]
    pub fn from_parts(parts: i16) -> Option<Self> {
        let parts = u16::try_from(parts).ok()?;
        (1..=Self::WHOLE).contains(&parts).then_some(Self(parts))
    }

    #[must_use]
    pub const fn parts(self) -> i16 {
        self.0.cast_signed()
    }

    #[must_use]
    pub fn as_fraction(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }

    #[must_use]
    pub fn takes(self, event: EventId) -> bool {
        // Ids of neighbours differ in a few bits only, so they are stirred well (the finisher of
        // splitmix64) before the upper half is scaled down.
        let mut bits = event.get().cast_unsigned();
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 32) * u64::from(Self::WHOLE)) >> 32 < u64::from(self.0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::ids::LaneId;

    #[test]
    fn a_share_takes_its_part_and_a_larger_one_takes_the_same_and_more() {
        let at = |ms| Timestamp::from_ms(1_790_000_000_000 + ms);
        let events: Vec<EventId> = (0..100_000)
            .map(|number| {
                let first = EventId::first_at(at(number / 7), LaneId::new(3));
                EventId::new(first.get() + number % 7)
            })
            .collect();
        let taken = |share: Share| events.iter().filter(move |event| share.takes(**event));
        for fraction in [0.0001, 0.01, 0.1, 0.5, 0.9999] {
            let share = Share::of(fraction).unwrap();
            let found = taken(share).count() as f64 / 100_000.0;
            let spread = 5.0 * (fraction * (1.0 - fraction) / 100_000.0).sqrt();
            assert!((found - fraction).abs() <= spread, "{fraction}: {found}");
        }
        assert_eq!(taken(Share::ALL).count(), 100_000);
        let tenth = Share::of(0.1).unwrap();
        assert!(taken(tenth).all(|event| Share::of(0.2).unwrap().takes(*event)));
    }

    #[test]
    fn a_share_is_something_and_not_more_than_all() {
        for fraction in [0.0, 0.00001, -0.1, 1.001, f64::NAN, f64::INFINITY] {
            assert_eq!(Share::of(fraction), Err(InvalidShare), "{fraction}");
        }
        assert_eq!(Share::of(1.0), Ok(Share::ALL));
        assert_eq!(Share::of(0.25).unwrap().parts(), 2500);
        assert_eq!(Share::from_parts(10_001), None);
        assert_eq!(Share::from_parts(0), None);
    }
}
