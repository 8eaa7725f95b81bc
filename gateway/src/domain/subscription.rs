//! A subscription: a standing wish for events, and how they are to be delivered.
//!
//! Holds what the delivery engine needs, already parsed. How the API spells it is `http`'s
//! business, how it is kept that of `store`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access::Access;
use super::clock::Timestamp;
use super::filter::Filters;
use super::ids::{ConfigVersion, SubscriptionId, TenantId};
use super::labels::Labels;
use super::pattern::TypePattern;
use super::plugin::{PluginName, PluginUse};
use super::queueing::Queueing;
use super::retry::RetrySchedule;
use super::secret::{Scheme, SigningKey};
use super::target_url::TargetUrl;
use super::tenant::TenantName;
use super::verification::Verification;

/// Whether a subscription gets what matches it.
///
/// | state | an event that matches |
/// |---|---|
/// | active | is delivered |
/// | pending | passes by |
/// | paused | is parked until it is resumed |
/// | disabled | is recorded as missed: parked, not due |
/// | expired | like disabled |
/// | deleted | passes by; what still waits is cancelled |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Pending,
    Active,
    Paused,
    Disabled,
    Expired,
    Deleted,
}

impl State {
    const ALL: [Self; 6] = [
        Self::Pending,
        Self::Active,
        Self::Paused,
        Self::Disabled,
        Self::Expired,
        Self::Deleted,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }

    /// Whether an event that matches is kept for it, at once or parked.
    #[must_use]
    pub const fn takes_events(self) -> bool {
        matches!(
            self,
            Self::Active | Self::Paused | Self::Disabled | Self::Expired
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(UnknownState)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a subscription is pending, active, paused, disabled, expired or deleted")]
pub struct UnknownState;

/// What a delivery's body looks like.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `{"type", "timestamp", "data", "id", "sequence"}`.
    #[default]
    Event,
    /// The data alone.
    Raw,
    /// A CloudEvent in JSON: `application/cloudevents+json`.
    #[serde(rename = "cloudevents-structured")]
    CloudEventsStructured,
    /// The data alone, with the attributes of a CloudEvent as headers.
    #[serde(rename = "cloudevents-binary")]
    CloudEventsBinary,
}

/// Most deliveries in a span of time, over all nodes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// 1 s to 1 h.
    pub per: Duration,
    /// 1 to 100,000.
    pub max: NonZeroU32,
    /// One node sends everything, so that the limit holds over all of them together; else each
    /// node sends its share.
    pub exact: bool,
}

impl RateLimit {
    /// Time from one delivery to the next.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.per / self.max.get()
    }
}

/// How hard, how fast and in what form a subscription is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryPolicy {
    pub format: Format,
    pub signature: Scheme,
    /// Whether `X-Hook-Signature` is sent too.
    pub hook_signature: bool,
    /// None: the deployment's default.
    pub retry_schedule: Option<RetrySchedule>,
    /// The whole attempt, from resolving the name to the answer's last byte. 1 s to 30 s.
    pub timeout: Duration,
    /// Requests in flight at once from one node. 1 to 256; none: the deployment's default.
    pub max_in_flight: Option<u16>,
    pub rate_limit: Option<RateLimit>,
    /// How deliveries wait for each other.
    pub queueing: Queueing,
    /// Sent with every delivery.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

impl DeliveryPolicy {
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            format: Format::Event,
            signature: Scheme::V1,
            hook_signature: false,
            retry_schedule: None,
            timeout: Self::DEFAULT_TIMEOUT,
            max_in_flight: None,
            rate_limit: None,
            queueing: Queueing::Plain,
            headers: Vec::new(),
        }
    }
}

impl Subscription {
    /// The plugin that folds the events of a window into one.
    #[must_use]
    pub fn fold(&self) -> Option<&PluginName> {
        self.policy.queueing.fold()
    }

    /// Whether its deliveries go through plugins before they can be sent.
    #[must_use]
    pub fn has_plugins(&self) -> bool {
        !self.plugins.is_empty() || self.fold().is_some()
    }

    /// Time from one delivery to the next: the longer of what its owner and what its receiver ask
    /// for.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        let own = self.policy.rate_limit.map(RateLimit::interval);
        let allowed = self.allowed_rate.filter(|rate| *rate > 0);
        own.max(allowed.map(|rate| Duration::from_secs(60) / rate))
    }

    /// Whether all of it has to go through one node.
    #[must_use]
    pub fn is_paced_by_one_node(&self) -> bool {
        self.policy.rate_limit.is_some_and(|limit| limit.exact)
    }
}

/// A subscription as matching and delivering need it.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub tenant: TenantId,
    pub tenant_name: TenantName,
    pub state: State,
    pub event_types: Vec<TypePattern>,
    pub labels: Labels,
    /// All must hold.
    pub filters: Filters,
    /// None: pull only, nothing is pushed.
    pub target: Option<TargetUrl>,
    pub plugins: Vec<PluginUse>,
    pub policy: DeliveryPolicy,
    /// How its receiver is told who calls, and known itself.
    pub access: Access,
    pub verification: Verification,
    /// Deliveries a minute that the receiver allowed when it consented.
    pub allowed_rate: Option<u32>,
    /// When it ends unless it is renewed.
    pub expires_at: Option<Timestamp>,
    /// The secrets that sign now, newest first; two during a rotation's overlap.
    pub secrets: Vec<Arc<SigningKey>>,
    /// The configuration that this is part of.
    pub version: ConfigVersion,
}
