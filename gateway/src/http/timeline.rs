//! `GET /v1/stats/timeline`: what all nodes saw in the last hour, in steps, by tenant and by node.
//!
//! Read from counters that each node writes every few seconds, so it costs the same whatever goes
//! on, and is that much late. For people who look; nothing is decided by it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Reader, scope};
use super::input::Asked;
use super::page::parameter;
use super::problem::{Problem, ProblemBody};
use crate::domain::ids::TenantId;
use crate::domain::tenant::TenantName;
use crate::store::pulse::{KEPT, STEP, Seen};
use crate::telemetry::pulse::quantile;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(timeline))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TimelineQuery {
    tenant: Option<String>,
    /// How many minutes back, 1 to 60; 60 where it is left out.
    minutes: Option<u16>,
}

/// Counts of a span of time.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SeenView {
    /// Events that were committed.
    events: u64,
    /// Attempts that a receiver accepted.
    accepted: u64,
    /// Attempts that came to nothing.
    failed: u64,
    /// Deliveries that ended without being accepted: dropped, merged, cancelled, expired, dead.
    ended: u64,
}

impl From<&Seen> for SeenView {
    fn from(seen: &Seen) -> Self {
        Self {
            events: seen.events,
            accepted: seen.accepted,
            failed: seen.failed,
            ended: seen.ended,
        }
    }
}

/// What was seen in one step.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepView {
    at: String,
    #[serde(flatten)]
    seen: SeenView,
    /// Half of the attempts took at most so long.
    p50_ms: Option<u32>,
    /// All but one in a hundred took at most so long.
    p99_ms: Option<u32>,
}

/// What was seen of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantSeenView {
    /// Null for all tenants beyond the busiest 500 of a node.
    #[schema(value_type = Option<String>)]
    tenant: Option<TenantName>,
    #[serde(flatten)]
    seen: SeenView,
    /// How long its oldest parked delivery has been due.
    oldest_due_seconds: Option<u64>,
}

/// What a node saw.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeSeenView {
    node: i32,
    #[serde(flatten)]
    seen: SeenView,
}

/// The last hour, or less.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineView {
    now: String,
    step_seconds: u64,
    minutes: u16,
    /// Oldest first; without those in which nothing happened.
    steps: Vec<StepView>,
    total: SeenView,
    p50_ms: Option<u32>,
    p99_ms: Option<u32>,
    /// How long the delivery has been due that waits longest; null where none is due.
    oldest_due_seconds: Option<u64>,
    /// The 20 busiest.
    tenants: Vec<TenantSeenView>,
    /// Empty for keys that are bound to a tenant.
    nodes: Vec<NodeSeenView>,
}

/// What all nodes saw lately.
#[utoipa::path(get, path = "/v1/stats/timeline", tag = "operating", params(TimelineQuery),
    responses((status = 200, body = TimelineView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn timeline(
    Reader(caller): Reader,
    State(api): State<Api>,
    Asked(query): Asked<TimelineQuery>,
) -> Result<Json<TimelineView>, Problem> {
    let named = parameter("tenant", query.tenant.as_deref())?;
    let of = scope(&api, &caller, named.as_ref())?;
    let all = u16::try_from(KEPT.as_secs() / 60).unwrap_or(u16::MAX);
    let minutes = query.minutes.unwrap_or(all).clamp(1, all);
    let back = Duration::from_secs(u64::from(minutes) * 60);
    let store = api.store();
    let steps = store.pulse(of, back).await?;
    let due = store.oldest_due(of).await?;
    let tenants = store.pulse_by_tenant(of, back).await?;
    let nodes = match caller.bound_to {
        Some(_) => Vec::new(),
        None => store.pulse_by_node(back).await?,
    };
    let now = store.clock().now();
    let age = |tenant: Option<TenantId>| {
        let mut oldest = due.iter();
        let oldest = oldest.find(|one| tenant.is_none_or(|tenant| one.tenant == tenant))?;
        Some(now.since(oldest.due_at).as_secs())
    };
    let mut whole = Seen::default();
    for step in &steps {
        add(&mut whole, &step.seen);
    }
    Ok(Json(TimelineView {
        now: now.to_rfc3339(),
        step_seconds: STEP.as_secs(),
        minutes,
        total: (&whole).into(),
        p50_ms: quantile(&whole.latency, 0.5),
        p99_ms: quantile(&whole.latency, 0.99),
        oldest_due_seconds: age(None),
        steps: steps
            .iter()
            .map(|step| StepView {
                at: step.at.to_rfc3339(),
                seen: (&step.seen).into(),
                p50_ms: quantile(&step.seen.latency, 0.5),
                p99_ms: quantile(&step.seen.latency, 0.99),
            })
            .collect(),
        tenants: tenants
            .iter()
            .map(|(id, seen)| TenantSeenView {
                tenant: store.catalog().tenant_name(*id),
                seen: seen.into(),
                oldest_due_seconds: age(Some(*id)),
            })
            .collect(),
        nodes: nodes
            .iter()
            .map(|(node, seen)| NodeSeenView {
                node: node.get(),
                seen: seen.into(),
            })
            .collect(),
    }))
}

fn add(whole: &mut Seen, part: &Seen) {
    whole.events += part.events;
    whole.accepted += part.accepted;
    whole.failed += part.failed;
    whole.ended += part.ended;
    if whole.latency.len() < part.latency.len() {
        whole.latency.resize(part.latency.len(), 0);
    }
    for (sum, count) in whole.latency.iter_mut().zip(&part.latency) {
        *sum += count;
    }
}
