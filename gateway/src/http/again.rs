//! `…/replay` and `/v1/deliveries/retry`: deliveries once more, counted first, then as a job.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Subscriber, bound, scope};
use super::fields::{Fields, range, rate, read_form, states, states_of};
use super::input::{Id, JsonBody};
use super::jobs::JobView;
use super::problem::{Kind, Problem, ProblemBody};
use crate::domain::ids::{EventId, SubscriptionId, TenantId};
use crate::domain::job::{JobSpec, ReplaySpec, RetrySpec};
use crate::domain::key::Caller;
use crate::domain::subscription::State as SubscriptionState;
use crate::domain::target_url::TargetUrl;
use crate::domain::tenant::TenantName;
use crate::store::again::AgainQuery;
use crate::store::subscriptions::Record;

/// A count that takes longer is answered as far as it came.
const COUNT_WITHIN: Duration = Duration::from_secs(15);

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(replay))
        .routes(routes!(retry_many))
}

/// What is to be replayed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayForm {
    /// Events accepted since then: an RFC 3339 time, or a duration back from now such as `24h`.
    #[schema(example = "24h")]
    since: Option<String>,
    /// The first instant that is not meant any more; now where it is left out.
    until: Option<String>,
    /// Only events of these types, such as `invoice.*`.
    #[schema(value_type = Vec<String>)]
    types: Vec<String>,
    /// `delivered`, `dropped`, `merged`, `dead`, `cancelled`, `expired`, or `missing` for events
    /// that match and were never to be delivered to it; all of them where it is left out. What is
    /// pending is delivered anyway.
    states: Option<Vec<String>>,
    /// Deliveries a second, 1 to 10,000; 1,000 where it is left out.
    rate: Option<u32>,
    /// Send them there once instead, for debugging: signed as usual, and not recorded as attempts.
    target_url: Option<String>,
    /// Only count.
    dry_run: bool,
}

/// What a replay or a retry would do.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CountView {
    dry_run: bool,
    /// Deliveries by the state they are in.
    counts: BTreeMap<String, u64>,
    total: u64,
    /// False where counting took too long: then it is at least so many.
    complete: bool,
}

/// Deliver a subscription's events once more, with the same ids; the count of attempts goes on.
///
/// What waits already stays as it is. With `dry_run` it only counts, else it answers with a job.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/replay", tag = "subscriptions",
    params(("id" = String, Path)), request_body = ReplayForm,
    responses((status = 202, body = AgainView), (status = 200, body = CountView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn replay(
    Subscriber(caller): Subscriber,
    State(api): State<Api>,
    Id(id): Id<SubscriptionId>,
    JsonBody(body): JsonBody,
) -> Result<Answer, Problem> {
    let record = subscription(&api, &caller, id).await?;
    let form: ReplayForm = read_form(body)?;
    let now = api.store().clock().now();
    let mut fields = Fields::default();
    if form.since.is_none() {
        fields.push("#/since", "is needed: a time, or a duration such as 24h");
    }
    let range = range(&mut fields, now, (&form.since, &form.until), &form.types);
    let states = states(&mut fields, form.states.as_deref(), true);
    let rate = rate(&mut fields, form.rate);
    let target = form
        .target_url
        .as_deref()
        .map(|url| TargetUrl::parse(url, api.targets()));
    if let Some(Err(error)) = &target {
        fields.push("#/target_url", error.to_string());
    }
    fields.end()?;
    let tenant = record.tenant.0;
    let spec = ReplaySpec {
        tenant: tenant.get(),
        subscription: id,
        range,
        states,
        rate,
        target_url: form.target_url,
    };
    if form.dry_run {
        let query = AgainQuery {
            tenant,
            subscription: Some(id),
            event: None,
            range: spec.range,
            states: None,
            missing_of: api.store().catalog().subscription(id),
        };
        let is_aside = spec.target_url.is_some();
        return counted(&api, &[query], (&spec.states, is_aside)).await;
    }
    if spec.target_url.is_none() {
        must_serve(&record)?;
    }
    started(&api, Some(tenant), JobSpec::Replay(spec)).await
}

/// Which deliveries are to be tried again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryForm {
    #[schema(value_type = Option<String>)]
    tenant: Option<TenantName>,
    #[schema(value_type = Option<String>)]
    subscription: Option<SubscriptionId>,
    #[schema(value_type = Option<String>)]
    event: Option<EventId>,
    /// `dead`, `cancelled`, `expired`, `dropped`, `merged` or `delivered`; `dead` where it is left
    /// out.
    state: Option<String>,
    /// Only events of these types, such as `invoice.*`.
    #[schema(value_type = Vec<String>)]
    types: Vec<String>,
    /// Events accepted since then: an RFC 3339 time, or a duration back from now; 24 hours where it
    /// is left out.
    since: Option<String>,
    until: Option<String>,
    /// Deliveries a second, 1 to 10,000; 1,000 where it is left out.
    rate: Option<u32>,
    /// Only count.
    dry_run: bool,
}

/// Try many deliveries again, by the filters of the list; those that are dead where no state is
/// named. With `dry_run` it only counts, else it answers with a job.
#[utoipa::path(post, path = "/v1/deliveries/retry", tag = "deliveries", request_body = RetryForm,
    responses((status = 202, body = AgainView), (status = 200, body = CountView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn retry_many(
    Subscriber(caller): Subscriber,
    State(api): State<Api>,
    JsonBody(body): JsonBody,
) -> Result<Answer, Problem> {
    let form: RetryForm = read_form(body)?;
    let mut tenant = scope(&api, &caller, form.tenant.as_ref())?;
    if let Some(id) = form.subscription {
        let record = subscription(&api, &caller, id).await?;
        tenant = Some(record.tenant.0);
    }
    let mut fields = Fields::default();
    let now = api.store().clock().now();
    // One event is found wherever it lies.
    let since = form
        .since
        .clone()
        .or_else(|| form.event.map(|event| event.received_at().to_rfc3339()));
    let range = range(&mut fields, now, (&since, &form.until), &form.types);
    let state = form.state.as_deref().unwrap_or("dead").to_owned();
    let states = states_of(&mut fields, "#/state", &[state], false);
    let rate = rate(&mut fields, form.rate);
    fields.end()?;
    let tenants = match tenant {
        Some(tenant) => vec![tenant.get()],
        None => api.store().tenant_ids().await?,
    };
    let spec = RetrySpec {
        tenants,
        subscription: form.subscription,
        event: form.event,
        range,
        states,
        rate,
    };
    if form.dry_run {
        let query = |tenant: &i32| AgainQuery {
            tenant: TenantId::new(*tenant),
            subscription: spec.subscription,
            event: spec.event,
            range: spec.range.clone(),
            states: Some(spec.states.clone()),
            missing_of: None,
        };
        let queries: Vec<AgainQuery> = spec.tenants.iter().map(query).collect();
        return counted(&api, &queries, (&spec.states, false)).await;
    }
    started(&api, tenant, JobSpec::Retry(spec)).await
}

/// Counts as the job would, page by page, until the time is up.
async fn counted(
    api: &Api,
    queries: &[AgainQuery],
    (states, is_aside): (&[String], bool),
) -> Result<Answer, Problem> {
    let begun = Instant::now();
    let mut view = CountView {
        dry_run: true,
        complete: true,
        ..CountView::default()
    };
    'all: for query in queries {
        let mut after = EventId::new(0);
        loop {
            if begun.elapsed() > COUNT_WITHIN {
                view.complete = false;
                break 'all;
            }
            let page = api.store().again_page(query, after).await?;
            for found in page.found {
                let is_left_alone = found.state == "pending" && !is_aside;
                if states.contains(&found.state) && !is_left_alone {
                    *view.counts.entry(found.state).or_default() += 1;
                    view.total += 1;
                }
            }
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
    }
    Ok((StatusCode::OK, Json(AgainView::Counted(view))))
}

/// What is done at once, and what later.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AgainView {
    Counted(CountView),
    Started(Box<JobView>),
}

pub(super) type Answer = (StatusCode, Json<AgainView>);

pub(super) async fn subscription(
    api: &Api,
    caller: &Caller,
    id: SubscriptionId,
) -> Result<Record, Problem> {
    let record = api.store().subscription(id, bound(caller)).await?;
    record.ok_or_else(|| Problem::not_found("subscription"))
}

pub(super) fn must_serve(record: &Record) -> Result<(), Problem> {
    let state = record.state.0;
    if matches!(state, SubscriptionState::Active) {
        return Ok(());
    }
    let detail = format!("the subscription is {state}; resume it first");
    Err(Problem::new(Kind::Conflict, detail))
}

pub(super) async fn started(
    api: &Api,
    tenant: Option<TenantId>,
    spec: JobSpec,
) -> Result<Answer, Problem> {
    let job = api.store().create_job(tenant, &spec).await?;
    let view = AgainView::Started(Box::new(JobView::new(api, job)));
    Ok((StatusCode::ACCEPTED, Json(view)))
}
