//! `/v1/audit`: who did what to configuration, keys, secrets, plugins and jobs.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Admin, scope};
use super::input::Asked;
use super::page::{Page, instant, limit, parameter};
use super::problem::{Problem, ProblemBody};
use crate::domain::audit::AuditResult;
use crate::domain::ids::{AuditId, KeyId};
use crate::store::audit::{AuditSelection, Entry};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// One entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    #[schema(value_type = String)]
    id: AuditId,
    at: String,
    /// `key`: a key that was made, or a session that stands for it; `first_key`: the admin key of the
    /// configuration; `keyless`: somebody without a key that is known; `gateway`: the gateway by itself.
    actor: String,
    /// The key, where the actor is one.
    #[schema(value_type = Option<String>)]
    key: Option<KeyId>,
    /// What the actor was allowed: a portal's session may less than its key.
    role: Option<String>,
    /// The other end of the connection: that of a proxy, where there is one in front.
    address: Option<String>,
    /// Whose thing it is; null: no tenant's, or all tenants'.
    tenant: Option<String>,
    #[schema(example = "subscription.create")]
    operation: String,
    /// The thing's id or name; empty where there is none yet.
    object: String,
    result: AuditResult,
    /// What changed, by name alone; of a refusal, the kind of problem.
    detail: String,
}

impl From<Entry> for AuditView {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            at: entry.at.to_rfc3339(),
            actor: entry.actor,
            key: entry.key,
            role: entry.role,
            address: entry.address,
            tenant: entry.tenant,
            operation: entry.operation,
            object: entry.object,
            result: entry.result,
            detail: entry.detail,
        }
    }
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    tenant: Option<String>,
    /// What this key did, by its id.
    key: Option<String>,
    /// `key.create`, or `key` for all that is done to keys.
    operation: Option<String>,
    /// What was done to this thing, by its id or name.
    object: Option<String>,
    /// `done` or `refused`.
    result: Option<String>,
    /// From this moment on.
    since: Option<String>,
    /// Before this moment.
    until: Option<String>,
    limit: Option<u16>,
    after: Option<String>,
}

/// What was done and what was refused, newest first. A key that is bound to a tenant sees what was done
/// to that tenant's things.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = Page<AuditView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn list(
    Admin(caller): Admin,
    State(api): State<Api>,
    Asked(query): Asked<AuditQuery>,
) -> Result<Json<Page<AuditView>>, Problem> {
    let limit = limit(query.limit);
    let tenant = parameter("tenant", query.tenant.as_deref())?;
    let wanted = AuditSelection {
        tenant: scope(&api, &caller, tenant.as_ref())?,
        key: parameter("key", query.key.as_deref())?,
        operation: query.operation,
        object: query.object,
        result: parameter("result", query.result.as_deref())?,
        since: instant("since", query.since.as_deref())?,
        until: instant("until", query.until.as_deref())?,
        after: parameter("after", query.after.as_deref())?,
        limit: limit + 1,
    };
    let rows = api.store().list_audit(&wanted).await?;
    Ok(Json(Page::new(rows, limit, |row| row.id, AuditView::from)))
}
