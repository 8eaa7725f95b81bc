//! A subscription as the API shows it: every field, defaults included, so that what was read can be
//! changed and written back.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::AppliedView;
use super::access_form::AuthView;
use super::queueing_form::QueueingView;
use crate::domain::access::AccessWish;
use crate::domain::duration::format_duration;
use crate::domain::health::{Circuit, Health};
use crate::domain::ids::SubscriptionId;
use crate::domain::pattern::TypePattern;
use crate::domain::plugin::PluginUse;
use crate::domain::secret::Scheme;
use crate::domain::subscription::{DeliveryPolicy, Format, RateLimit, State};
use crate::domain::tenant::TenantName;
use crate::domain::verification::Verification;
use crate::store::subscriptions::{Record, Wish};

/// A standing wish for events.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubscriptionView {
    #[schema(value_type = String)]
    id: SubscriptionId,
    state: State,
    state_reason: Option<String>,
    /// What receivers verify with, where `delivery.signature` is `v1a`.
    #[schema(example = "whpk_…")]
    public_key: Option<String>,
    created_at: String,
    updated_at: String,
    /// How its receiver fares; only where one subscription is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) health: Option<HealthView>,
    #[serde(flatten)]
    choice: ChoiceView,
}

/// How a receiver fares, as the node that answers has seen it: each judges by its own attempts.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthView {
    /// `closed`: requests go out; `open`: none does, nobody has answered for a while; `probing`:
    /// one at a time, to see.
    circuit: Circuit,
    /// Failures since the last success.
    failures: u32,
    /// Nothing goes out before; null: nothing is held back.
    held_back_until: Option<String>,
    /// Most deliveries a second now, on the way back from being down; null: as many as may.
    max_per_second: Option<f64>,
}

impl From<Health> for HealthView {
    fn from(health: Health) -> Self {
        Self {
            circuit: health.circuit,
            failures: health.failures,
            held_back_until: health.held_back_until.map(|at| at.to_rfc3339()),
            max_per_second: health.max_per_second,
        }
    }
}

/// What its owner chose.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChoiceView {
    #[schema(value_type = String)]
    tenant: TenantName,
    description: String,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    labels: Vec<String>,
    #[schema(value_type = Vec<String>)]
    event_types: Vec<TypePattern>,
    #[schema(value_type = Vec<Object>)]
    filters: Box<RawValue>,
    target_url: Option<String>,
    plugins: Vec<PluginUse>,
    verification: Verification,
    /// When it ends unless it is renewed; null: never.
    expires_at: Option<String>,
    delivery: DeliveryPolicyView,
}

/// How deliveries are made.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryPolicyView {
    format: Format,
    signature: Scheme,
    hook_signature: bool,
    /// Null: the deployment's default.
    retry_schedule: Option<Vec<String>>,
    timeout: String,
    /// Null: the deployment's default.
    max_in_flight: Option<u16>,
    rate_limit: Option<RateLimitView>,
    #[serde(flatten)]
    queueing: QueueingView,
    #[schema(value_type = std::collections::HashMap<String, String>)]
    headers: BTreeMap<Box<str>, Box<str>>,
    /// Without its secret, which is never shown.
    auth: Option<AuthView>,
    ca_pem: Option<Box<str>>,
}

/// Most deliveries in a span of time.
#[derive(Debug, Serialize, ToSchema)]
pub struct RateLimitView {
    per: String,
    max: u32,
    exact: bool,
}

impl From<RateLimit> for RateLimitView {
    fn from(limit: RateLimit) -> Self {
        Self {
            per: format_duration(limit.per),
            max: limit.max.get(),
            exact: limit.exact,
        }
    }
}

/// A subscription after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedView {
    #[serde(flatten)]
    pub subscription: SubscriptionView,
    #[serde(flatten)]
    pub applied: AppliedView,
    /// Shown only on creation and rotation; none where receivers verify with `public_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl ChoiceView {
    pub(super) fn new(tenant: TenantName, wish: Wish) -> Self {
        Self {
            tenant,
            description: wish.description,
            metadata: wish.metadata,
            labels: wish.labels,
            event_types: wish.event_types,
            filters: RawValue::from_string(wish.filters.as_json().to_owned())
                .expect("filters were read as JSON"),
            target_url: wish.target.map(|target| target.to_string()),
            plugins: wish.plugins,
            verification: wish.verification,
            expires_at: wish.expires_at.map(|at| at.to_rfc3339()),
            delivery: DeliveryPolicyView::new(wish.policy, wish.access),
        }
    }
}

impl DeliveryPolicyView {
    fn new(policy: DeliveryPolicy, access: AccessWish) -> Self {
        let waits = |schedule: crate::domain::retry::RetrySchedule| {
            let waits = schedule.waits().iter();
            waits.map(|wait| format_duration(*wait)).collect()
        };
        Self {
            format: policy.format,
            signature: policy.signature,
            hook_signature: policy.hook_signature,
            retry_schedule: policy.retry_schedule.map(waits),
            timeout: format_duration(policy.timeout),
            max_in_flight: policy.max_in_flight,
            rate_limit: policy.rate_limit.map(RateLimitView::from),
            queueing: QueueingView::from(&policy.queueing),
            headers: policy.headers.into_iter().collect(),
            auth: access.auth.map(AuthView::from),
            ca_pem: access.ca_pem,
        }
    }
}

impl From<Record> for SubscriptionView {
    fn from(record: Record) -> Self {
        let (state, state_reason) = record.state;
        Self {
            id: record.id,
            state,
            state_reason,
            public_key: record.public_key,
            created_at: record.created_at.to_rfc3339(),
            updated_at: record.updated_at.to_rfc3339(),
            health: None,
            choice: ChoiceView::new(record.tenant.1, record.wish),
        }
    }
}
