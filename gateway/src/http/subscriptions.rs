//! `/v1/subscriptions`: standing wishes for events, after the REST Hooks pattern.
//!
//! An answer to a change means that every live node applies it, or names those that do not yet.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::access_form::missing_secret;
use super::caller::{Reader, Subscriber, bound, scope};
use super::input::{Asked, Id, JsonBody, JsonText};
use super::page::{Page, limit, parameter};
use super::problem::{FieldError, Kind, Problem, ProblemBody};
use super::subscription_form::{SubscriptionForm, Valid, filters_text};
use super::subscription_view::{ChangedView, ChoiceView, SubscriptionView};
use super::{Api, confirm};
use crate::domain::access::AccessWish;
use crate::domain::clock::Timestamp;
use crate::domain::duration::parse_duration;
use crate::domain::ids::{ConfigVersion, SubscriptionId, TenantId};
use crate::domain::key::Caller;
use crate::domain::plugin::PluginUse;
use crate::domain::subscription::State;
use crate::domain::tenant::TenantName;
use crate::domain::verification::Verification;
use crate::log::work::ParkReason;
use crate::store::subscriptions::{DEFAULT_OVERLAP, Edit, Record, Selection, Wish};

const MAX_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);
const PAUSABLE: &[State] = &[State::Active, State::Paused];
const RESUMABLE: &[State] = &[State::Active, State::Paused, State::Disabled];

/// Subscribe. The secret is shown only now and on rotation.
#[utoipa::path(post, path = "/v1/subscriptions", tag = "subscriptions",
    request_body = SubscriptionForm,
    responses((status = 201, body = ChangedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn create(
    Subscriber(caller): Subscriber,
    Shared(api): Shared<Api>,
    body: JsonText,
) -> Result<(StatusCode, Json<ChangedView>), Problem> {
    let filters = filters_text(&body);
    let Valid { tenant, wish } =
        SubscriptionForm::read(body.value, filters.as_deref(), &api.form_rules())?;
    let tenant = owner(&api, &caller, tenant).await?;
    check_plugins(&api, tenant, &wish)?;
    check_expiry(&api, wish.expires_at)?;
    check_secret(&wish.access, None)?;
    let created = api.store().create_subscription(tenant, &wish).await?;
    let mut view = changed(&api, created.id, created.version).await?;
    view.secret = created.key.reveal();
    if wish.verification != Verification::None {
        confirm::ask(&api, tenant, created.id).await?;
    }
    Ok((StatusCode::CREATED, Json(view)))
}

/// Whose the new thing is: the caller's tenant, or the one that is named, or `default`.
pub(super) async fn owner(
    api: &Api,
    caller: &Caller,
    named: Option<TenantName>,
) -> Result<TenantId, Problem> {
    if let Some(id) = scope_of_form(caller, named.as_ref())? {
        return Ok(id);
    }
    let name = named.unwrap_or_else(TenantName::unnamed);
    Ok(api.store().ensure_tenant(&name).await?)
}

pub(super) fn scope_of_form(
    caller: &Caller,
    named: Option<&TenantName>,
) -> Result<Option<TenantId>, Problem> {
    match (&caller.bound_to, named) {
        (Some((_, bound_to)), Some(named)) if bound_to != named => Err(Problem::new(
            Kind::OtherTenant,
            format!("this key is bound to the tenant {bound_to}"),
        )),
        (bound_to, _) => Ok(bound_to.as_ref().map(|(id, _)| *id)),
    }
}

/// The member of a plugin's use that names nothing, and what to do about it.
pub(super) fn missing_plugin(
    api: &Api,
    tenant: TenantId,
    used: &PluginUse,
) -> Option<(&'static str, String)> {
    match api.store().catalog().plugin(tenant, &used.name) {
        None => Some((
            "name",
            format!("no plugin is called {}; upload it first", used.name),
        )),
        Some(plugin) if plugin.digest(used.version).is_none() => Some((
            "version",
            format!("the plugin {} has no such version", used.name),
        )),
        Some(_) => None,
    }
}

pub(super) fn check_plugins(api: &Api, tenant: TenantId, wish: &Wish) -> Result<(), Problem> {
    let fold = wish.policy.queueing.fold();
    let no_fold = fold.filter(|name| api.store().catalog().plugin(tenant, name).is_none());
    let no_fold = no_fold.map(|name| FieldError {
        pointer: "#/delivery/debounce/keep/fold".to_owned(),
        detail: format!("no plugin is called {name}; upload it first"),
    });
    let errors: Vec<FieldError> = wish
        .plugins
        .iter()
        .enumerate()
        .filter_map(|(index, used)| {
            let (member, detail) = missing_plugin(api, tenant, used)?;
            Some(FieldError {
                pointer: format!("#/plugins/{index}/{member}"),
                detail,
            })
        })
        .chain(no_fold)
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::fields(errors))
    }
}

pub(super) fn check_expiry(api: &Api, expires_at: Option<Timestamp>) -> Result<(), Problem> {
    if expires_at.is_none_or(|at| at > api.store().clock().now()) {
        return Ok(());
    }
    let detail = "is in the past; give a later time, or null for never";
    Err(Problem::field("#/expires_at", detail))
}

fn check_secret(access: &AccessWish, earlier: Option<&AccessWish>) -> Result<(), Problem> {
    let Some(pointer) = missing_secret(access, earlier) else {
        return Ok(());
    };
    let detail = "is missing: a secret is kept only for what it was given for";
    Err(Problem::field(format!("#{pointer}"), detail))
}

async fn changed(
    api: &Api,
    id: SubscriptionId,
    version: ConfigVersion,
) -> Result<ChangedView, Problem> {
    let applied = api.applied(version).await;
    Ok(ChangedView {
        subscription: found(api, id, None).await?.into(),
        applied,
        secret: None,
    })
}

/// Which subscriptions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SubscriptionQuery {
    tenant: Option<String>,
    /// `pending`, `active`, `paused`, `disabled` or `expired`.
    state: Option<String>,
    /// Those that carry this label.
    label: Option<String>,
    limit: Option<u16>,
    after: Option<String>,
}

/// Subscriptions, oldest first.
#[utoipa::path(get, path = "/v1/subscriptions", tag = "subscriptions", params(SubscriptionQuery),
    responses((status = 200, body = Page<SubscriptionView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn list(
    Reader(caller): Reader,
    Shared(api): Shared<Api>,
    Asked(query): Asked<SubscriptionQuery>,
) -> Result<Json<Page<SubscriptionView>>, Problem> {
    let limit = limit(query.limit);
    let tenant = parameter("tenant", query.tenant.as_deref())?;
    let wanted = Selection {
        tenant: scope(&api, &caller, tenant.as_ref())?,
        state: parameter("state", query.state.as_deref())?,
        label: query.label.as_deref(),
        after: parameter("after", query.after.as_deref())?,
        limit: limit + 1,
    };
    let rows = api.store().list_subscriptions(wanted).await?;
    let page = Page::new(rows, limit, |row| row.id, SubscriptionView::from);
    Ok(Json(page))
}

/// One subscription.
#[utoipa::path(get, path = "/v1/subscriptions/{id}", tag = "subscriptions",
    params(("id" = String, Path)), responses((status = 200, body = SubscriptionView),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn one(
    Reader(caller): Reader,
    Shared(api): Shared<Api>,
    Id(id): Id<SubscriptionId>,
) -> Result<Json<SubscriptionView>, Problem> {
    let mut view: SubscriptionView = found(&api, id, bound(&caller)).await?.into();
    view.health = Some(api.health(id).into());
    Ok(Json(view))
}

pub(super) async fn found(
    api: &Api,
    id: SubscriptionId,
    tenant: Option<TenantId>,
) -> Result<Record, Problem> {
    let record = api.store().subscription(id, tenant).await?;
    record.ok_or_else(|| Problem::not_found("subscription"))
}

async fn edit(api: &Api, caller: &Caller, id: SubscriptionId) -> Result<Edit, Problem> {
    let edit = api.store().edit_subscription(id, bound(caller)).await?;
    edit.ok_or_else(|| Problem::not_found("subscription"))
}

/// For a change of state that makes sense only from some; `done` is what it does.
async fn edit_from(
    api: &Api,
    caller: &Caller,
    id: SubscriptionId,
    (done, from): (&str, &[State]),
) -> Result<Edit, Problem> {
    let edit = edit(api, caller, id).await?;
    let state = edit.record.state.0;
    if from.contains(&state) {
        return Ok(edit);
    }
    let cure = match state {
        State::Pending => "its receiver has to confirm first; retry its handshake's delivery",
        State::Expired => "give it a later expires_at, or null",
        _ => "see its state_reason",
    };
    let detail = format!("a subscription that is {state} cannot be {done}: {cure}");
    Err(Problem::new(Kind::Conflict, detail))
}

/// Replace a subscription: what is left out becomes the default.
#[utoipa::path(put, path = "/v1/subscriptions/{id}", tag = "subscriptions",
    params(("id" = String, Path)), request_body = SubscriptionForm,
    responses((status = 200, body = ChangedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn replace(
    Subscriber(caller): Subscriber,
    Shared(api): Shared<Api>,
    Id(id): Id<SubscriptionId>,
    body: JsonText,
) -> Result<Json<ChangedView>, Problem> {
    let edit = edit(&api, &caller, id).await?;
    let filters = filters_text(&body);
    save(&api, edit, (body.value, filters)).await
}

/// Change a part of a subscription (JSON merge patch: null means the default).
#[utoipa::path(patch, path = "/v1/subscriptions/{id}", tag = "subscriptions",
    params(("id" = String, Path)), request_body = SubscriptionForm,
    responses((status = 200, body = ChangedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn patch(
    Subscriber(caller): Subscriber,
    Shared(api): Shared<Api>,
    Id(id): Id<SubscriptionId>,
    body: JsonText,
) -> Result<Json<ChangedView>, Problem> {
    let edit = edit(&api, &caller, id).await?;
    let tenant = edit.record.tenant.1.clone();
    let choice = ChoiceView::new(tenant, edit.record.wish.clone());
    let mut merged = serde_json::to_value(choice).expect("a view is plain data");
    let filters = filters_text(&body).or_else(|| Some(edit.record.wish.filters.as_json().into()));
    merge(&mut merged, body.value);
    save(&api, edit, (merged, filters)).await
}

async fn save(
    api: &Api,
    edit: Edit,
    (body, filters): (Value, Option<Box<str>>),
) -> Result<Json<ChangedView>, Problem> {
    let Valid { tenant, wish } =
        SubscriptionForm::read(body, filters.as_deref(), &api.form_rules())?;
    let (id, owner) = (edit.record.id, edit.record.tenant.clone());
    if tenant.is_some_and(|tenant| tenant != owner.1) {
        let detail = "cannot change; make a new subscription";
        return Err(Problem::field("#/tenant", detail));
    }
    check_plugins(api, owner.0, &wish)?;
    if wish.expires_at != edit.record.wish.expires_at {
        check_expiry(api, wish.expires_at)?;
    }
    check_secret(&wish.access, Some(&edit.record.wish.access))?;
    let saved = api.store().save_subscription(edit, &wish).await?;
    let mut view = changed(api, id, saved.version).await?;
    view.secret = saved.key.and_then(|key| key.reveal());
    if saved.is_unconfirmed {
        confirm::ask(api, owner.0, id).await?;
    }
    // What waited for a plugin may be mended now.
    api.log().wake(id, &[ParkReason::Plugin]).await?;
    Ok(Json(view))
}

/// JSON merge patch (RFC 7396).
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let object = target
        .as_object_mut()
        .expect("made one where there was none");
    for (name, value) in patch {
        if value.is_null() {
            object.remove(&name);
        } else {
            merge(object.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Unsubscribe. What still waits is cancelled. Again is fine.
#[utoipa::path(delete, path = "/v1/subscriptions/{id}", tag = "subscriptions",
    params(("id" = String, Path)), responses((status = 204),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn delete(
    Subscriber(caller): Subscriber,
    Shared(api): Shared<Api>,
    Id(id): Id<SubscriptionId>,
) -> Result<StatusCode, Problem> {
    if let Some(edit) = api.store().edit_subscription(id, bound(&caller)).await? {
        let version = edit.save_state(State::Deleted, None).await?;
        api.applied(version).await;
        // Found deleted when it is its turn, what waits is cancelled.
        let all = [
            ParkReason::Paused,
            ParkReason::Missed,
            ParkReason::Plugin,
            ParkReason::Retry,
        ];
        api.log().wake(id, &all).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Hold events back until it is resumed; they are kept.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/pause", tag = "subscriptions",
    params(("id" = String, Path)), responses((status = 200, body = ChangedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn pause(
    Subscriber(caller): Subscriber,
    Shared(api): Shared<Api>,
    Id(id): Id<SubscriptionId>,
) -> Result<Json<ChangedView>, Problem> {
    let edit = edit_from(&api, &caller, id, ("paused", PAUSABLE)).await?;
    let version = edit.save_state(State::Paused, None).await?;
    Ok(Json(changed(&api, id, version).await?))
}

/// Deliver again, and what was held back first. Also enables what was disabled.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/resume", tag = "subscriptions",
    params(("id" = String, Path)), responses((status = 200, body = ChangedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn resume(
    Subscriber(caller): Subscriber,
    Shared(api): Shared<Api>,
    Id(id): Id<SubscriptionId>,
) -> Result<Json<ChangedView>, Problem> {
    let edit = edit_from(&api, &caller, id, ("resumed", RESUMABLE)).await?;
    let version = edit.save_state(State::Active, None).await?;
    let view = changed(&api, id, version).await?;
    let held_back = [ParkReason::Paused, ParkReason::Plugin];
    api.log().wake(id, &held_back).await?;
    Ok(Json(view))
}

/// How long the old secret goes on signing.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateForm {
    /// 0s to 7d; 24h where it is left out.
    #[schema(example = "24h")]
    overlap: Option<String>,
}

/// Make a new secret; both sign during the overlap.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/secret/rotate", tag = "subscriptions",
    params(("id" = String, Path)), request_body = RotateForm,
    responses((status = 200, body = ChangedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn rotate(
    Subscriber(caller): Subscriber,
    Shared(api): Shared<Api>,
    Id(id): Id<SubscriptionId>,
    JsonBody(body): JsonBody,
) -> Result<Json<ChangedView>, Problem> {
    let overlap = overlap(body)?;
    let edit = edit(&api, &caller, id).await?;
    let until = api.store().clock().now().plus(overlap);
    let old_until = (!overlap.is_zero()).then_some(until);
    let (key, version) = api.store().rotate_secret(edit, old_until).await?;
    let mut view = changed(&api, id, version).await?;
    view.secret = key.reveal();
    Ok(Json(view))
}

fn overlap(body: Value) -> Result<Duration, Problem> {
    let form: Option<RotateForm> = serde_json::from_value(body)
        .map_err(|error| Problem::field("#/overlap", error.to_string()))?;
    overlap_of(form.and_then(|form| form.overlap).as_deref())
}

/// How long two secrets hold side by side, as it is asked for.
pub(super) fn overlap_of(text: Option<&str>) -> Result<Duration, Problem> {
    let Some(text) = text else {
        return Ok(DEFAULT_OVERLAP);
    };
    let overlap = parse_duration(text);
    let overlap = overlap.map_err(|error| Problem::field("#/overlap", error.to_string()))?;
    if overlap > MAX_OVERLAP {
        return Err(Problem::field("#/overlap", "must be at most 7d"));
    }
    Ok(overlap)
}
