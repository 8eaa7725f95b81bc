//! `/v1/tenants`: whose events and subscriptions there are, and how much they may send.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::{Admin, Reader, bound, scope};
use super::input::{Asked, Id, JsonBody};
use super::page::{Page, Paging};
use super::problem::{FieldError, Problem, ProblemBody};
use super::{Api, AppliedView};
use crate::domain::ids::TenantId;
use crate::domain::quota::Quota;
use crate::domain::tenant::TenantName;
use crate::store::tenants::Tenant;

#[derive(Debug, Serialize, ToSchema)]
pub struct TenantView {
    #[schema(value_type = String)]
    name: TenantName,
    created_at: String,
    quota: Quota,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self {
            name: tenant.name,
            created_at: tenant.created_at.to_rfc3339(),
            quota: tenant.quota,
        }
    }
}

/// Tenants, oldest first; `after` is a name.
#[utoipa::path(get, path = "/v1/tenants", tag = "tenants", params(Paging),
    responses((status = 200, body = Page<TenantView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn list(
    Reader(caller): Reader,
    State(api): State<Api>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<TenantView>>, Problem> {
    let limit = paging.limit();
    let after: Option<TenantName> = paging.after()?;
    let after: Option<TenantId> = match &after {
        Some(name) => scope(&api, &caller, Some(name))?,
        None => None,
    };
    let rows = api
        .store()
        .list_tenants(bound(&caller), after, limit + 1)
        .await?;
    let cursor = |tenant: &Tenant| tenant.name.clone();
    Ok(Json(Page::new(rows, limit, cursor, TenantView::from)))
}

/// What holds for a tenant.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantForm {
    /// No limits where it is left out.
    quota: Quota,
}

/// A tenant after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedTenantView {
    #[serde(flatten)]
    tenant: TenantView,
    #[serde(flatten)]
    applied: AppliedView,
}

/// Limit what a tenant may send; makes the tenant where there is none. Each node grants its share:
/// a quota of 100 events per second on two nodes is 50 on each.
#[utoipa::path(put, path = "/v1/tenants/{name}", tag = "tenants", params(("name" = String, Path)),
    request_body = TenantForm, responses((status = 200, body = ChangedTenantView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn put(
    _: Admin,
    State(api): State<Api>,
    Id(name): Id<TenantName>,
    JsonBody(body): JsonBody,
) -> Result<Json<ChangedTenantView>, Problem> {
    let form: TenantForm = serde_json::from_value(body).map_err(|error| {
        Problem::fields(vec![FieldError {
            pointer: "#".to_owned(),
            detail: error.to_string(),
        }])
    })?;
    let (tenant, version) = api.store().set_quota(&name, form.quota).await?;
    Ok(Json(ChangedTenantView {
        tenant: tenant.into(),
        applied: api.applied(version).await,
    }))
}
