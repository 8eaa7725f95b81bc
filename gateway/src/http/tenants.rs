//! `/v1/tenants`: whose events and subscriptions there are, and how much they may send.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::{Admin, Reader, bound, must_be_unbound, scope};
use super::input::{Asked, Id, JsonBody};
use super::page::{Page, Paging};
use super::problem::{Problem, ProblemBody};
use super::{Api, AppliedView};
use crate::domain::duration::{format_duration, parse_duration};
use crate::domain::ids::TenantId;
use crate::domain::quota::Quota;
use crate::domain::tenant::TenantName;
use crate::store::tenants::Tenant;

const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Serialize, ToSchema)]
pub struct TenantView {
    #[schema(value_type = String)]
    name: TenantName,
    created_at: String,
    quota: Quota,
    /// How long its events are kept; null: as long as the gateway's setting says.
    retention: Option<String>,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self {
            name: tenant.name,
            created_at: tenant.created_at.to_rfc3339(),
            quota: tenant.quota,
            retention: tenant.retention.map(format_duration),
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
    /// How long its events are kept, from `1d` to `3650d`, by whole seconds; null: as long as the
    /// gateway's setting says. What is older is erased within an hour; its deliveries that wait are
    /// cancelled.
    #[schema(example = "30d")]
    retention: Option<String>,
}

impl TenantForm {
    fn retention(&self) -> Result<Option<Duration>, Problem> {
        let refuse = |detail: String| Problem::field("#/retention", detail);
        let Some(text) = &self.retention else {
            return Ok(None);
        };
        let retention = parse_duration(text).map_err(|error| refuse(error.to_string()))?;
        if (DAY..=DAY * 3650).contains(&retention) {
            Ok(Some(retention))
        } else {
            Err(refuse("must be from 1d to 3650d".to_owned()))
        }
    }
}

/// A tenant after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedTenantView {
    #[serde(flatten)]
    tenant: TenantView,
    #[serde(flatten)]
    applied: AppliedView,
}

/// Limit what a tenant may send and how long its events are kept; makes the tenant where there is none. Each node grants its share:
/// a quota of 100 events per second on two nodes is 50 on each. For keys that are bound to no tenant.
#[utoipa::path(put, path = "/v1/tenants/{name}", tag = "tenants", params(("name" = String, Path)),
    request_body = TenantForm, responses((status = 200, body = ChangedTenantView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn put(
    Admin(caller): Admin,
    State(api): State<Api>,
    Id(name): Id<TenantName>,
    JsonBody(body): JsonBody,
) -> Result<Json<ChangedTenantView>, Problem> {
    if caller.bound_to.is_some() {
        scope(&api, &caller, Some(&name))?;
        must_be_unbound(&caller)?;
    }
    let form: TenantForm =
        serde_json::from_value(body).map_err(|error| Problem::field("#", error.to_string()))?;
    let terms = (form.quota, form.retention()?);
    let (tenant, version) = api.store().set_terms(&name, terms).await?;
    Ok(Json(ChangedTenantView {
        tenant: tenant.into(),
        applied: api.applied(version).await,
    }))
}
