//! A subscription as the API shows it: every field, defaults included, so that what was read can be
//! changed and written back.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::AppliedView;
use crate::domain::duration::format_duration;
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
    #[serde(flatten)]
    choice: ChoiceView,
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
    #[schema(value_type = std::collections::HashMap<String, String>)]
    headers: BTreeMap<Box<str>, Box<str>>,
}

/// Most deliveries in a span of time.
#[derive(Debug, Serialize, ToSchema)]
pub struct RateLimitView {
    per: String,
    max: u32,
}

impl From<RateLimit> for RateLimitView {
    fn from(limit: RateLimit) -> Self {
        Self {
            per: format_duration(limit.per),
            max: limit.max.get(),
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
            delivery: wish.policy.into(),
        }
    }
}

impl From<DeliveryPolicy> for DeliveryPolicyView {
    fn from(policy: DeliveryPolicy) -> Self {
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
            headers: policy.headers.into_iter().collect(),
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
            choice: ChoiceView::new(record.tenant.1, record.wish),
        }
    }
}
