//! `/v1/keys`: who may call.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::{Admin, bound};
use super::input::{Asked, Id, JsonBody};
use super::page::{Page, Paging};
use super::problem::{Problem, ProblemBody};
use super::subscriptions::scope_of_form;
use super::{Api, AppliedView};
use crate::domain::ids::KeyId;
use crate::domain::key::Role;
use crate::domain::tenant::TenantName;
use crate::store::keys::{Key, KeyWish};

/// A key as it is listed.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    #[schema(value_type = String)]
    id: KeyId,
    role: Role,
    /// The tenant it is bound to.
    tenant: Option<String>,
    description: String,
    created_at: String,
}

impl From<Key> for KeyView {
    fn from(key: Key) -> Self {
        Self {
            id: key.id,
            role: key.role,
            tenant: key.tenant,
            description: key.description,
            created_at: key.created_at.to_rfc3339(),
        }
    }
}

/// What a new key is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyForm {
    role: Role,
    /// Binds the key to one tenant.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    tenant: Option<TenantName>,
    #[serde(default)]
    description: String,
}

/// A new key, with its secret this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewKeyView {
    #[schema(value_type = String)]
    id: KeyId,
    /// What to call with. Shown only now.
    key: String,
    role: Role,
    #[schema(value_type = Option<String>)]
    tenant: Option<TenantName>,
    #[serde(flatten)]
    applied: AppliedView,
}

/// Make a key. Its text is shown only now. One that is bound to a tenant makes keys of that tenant.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", request_body = KeyForm,
    responses((status = 201, body = NewKeyView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn create(
    Admin(caller): Admin,
    State(api): State<Api>,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<NewKeyView>), Problem> {
    let form: KeyForm = serde_json::from_value(body).map_err(|error| one_field("#", &error))?;
    if form.description.len() > 500 || form.description.chars().any(char::is_control) {
        let rule = "must have at most 500 bytes and no control characters";
        return Err(one_field("#/description", &rule));
    }
    // A key that is bound to a tenant makes none that may more than itself.
    let bound_to = scope_of_form(&caller, form.tenant.as_ref())?;
    let tenant = match (bound_to, &form.tenant) {
        (Some(own), _) => Some(own),
        (None, Some(name)) => Some(api.store().ensure_tenant(name).await?),
        (None, None) => None,
    };
    let wish = KeyWish {
        role: form.role,
        tenant,
        description: form.description,
    };
    let made = api.store().create_key(&wish).await?;
    let view = NewKeyView {
        id: made.id,
        key: made.secret,
        role: form.role,
        tenant: caller.bound_to.map(|(_, own)| own).or(form.tenant),
        applied: api.applied(made.version).await,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

fn one_field(pointer: &str, rule: &dyn std::fmt::Display) -> Problem {
    Problem::field(pointer, rule.to_string())
}

/// Keys that are not revoked.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", params(Paging),
    responses((status = 200, body = Page<KeyView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn list(
    Admin(caller): Admin,
    State(api): State<Api>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<KeyView>>, Problem> {
    let limit = paging.limit();
    let of = bound(&caller);
    let rows = api.store().list_keys(of, paging.after()?, limit + 1);
    let rows = rows.await?;
    Ok(Json(Page::new(rows, limit, |key| key.id, KeyView::from)))
}

/// Revoke a key, on every node.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 200, body = AppliedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn revoke(
    Admin(caller): Admin,
    State(api): State<Api>,
    Id(id): Id<KeyId>,
) -> Result<Json<AppliedView>, Problem> {
    let version = api.store().revoke_key(id, bound(&caller)).await?;
    let version = version.ok_or_else(|| Problem::not_found("key"))?;
    Ok(Json(api.applied(version).await))
}
