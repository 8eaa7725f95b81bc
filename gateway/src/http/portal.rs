//! `POST /v1/tenants/{name}/portal`: a link by which a tenant gets into its part of the dashboard.
//!
//! The link works once and for minutes, the session it opens for hours. Both end with the key that
//! made the link, and neither may more than that tenant's subscriber.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Admin;
use super::fields::{Fields, read_form};
use super::input::{Id, JsonBody};
use super::problem::{Kind, Problem, ProblemBody};
use crate::domain::duration::parse_duration;
use crate::domain::key::Role;
use crate::domain::tenant::TenantName;
use crate::store::sessions::PortalWish;

const LINK_LASTS: Duration = Duration::from_secs(10 * 60);
const MAX_LINK: Duration = Duration::from_secs(3600);
const SESSION_LASTS: Duration = Duration::from_secs(8 * 3600);
const MAX_SESSION: Duration = Duration::from_secs(7 * 24 * 3600);
const MIN: Duration = Duration::from_secs(60);

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(make_link))
}

/// What the link is to open.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PortalForm {
    /// `subscriber`, which may change subscriptions, plugins and deliveries, or `viewer`, which reads.
    role: Option<String>,
    /// How long the link works, 1m to 1h; 10m where it is left out.
    #[schema(example = "10m")]
    link_lasts: Option<String>,
    /// How long the session lasts that it opens, 1m to 7d; 8h where it is left out.
    #[schema(example = "8h")]
    session_lasts: Option<String>,
}

/// A link that opens the dashboard of one tenant, once.
#[derive(Debug, Serialize, ToSchema)]
pub struct PortalView {
    /// To be followed by the tenant's browser. Shown only now.
    url: String,
    #[schema(value_type = String)]
    tenant: TenantName,
    role: Role,
    /// Until when the link works.
    expires_at: String,
}

/// Make a link that lets a tenant into its part of the dashboard. It works once.
#[utoipa::path(post, path = "/v1/tenants/{name}/portal", tag = "tenants",
    params(("name" = String, Path)), request_body = PortalForm,
    responses((status = 201, body = PortalView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn make_link(
    Admin(caller): Admin,
    State(api): State<Api>,
    Id(name): Id<TenantName>,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<PortalView>), Problem> {
    let tenant = super::caller::scope(&api, &caller, Some(&name))?;
    let tenant = tenant.ok_or_else(|| Problem::not_found("tenant"))?;
    let form: PortalForm = read_form(body)?;
    let mut fields = Fields::default();
    let link_lasts = span(
        &mut fields,
        ("#/link_lasts", &form.link_lasts),
        (LINK_LASTS, MAX_LINK),
    );
    let session_lasts = span(
        &mut fields,
        ("#/session_lasts", &form.session_lasts),
        (SESSION_LASTS, MAX_SESSION),
    );
    let role = match form.role.as_deref() {
        None | Some("subscriber") => Role::Subscriber,
        Some("viewer") => Role::Viewer,
        Some(_) => {
            fields.push("#/role", "must be subscriber or viewer");
            Role::Viewer
        }
    };
    fields.end()?;
    let key = api.store().key_hash(&caller, api.admin_key()).await?;
    let key = key.ok_or_else(|| Problem::new(Kind::UnknownKey, "this key was revoked"))?;
    let wish = PortalWish {
        tenant,
        role,
        link_lasts,
        session_lasts,
    };
    let link = api.store().make_portal_link(&key, wish).await?;
    let view = PortalView {
        url: format!("{}/ui/enter?link={}", api.public_url(), link.secret),
        tenant: name,
        role,
        expires_at: link.expires_at.to_rfc3339(),
    };
    Ok((StatusCode::CREATED, Json(view)))
}

fn span(
    fields: &mut Fields,
    (pointer, text): (&str, &Option<String>),
    (default, max): (Duration, Duration),
) -> Duration {
    let Some(text) = text else { return default };
    match parse_duration(text) {
        Ok(span) if (MIN..=max).contains(&span) => span,
        _ => {
            let max = crate::domain::duration::format_duration(max);
            fields.push(pointer, format!("must be a duration from 1m to {max}"));
            default
        }
    }
}
