//! Attempts and what they came to.
//!
//! An unhappy receiver is an [`Outcome`], not an error: it is recorded, never raised.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::DeliveryId;

/// What an attempt came to. The number is what the `attempt` table holds, and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(i16)]
pub enum Outcome {
    /// A 2xx.
    Accepted = 1,
    /// Any other answer.
    Refused = 2,
    /// No whole answer in time.
    TimedOut = 3,
    /// No connection, or it broke.
    Unreachable = 4,
    /// The guard does not let this address be called.
    Blocked = 5,
    /// A plugin trapped, broke a limit, failed or is missing.
    PluginFailed = 6,
    /// A plugin's verdict: not to be delivered. Final.
    Dropped = 7,
    /// Another delivery stands for it. Final.
    Merged = 8,
    /// Somebody cancelled it, or its subscription is gone. Final.
    Cancelled = 9,
    /// Kept too long without being delivered. Final.
    Expired = 10,
    /// The retry schedule is used up. Final.
    Dead = 11,
}

impl Outcome {
    const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Refused,
        Self::TimedOut,
        Self::Unreachable,
        Self::Blocked,
        Self::PluginFailed,
        Self::Dropped,
        Self::Merged,
        Self::Cancelled,
        Self::Expired,
        Self::Dead,
    ];

    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// None for a code that this release does not know.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Blocked => "blocked",
            Self::PluginFailed => "plugin_failed",
            Self::Dropped => "dropped",
            Self::Merged => "merged",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Dead => "dead",
        }
    }

    /// Whether this is a verdict about the delivery rather than a try of it: such a row is no
    /// attempt in the API, it only says how the delivery ended.
    #[must_use]
    pub const fn is_verdict(self) -> bool {
        matches!(
            self,
            Self::Dropped | Self::Merged | Self::Cancelled | Self::Expired | Self::Dead
        )
    }

    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Counts the attempts of a delivery; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AttemptNumber(u16);

impl AttemptNumber {
    pub const FIRST: Self = Self(1);

    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The record of one attempt, or of the verdict that ended a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub number: AttemptNumber,
    pub started_at: Timestamp,
    pub duration: Duration,
    pub outcome: Outcome,
    pub status: Option<u16>,
    /// The address that was dialled.
    pub address: Option<IpAddr>,
    /// SHA-256 of the body that went out; none where nothing was to be sent.
    pub body_hash: Option<[u8; 32]>,
    /// Kept only where there is something to say.
    pub note: Option<Note>,
}

/// What an attempt leaves behind beside its numbers. Stored as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Note {
    /// Why, in words for the subscription's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// First 4 KiB of an answer that was not 2xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// The delivery that stands for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<DeliveryId>,
}
