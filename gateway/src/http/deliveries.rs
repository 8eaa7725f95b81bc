//! `/v1/deliveries`: what became of events, and asking for them again.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::{Reader, Subscriber, bound, scope};
use super::events::window_start;
use super::input::{Asked, Id};
use super::page::{Page, instant, limit, parameter};
use super::problem::{Kind, Problem, ProblemBody};
use crate::domain::attempt::Outcome;
use crate::domain::audit::{Deed, Operation};
use crate::domain::ids::{DeliveryId, EventId, SubscriptionId};
use crate::domain::key::Caller;
use crate::domain::tenant::TenantName;
use crate::log::Retried;
use crate::store::deliveries::{AttemptRecord, DeliveryState, Selection, Summary, Waits};

/// One event for one subscription.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    #[schema(value_type = String)]
    id: DeliveryId,
    #[schema(value_type = String)]
    event: EventId,
    #[schema(value_type = String)]
    subscription: SubscriptionId,
    #[schema(value_type = Option<String>)]
    tenant: Option<TenantName>,
    event_type: String,
    state: DeliveryState,
    /// Why it ended so.
    reason: Option<String>,
    /// The delivery that stands for a merged one.
    #[schema(value_type = Option<String>)]
    merged_into: Option<DeliveryId>,
    finished_at: Option<String>,
    /// What a pending one waits for; null while it is under way.
    waits_for: Option<&'static str>,
    /// When it is tried next.
    due_at: Option<String>,
}

impl DeliveryView {
    pub(super) fn new(api: &Api, row: Summary) -> Self {
        Self {
            id: row.id,
            event: row.id.event,
            subscription: row.id.subscription,
            tenant: api.store().catalog().tenant_name(row.tenant),
            event_type: row.event_type,
            state: row.state,
            reason: row.reason,
            merged_into: row.into,
            finished_at: row.finished_at.map(|at| at.to_rfc3339()),
            waits_for: row.waits.map(waits_for),
            due_at: row
                .waits
                .and_then(|waits| waits.due_at)
                .map(|at| at.to_rfc3339()),
        }
    }
}

fn waits_for(waits: Waits) -> &'static str {
    match waits.reason {
        1 => "retry",
        2 => "plugin",
        3 => "resume",
        4 => "release",
        _ => "turn",
    }
}

/// One try of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptView {
    number: u16,
    started_at: String,
    duration_ms: u64,
    outcome: Outcome,
    status: Option<u16>,
    reason: Option<String>,
    /// First 4 KiB of an answer that was not 2xx.
    excerpt: Option<String>,
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    plugins: Vec<PluginRun>,
    node: i32,
    /// SHA-256 of the body that went out, in hex; `/v1/deliveries/{id}/verify` makes it again.
    body_sha256: Option<String>,
}

/// A plugin that ran in an attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct PluginRun {
    name: String,
    digest: String,
}

impl From<AttemptRecord> for AttemptView {
    fn from(record: AttemptRecord) -> Self {
        Self {
            number: record.number,
            started_at: record.started_at.to_rfc3339(),
            duration_ms: u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX),
            outcome: record.outcome,
            status: record.status,
            reason: record.note.reason,
            excerpt: record.note.excerpt,
            address: record.address,
            plugins: record
                .plugins
                .into_iter()
                .map(|(name, digest)| PluginRun { name, digest })
                .collect(),
            node: record.node.get(),
            body_sha256: record
                .body_hash
                .map(|hash| data_encoding::HEXLOWER.encode(&hash)),
        }
    }
}

/// A delivery with its attempts.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryDetail {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// The events of its window or batch, where it stands for more than its own.
    stands_for: Option<StandsForView>,
    attempts: Vec<AttemptView>,
}

/// The events for which one delivery stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandsForView {
    count: usize,
    #[schema(value_type = String)]
    first: EventId,
    #[schema(value_type = String)]
    last: EventId,
}

impl StandsForView {
    fn of(attempts: &[AttemptRecord]) -> Option<Self> {
        let members = attempts.iter().rev().map(|attempt| &attempt.members);
        let members = members.into_iter().find(|members| members.len() > 1)?;
        Some(Self {
            count: members.len(),
            first: *members.first()?,
            last: *members.last()?,
        })
    }
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    tenant: Option<String>,
    subscription: Option<String>,
    event: Option<String>,
    /// `pending`, `delivered`, `dropped`, `merged`, `dead`, `cancelled` or `expired`.
    state: Option<String>,
    /// RFC 3339; 24 hours ago where it is left out.
    since: Option<String>,
    limit: Option<u16>,
    after: Option<String>,
}

/// Deliveries, newest event first.
#[utoipa::path(get, path = "/v1/deliveries", tag = "deliveries", params(DeliveryQuery),
    responses((status = 200, body = Page<DeliveryView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn list(
    Reader(caller): Reader,
    State(api): State<Api>,
    Asked(query): Asked<DeliveryQuery>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let limit = limit(query.limit);
    let tenant = parameter("tenant", query.tenant.as_deref())?;
    let since = instant("since", query.since.as_deref())?;
    let wanted = Selection {
        tenant: scope(&api, &caller, tenant.as_ref())?,
        subscription: parameter("subscription", query.subscription.as_deref())?,
        event: parameter("event", query.event.as_deref())?,
        state: parameter("state", query.state.as_deref())?,
        since: since.unwrap_or_else(|| window_start(&api)),
        after: parameter("after", query.after.as_deref())?,
        limit: limit + 1,
    };
    let rows = api.store().list_deliveries(wanted).await?;
    let view = |row| DeliveryView::new(&api, row);
    Ok(Json(Page::new(rows, limit, |row| row.id, view)))
}

/// One delivery with its attempts.
#[utoipa::path(get, path = "/v1/deliveries/{id}", tag = "deliveries", params(("id" = String, Path)),
    responses((status = 200, body = DeliveryDetail),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn one(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(id): Id<DeliveryId>,
) -> Result<Json<DeliveryDetail>, Problem> {
    let delivery = find(&api, &caller, id).await?;
    let attempts = api.store().attempts(id).await?;
    Ok(Json(DeliveryDetail {
        delivery: DeliveryView::new(&api, delivery),
        stands_for: StandsForView::of(&attempts),
        attempts: attempts
            .into_iter()
            .filter(|record| !record.outcome.is_verdict())
            .map(AttemptView::from)
            .collect(),
    }))
}

async fn find(api: &Api, caller: &Caller, id: DeliveryId) -> Result<Summary, Problem> {
    let found = api.store().delivery(id, bound(caller)).await?;
    found.ok_or_else(|| Problem::not_found("delivery"))
}

/// Try a delivery again now, whatever became of it.
#[utoipa::path(post, path = "/v1/deliveries/{id}/retry", tag = "deliveries",
    params(("id" = String, Path)),
    responses((status = 202, body = DeliveryView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn retry(
    Subscriber(caller): Subscriber,
    State(api): State<Api>,
    Id(id): Id<DeliveryId>,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    find(&api, &caller, id).await?;
    match api.log().retry(id).await? {
        Retried::UnderWay => {
            let detail = "the delivery is under way; try again after its attempt";
            return Err(Problem::new(Kind::Conflict, detail));
        }
        Retried::Unknown => return Err(Problem::not_found("delivery")),
        _ => {}
    }
    note(&api, Operation::DeliveryRetry, id).await?;
    let delivery = find(&api, &caller, id).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(DeliveryView::new(&api, delivery)),
    ))
}

/// End a delivery that waits; one that is under way answers 409.
#[utoipa::path(post, path = "/v1/deliveries/{id}/cancel", tag = "deliveries",
    params(("id" = String, Path)),
    responses((status = 200, body = DeliveryView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn cancel(
    Subscriber(caller): Subscriber,
    State(api): State<Api>,
    Id(id): Id<DeliveryId>,
) -> Result<Json<DeliveryView>, Problem> {
    find(&api, &caller, id).await?;
    api.log().cancel(id).await?;
    note(&api, Operation::DeliveryCancel, id).await?;
    let delivery = find(&api, &caller, id).await?;
    Ok(Json(DeliveryView::new(&api, delivery)))
}

/// The log has changed it; the audit log says so at once.
async fn note(api: &Api, operation: Operation, id: DeliveryId) -> Result<(), Problem> {
    let subscription = api.store().catalog().subscription(id.subscription);
    let tenant = subscription.map(|subscription| subscription.tenant);
    let deed = Deed::new(operation, tenant, id);
    Ok(api.store().note(deed).await?)
}
