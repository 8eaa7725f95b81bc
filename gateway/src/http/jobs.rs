//! `/v1/jobs`: how far long work is, what came of it, and an end to it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Reader, Subscriber, bound, scope};
use super::input::{Asked, Id};
use super::page::{Page, limit, parameter};
use super::problem::{Kind, Problem, ProblemBody};
use crate::domain::ids::{JobId, NodeId};
use crate::domain::job::JobState;
use crate::domain::tenant::TenantName;
use crate::store::jobs::{CancelledJob, JobRecord, JobSelection, NewJobError};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one, cancel))
}

/// A job and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobView {
    #[schema(value_type = String)]
    id: JobId,
    /// `backtest`, `replay`, `retry`, `release` or `erasure`.
    kind: &'static str,
    /// None where it is about more than one tenant.
    #[schema(value_type = Option<String>)]
    tenant: Option<TenantName>,
    state: JobState,
    progress: ProgressView,
    /// What it was asked to do.
    #[schema(value_type = Object)]
    about: Value,
    /// What came of it; in lists it is left out.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// Why it failed.
    reason: Option<String>,
    /// The node that runs it.
    #[schema(value_type = Option<i32>)]
    node: Option<NodeId>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ProgressView {
    done: u64,
    /// None until it has been counted.
    total: Option<u64>,
}

impl JobView {
    pub(super) fn new(api: &Api, job: JobRecord) -> Self {
        let tenant = job.tenant;
        let is_running = job.state == JobState::Running;
        Self {
            id: job.id,
            kind: job.spec.kind(),
            tenant: tenant.and_then(|tenant| api.store().catalog().tenant_name(tenant)),
            state: job.state,
            progress: ProgressView {
                done: job.done,
                total: job.total,
            },
            about: job.spec.about(),
            result: job.result,
            reason: job.reason,
            node: job.node.filter(|_| is_running),
            created_at: job.created_at.to_rfc3339(),
            started_at: job.started_at.map(|at| at.to_rfc3339()),
            finished_at: job.finished_at.map(|at| at.to_rfc3339()),
        }
    }
}

impl From<NewJobError> for Problem {
    fn from(error: NewJobError) -> Self {
        match error {
            NewJobError::TooMany => Self::new(Kind::Conflict, error.to_string()),
            NewJobError::Store(error) => error.into(),
        }
    }
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobQuery {
    tenant: Option<String>,
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    state: Option<String>,
    limit: Option<u16>,
    after: Option<String>,
}

/// Jobs, newest first. What has ended is kept for 7 days.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(JobQuery),
    responses((status = 200, body = Page<JobView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn list(
    Reader(caller): Reader,
    State(api): State<Api>,
    Asked(query): Asked<JobQuery>,
) -> Result<Json<Page<JobView>>, Problem> {
    let limit = limit(query.limit);
    let tenant = parameter("tenant", query.tenant.as_deref())?;
    let wanted = JobSelection {
        tenant: scope(&api, &caller, tenant.as_ref())?,
        state: parameter("state", query.state.as_deref())?,
        after: parameter("after", query.after.as_deref())?,
        limit: limit + 1,
    };
    let rows = api.store().list_jobs(wanted).await?;
    let view = |row| JobView::new(&api, row);
    Ok(Json(Page::new(rows, limit, |row| row.id, view)))
}

/// One job with its progress and its result.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = JobView),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn one(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(id): Id<JobId>,
) -> Result<Json<JobView>, Problem> {
    let job = api.store().job(id, bound(&caller)).await?;
    let job = job.ok_or_else(|| Problem::not_found("job"))?;
    Ok(Json(JobView::new(&api, job)))
}

/// End a job that waits or runs. What it has done until then stays done.
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = JobView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn cancel(
    Subscriber(caller): Subscriber,
    State(api): State<Api>,
    Id(id): Id<JobId>,
) -> Result<Json<JobView>, Problem> {
    match api.store().cancel_job(id, bound(&caller)).await? {
        CancelledJob::Now(job) => Ok(Json(JobView::new(&api, *job))),
        CancelledJob::Unknown => Err(Problem::not_found("job")),
        CancelledJob::Ended(state) => {
            let detail = format!("the job has ended already: it is {state}");
            Err(Problem::new(Kind::Conflict, detail))
        }
    }
}
