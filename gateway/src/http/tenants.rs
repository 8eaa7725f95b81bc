//! `/v1/tenants`: whose events and subscriptions there are.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::caller::{Reader, bound, scope};
use super::input::Asked;
use super::page::{Page, Paging};
use super::problem::{Problem, ProblemBody};
use crate::domain::ids::TenantId;
use crate::domain::tenant::TenantName;
use crate::store::tenants::Tenant;

#[derive(Debug, Serialize, ToSchema)]
pub struct TenantView {
    #[schema(value_type = String)]
    name: TenantName,
    created_at: String,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self {
            name: tenant.name,
            created_at: tenant.created_at.to_rfc3339(),
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
