//! Jobs: work that takes longer than a request, and what each kind of it is asked to do.
//!
//! What a job is asked is settled when it is made, so that whoever takes it over after a node died
//! does the same thing. Running jobs is the business of `jobs`, keeping them that of `store`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clock::Timestamp;
use super::ids::{EventId, SubscriptionId};
use super::pattern::TypePattern;
use super::plugin::{ComponentDigest, PluginName, PluginUse};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for a node with room.
    Queued,
    Running,
    Done,
    /// Ended before its end, with a reason.
    Failed,
    Cancelled,
}

impl JobState {
    const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = UnknownJobState;

    fn from_str(text: &str) -> Result<Self, UnknownJobState> {
        let mut all = Self::ALL.into_iter();
        all.find(|state| state.as_str() == text)
            .ok_or(UnknownJobState)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job is queued, running, done, failed or cancelled")]
pub struct UnknownJobState;

/// What a job is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum JobSpec {
    /// Two versions of a plugin over stored events; nothing is sent.
    Backtest(BacktestSpec),
    /// A subscription's events once more.
    Replay(ReplaySpec),
    /// Deliveries of a filter once more.
    Retry(RetrySpec),
    /// What a subscription missed while it was disabled or expired.
    Release(ReleaseSpec),
    /// The data of a tenant's events.
    Erasure(ErasureSpec),
}

impl JobSpec {
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Backtest(_) => "backtest",
            Self::Replay(_) => "replay",
            Self::Retry(_) => "retry",
            Self::Release(_) => "release",
            Self::Erasure(_) => "erasure",
        }
    }

    /// What the job is about, for those who look at it. Never a plugin's config: it may hold what
    /// is nobody's business.
    #[must_use]
    pub fn about(&self) -> Value {
        match self {
            Self::Backtest(spec) => json!({
                "plugin": spec.plugin,
                "version": spec.candidate.number,
                "digest": spec.candidate.digest,
                "against": spec.baseline.number,
                "against_digest": spec.baseline.digest,
                "subscriptions": spec.uses.iter().filter_map(|one| one.subscription).collect::<Vec<_>>(),
                "last": spec.last,
                "since": Timestamp::from_ms(spec.since_ms).to_rfc3339(),
            }),
            Self::Replay(spec) => json!({
                "subscription": spec.subscription,
                "range": spec.range.about(),
                "states": spec.states,
                "rate": spec.rate,
                "target_url": spec.target_url,
            }),
            Self::Retry(spec) => json!({
                "subscription": spec.subscription,
                "event": spec.event,
                "range": spec.range.about(),
                "states": spec.states,
                "rate": spec.rate,
            }),
            Self::Release(spec) => json!({"subscription": spec.subscription, "rate": spec.rate}),
            Self::Erasure(spec) => json!({
                "tenant": spec.tenant_name,
                "until": Timestamp::from_ms(spec.until_ms).to_rfc3339(),
            }),
        }
    }
}

/// Events by when they were accepted and by type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRange {
    pub since_ms: i64,
    /// The first instant that is not meant any more.
    pub until_ms: i64,
    /// One of these must match; none given means all.
    pub types: Vec<TypePattern>,
}

impl EventRange {
    fn about(&self) -> Value {
        json!({
            "since": Timestamp::from_ms(self.since_ms).to_rfc3339(),
            "until": Timestamp::from_ms(self.until_ms).to_rfc3339(),
            "types": self.types,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaySpec {
    pub tenant: i32,
    pub subscription: SubscriptionId,
    pub range: EventRange,
    /// States as `/v1/deliveries` knows them, and `missing`.
    pub states: Vec<String>,
    /// Deliveries a second.
    pub rate: u32,
    /// Sent there once, for debugging, and not recorded as attempts.
    pub target_url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrySpec {
    /// Tenants one after the other.
    pub tenants: Vec<i32>,
    pub subscription: Option<SubscriptionId>,
    pub event: Option<EventId>,
    pub range: EventRange,
    pub states: Vec<String>,
    pub rate: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseSpec {
    pub subscription: SubscriptionId,
    pub rate: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureSpec {
    pub tenant: i32,
    pub tenant_name: String,
    /// Events accepted before this.
    pub until_ms: i64,
}

/// A version of a plugin: the number may be unknown, the digest says what runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedVersion {
    pub number: i32,
    pub digest: ComponentDigest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BacktestSpec {
    pub plugin: PluginName,
    pub candidate: PinnedVersion,
    pub baseline: PinnedVersion,
    pub uses: Vec<BacktestUse>,
    /// The newest so many events of each use.
    pub last: u32,
    pub since_ms: i64,
    /// Events accepted later are not looked at, so that a job that is taken over sees the same.
    pub until_ms: i64,
    /// Differences that are shown in full.
    pub samples: u16,
}

/// One way in which the plugin is used: whose events, and what it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BacktestUse {
    pub tenant: i32,
    pub tenant_name: String,
    pub subscription: Option<SubscriptionId>,
    pub types: Vec<TypePattern>,
    /// The subscription's filters: a JSON array.
    pub filters: String,
    /// None narrow nothing.
    #[serde(default)]
    pub labels: super::labels::Labels,
    /// The plugins that see the event before, with what they are pinned to.
    pub before: Vec<(PluginUse, ComponentDigest)>,
    pub used: PluginUse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_survives_being_stored() {
        let spec = JobSpec::Release(ReleaseSpec {
            subscription: SubscriptionId::new(7),
            rate: 100,
        });
        let text = serde_json::to_string(&spec).unwrap();
        assert!(text.starts_with(r#"{"kind":"release""#), "{text}");
        assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec);
        assert_eq!(spec.about()["rate"], 100);
    }
}
