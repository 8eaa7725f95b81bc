//! Erasure: the data of one event at once, that of a tenant as a job.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Admin, bound, scope};
use super::fields::{Fields, instant, read_form};
use super::input::{Id, JsonBody};
use super::jobs::JobView;
use super::problem::{Problem, ProblemBody};
use crate::domain::audit::{Deed, Operation};
use crate::domain::clock::Timestamp;
use crate::domain::ids::EventId;
use crate::domain::job::{ErasureSpec, JobSpec};
use crate::domain::tenant::TenantName;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(erase_event))
        .routes(routes!(erase_tenant))
}

/// Erase an event's data, attributes, and what was answered to it; that it existed, and what became
/// of it, stays. What waits is cancelled. Again is fine.
#[utoipa::path(delete, path = "/v1/events/{id}", tag = "events", params(("id" = String, Path)),
    responses((status = 204),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn erase_event(
    Admin(caller): Admin,
    State(api): State<Api>,
    Id(id): Id<EventId>,
) -> Result<StatusCode, Problem> {
    let event = api.store().event(id, bound(&caller)).await?;
    let event = event.ok_or_else(|| Problem::not_found("event"))?;
    api.log().erase(id).await?;
    api.store().erase_samples(event.tenant, Some(id)).await?;
    let deed = Deed::new(Operation::EventErase, event.tenant, id);
    api.store().note(deed).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EraseForm {
    /// The tenant's name once more, so that nothing is erased by a slip.
    confirm: String,
    /// Events accepted before this; all until now where it is left out.
    until: Option<String>,
}

/// Erase the data of all events of a tenant, as `DELETE /v1/events/{id}` does for one. Its
/// subscriptions and plugins stay; delete them by themselves.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/erase", tag = "tenants",
    params(("tenant" = String, Path)), request_body = EraseForm,
    responses((status = 202, body = JobView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn erase_tenant(
    Admin(caller): Admin,
    State(api): State<Api>,
    Id(name): Id<TenantName>,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let tenant = scope(&api, &caller, Some(&name))?;
    let tenant = tenant.ok_or_else(|| Problem::not_found("tenant"))?;
    let form: EraseForm = read_form(body)?;
    let mut fields = Fields::default();
    let now = api.store().clock().now();
    if form.confirm != name.to_string() {
        fields.push(
            "#/confirm",
            format!("must be {name:?}: this cannot be undone"),
        );
    }
    let until = match form.until.as_deref() {
        Some(text) => fields.keep(instant(text, now).map_err(|(_, detail)| ("#/until", detail))),
        None => Some(Timestamp::from_ms(now.as_ms() + 1)),
    };
    fields.end()?;
    let spec = ErasureSpec {
        tenant: tenant.get(),
        tenant_name: name.to_string(),
        until_ms: until.map_or(0, Timestamp::as_ms),
    };
    let job = api
        .store()
        .create_job(Some(tenant), &JobSpec::Erasure(spec))
        .await?;
    Ok((StatusCode::ACCEPTED, Json(JobView::new(&api, job))))
}
