//! `/v1/sources`: where providers' webhooks come in.
//!
//! A secret goes in and is never shown again; one that is made here is shown once. An answer to a
//! change means that every live node applies it.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Reader, Subscriber, bound, scope};
use super::fields::read_form;
use super::input::{Asked, Id, JsonBody};
use super::page::{Page, limit, parameter};
use super::problem::{Kind, Problem, ProblemBody};
use super::source_form::{SourceForm, ValidSource};
use super::source_records::SourceSeen;
use super::source_view::{ChangedSourceView, SourceView};
use super::subscriptions::{missing_plugin, overlap_of, owner};
use crate::domain::ids::{ConfigVersion, SourceId, TenantId};
use crate::domain::key::Caller;
use crate::domain::source::{KeyEncoding, SourceSecret, Verifier};
use crate::ingest::inbound::verify::check_secret;
use crate::store::sources::{NameTaken, SourceEdit, SourceSelection};

const NAME: &str = "source";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(one, replace, delete))
        .routes(routes!(rotate))
}

/// Make a source: an address that nobody can guess, for one provider.
///
/// A secret that is left out is made and shown now, where the kind lets us choose it. Providers that
/// hand out their own (stripe, slack, shopify) need the address first: give it by `secret/rotate`.
#[utoipa::path(post, path = "/v1/sources", tag = "sources", request_body = SourceForm,
    responses((status = 201, body = ChangedSourceView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn create(
    Subscriber(caller): Subscriber,
    State(api): State<Api>,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<ChangedSourceView>), Problem> {
    let ValidSource {
        tenant,
        wish,
        mut given,
    } = SourceForm::read(body)?;
    let tenant = owner(&api, &caller, tenant).await?;
    check_plugin(&api, tenant, &wish.rules.verify)?;
    let verify = &wish.rules.verify;
    let made = given.secret.is_none() && !wish.rules.challenges.x_hook_secret;
    let made = if made { new_secret(&api, verify) } else { None };
    given.secret = given.secret.or_else(|| made.clone());
    let created = api.store().create_source(tenant, &wish, &given).await?;
    let (id, version) = created.map_err(|NameTaken| name_taken(&wish.name))?;
    let shown = made.map(|secret| secret.text().to_owned());
    let view = changed(&api, (id, version), shown).await?;
    Ok((StatusCode::CREATED, view))
}

fn check_plugin(api: &Api, tenant: TenantId, verify: &Verifier) -> Result<(), Problem> {
    let Verifier::Plugin(used) = verify else {
        return Ok(());
    };
    match missing_plugin(api, tenant, used) {
        Some((member, detail)) => Err(Problem::field(format!("#/verify/{member}"), detail)),
        None => Ok(()),
    }
}

/// A secret for a provider that takes ours.
fn new_secret(api: &Api, verify: &Verifier) -> Option<SourceSecret> {
    if !verify.takes_our_secret() {
        return None;
    }
    let bytes = api.store().random_bytes();
    let text = match verify {
        Verifier::StandardWebhooks(_) => format!("whsec_{}", STANDARD.encode(bytes)),
        Verifier::Hmac(rules) if rules.secret_encoding == KeyEncoding::Base64 => {
            STANDARD.encode(bytes)
        }
        _ => HEXLOWER.encode(&bytes),
    };
    Some(SourceSecret::parse(&text).expect("32 bytes make a secret in any encoding"))
}

fn name_taken(name: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        format!(
            "the tenant has a source called {name} already; change that, or choose another name"
        ),
    )
}

/// Which sources.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SourceQuery {
    tenant: Option<String>,
    limit: Option<u16>,
    after: Option<String>,
}

/// Sources, oldest first.
#[utoipa::path(get, path = "/v1/sources", tag = "sources", params(SourceQuery),
    responses((status = 200, body = Page<SourceView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn list(
    Reader(caller): Reader,
    State(api): State<Api>,
    Asked(query): Asked<SourceQuery>,
) -> Result<Json<Page<SourceView>>, Problem> {
    let limit = limit(query.limit);
    let tenant = parameter("tenant", query.tenant.as_deref())?;
    let wanted = SourceSelection {
        tenant: scope(&api, &caller, tenant.as_ref())?,
        after: parameter("after", query.after.as_deref())?,
        limit: limit + 1,
    };
    let rows = api.store().list_sources(wanted).await?;
    let view = |row| SourceView::new(&api, row);
    Ok(Json(Page::new(rows, limit, |row| row.id, view)))
}

/// A source, and what this node has seen at its address since it started.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceDetail {
    #[serde(flatten)]
    source: SourceView,
    seen: SourceSeen,
}

/// One source, with the last refusals and their reasons.
#[utoipa::path(get, path = "/v1/sources/{id}", tag = "sources", params(("id" = String, Path)),
    responses((status = 200, body = SourceDetail),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn one(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(id): Id<SourceId>,
) -> Result<Json<SourceDetail>, Problem> {
    let record = api.store().source(id, bound(&caller)).await?;
    let record = record.ok_or_else(|| Problem::not_found(NAME))?;
    Ok(Json(SourceDetail {
        seen: api.source_records().seen(id),
        source: SourceView::new(&api, record),
    }))
}

async fn edit(api: &Api, caller: &Caller, id: SourceId) -> Result<SourceEdit, Problem> {
    let edit = api.store().edit_source(id, bound(caller)).await?;
    edit.ok_or_else(|| Problem::not_found(NAME))
}

/// Change a source. Its address stays; so do secrets that are left out, unless the kind changes.
#[utoipa::path(put, path = "/v1/sources/{id}", tag = "sources", params(("id" = String, Path)),
    request_body = SourceForm, responses((status = 200, body = ChangedSourceView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn replace(
    Subscriber(caller): Subscriber,
    State(api): State<Api>,
    Id(id): Id<SourceId>,
    JsonBody(body): JsonBody,
) -> Result<Json<ChangedSourceView>, Problem> {
    let ValidSource {
        tenant,
        wish,
        given,
    } = SourceForm::read(body)?;
    let edit = edit(&api, &caller, id).await?;
    let (owner, owner_name) = edit.record.tenant.clone();
    if tenant.is_some_and(|named| named != owner_name) {
        return Err(Problem::field(
            "#/tenant",
            format!("a source stays with its tenant, {owner_name}"),
        ));
    }
    check_plugin(&api, owner, &wish.rules.verify)?;
    let is_same_kind = edit.record.wish.rules.verify.kind() == wish.rules.verify.kind();
    if !is_same_kind && given.secret.is_none() && edit.record.has_secret {
        let detail = "is missing: the secret of another kind cannot stay";
        return Err(Problem::field("#/verify/secret", detail));
    }
    if given.secret.is_none() {
        check_kept_secrets(&api, id, &wish.rules.verify)?;
    }
    let saved = api.store().save_source(edit, &wish, &given).await?;
    let version = saved.map_err(|NameTaken| name_taken(&wish.name))?;
    changed(&api, (id, version), None).await
}

/// Secrets that stay must mean something to the new rules too, or every request would be refused.
fn check_kept_secrets(api: &Api, id: SourceId, verify: &Verifier) -> Result<(), Problem> {
    let Some(keys) = api.store().catalog().source_keys(id) else {
        return Ok(());
    };
    let now = api.store().clock().now();
    for secret in keys.valid_at(now) {
        if let Err(refusal) = check_secret(verify, secret) {
            let detail = format!(
                "is missing: a secret that the source has does not fit these rules ({refusal}); \
                 give the provider's secret with them"
            );
            return Err(Problem::field("#/verify/secret", detail));
        }
    }
    Ok(())
}

async fn changed(
    api: &Api,
    (id, version): (SourceId, ConfigVersion),
    secret: Option<String>,
) -> Result<Json<ChangedSourceView>, Problem> {
    let applied = api.applied(version).await;
    let record = api.store().source(id, None).await?;
    let record = record.ok_or_else(|| Problem::not_found(NAME))?;
    Ok(Json(ChangedSourceView {
        source: SourceView::new(api, record),
        secret,
        applied,
    }))
}

/// Remove a source. Its address stops working at once; its events stay. Again is fine.
#[utoipa::path(delete, path = "/v1/sources/{id}", tag = "sources", params(("id" = String, Path)),
    responses((status = 204),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn delete(
    Subscriber(caller): Subscriber,
    State(api): State<Api>,
    Id(id): Id<SourceId>,
) -> Result<StatusCode, Problem> {
    if let Some(edit) = api.store().edit_source(id, bound(&caller)).await? {
        let version = api.store().delete_source(edit).await?;
        api.applied(version).await;
        api.source_records().forget(id);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Another secret, and how long the one before is taken too.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateSourceForm {
    /// The provider's; one is made where it is left out and the kind lets us choose it.
    secret: Option<String>,
    /// 0s to 7d; 24h where it is left out.
    #[schema(example = "24h")]
    overlap: Option<String>,
}

/// Give a source another secret; both verify during the overlap.
#[utoipa::path(post, path = "/v1/sources/{id}/secret/rotate", tag = "sources",
    params(("id" = String, Path)), request_body = RotateSourceForm,
    responses((status = 200, body = ChangedSourceView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn rotate(
    Subscriber(caller): Subscriber,
    State(api): State<Api>,
    Id(id): Id<SourceId>,
    JsonBody(body): JsonBody,
) -> Result<Json<ChangedSourceView>, Problem> {
    let form: RotateSourceForm = read_form(body)?;
    let overlap = overlap_of(form.overlap.as_deref())?;
    let edit = edit(&api, &caller, id).await?;
    let verify = &edit.record.wish.rules.verify;
    let (secret, is_ours) = match form.secret {
        Some(text) => (given_secret(verify, &text)?, false),
        None => {
            let detail = "is missing: the provider hands out its own; take it from there";
            let made = new_secret(&api, verify);
            let made = made.ok_or_else(|| Problem::field("#/secret", detail))?;
            (made, true)
        }
    };
    let until = api.store().clock().now().plus(overlap);
    let old_until = (!overlap.is_zero()).then_some(until);
    let rotated = api.store().rotate_source_secret(edit, &secret, old_until);
    let version = rotated.await?;
    let shown = is_ours.then(|| secret.text().to_owned());
    changed(&api, (id, version), shown).await
}

fn given_secret(verify: &Verifier, text: &str) -> Result<SourceSecret, Problem> {
    let secret = SourceSecret::parse(text);
    let secret = secret.map_err(|error| Problem::field("#/secret", error.to_string()))?;
    check_secret(verify, &secret)
        .map_err(|refusal| Problem::field("#/secret", refusal.to_string()))?;
    Ok(secret)
}
