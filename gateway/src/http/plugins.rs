//! `/v1/plugins`: upload, look at, switch and remove plugins.

use std::collections::HashSet;

use axum::Json;
use axum::extract::{Request, State};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{PluginOwner as PluginCaller, Reader, bound, scope};
use super::input::{Asked, Id, JsonBody, read_body};
use super::page::Page;
use super::plugin_seen_view::LogPage;
use super::plugin_view::{ActivatedView, PluginView, UploadView};
use super::problem::{Kind, Problem, ProblemBody};
use crate::domain::ids::TenantId;
use crate::domain::key::Caller;
use crate::domain::plugin::{ComponentDigest, PluginName, PluginOwner, Share};
use crate::domain::tenant::TenantName;
use crate::plugin::publish::Publication;
use crate::store::activation::Switch;
use crate::store::catalog::Catalog;
use crate::store::plugins::{Activation, PluginKey, StoredPlugin, VersionChoice};

const DEFAULT_LINES: u16 = 100;
const MAX_LINES: u16 = 500;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one, upload, delete))
        .routes(routes!(activate))
        .routes(routes!(logs))
        .merge(super::plugin_run::routes())
}

/// Whose plugin is meant.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Whose {
    /// The tenant it belongs to; none means shared by all, or the key's own tenant.
    #[param(value_type = Option<String>)]
    tenant: Option<TenantName>,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UploadQuery {
    /// The tenant it belongs to; none means shared by all, or the key's own tenant.
    #[param(value_type = Option<String>)]
    tenant: Option<TenantName>,
    /// `false` only stores the version.
    activate: Option<bool>,
}

/// The tenant whose plugins a caller writes: its own, the one it names, or those shared by all.
async fn owner(
    api: &Api,
    caller: &Caller,
    named: Option<&TenantName>,
) -> Result<TenantId, Problem> {
    if caller.bound_to.is_none()
        && let Some(name) = named
    {
        return Ok(api.store().ensure_tenant(name).await?);
    }
    Ok(scope(api, caller, named)?.unwrap_or(Catalog::SHARED))
}

/// Upload a component: checked, compiled, stored, activated.
#[utoipa::path(put, path = "/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path), UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = UploadView),
        (status = 200, body = UploadView, description = "The same bytes were there already"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn upload(
    PluginCaller(caller): PluginCaller,
    State(api): State<Api>,
    Id(name): Id<PluginName>,
    Asked(query): Asked<UploadQuery>,
    request: Request,
) -> Result<(StatusCode, Json<UploadView>), Problem> {
    let is_wasm = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == "application/wasm");
    if !is_wasm {
        let detail = "send the component as application/wasm";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    let tenant = owner(&api, &caller, query.tenant.as_ref()).await?;
    let component = read_body(request, &api, api.plugins().limits().max_component_bytes).await?;
    let published = api
        .plugins()
        .publish(Publication {
            key: PluginKey {
                tenant,
                name: name.clone(),
            },
            owner: PluginOwner::Api,
            component,
            activation: if query.activate == Some(false) {
                Activation::Later
            } else {
                Activation::Now
            },
        })
        .await?;
    let status = if published.put.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(UploadView::new(&name, published))))
}

async fn stored(
    api: &Api,
    caller: &Caller,
    named: Option<&TenantName>,
) -> Result<Vec<StoredPlugin>, Problem> {
    let mut tenants = vec![Catalog::SHARED];
    tenants.extend(scope(api, caller, named)?);
    let mut plugins = api.store().plugins_of(&tenants).await?;
    let names: HashSet<PluginName> = plugins.iter().map(|one| one.key.name.clone()).collect();
    let refused = api.plugins().records().refused_files(Catalog::SHARED);
    let unknown = refused.into_iter().filter(|name| !names.contains(name));
    plugins.extend(unknown.map(StoredPlugin::refused_from_folder));
    plugins.sort_by(|a, b| a.key.name.cmp(&b.key.name));
    Ok(plugins)
}

/// The tenant's plugins and the shared ones, by name.
#[utoipa::path(get, path = "/v1/plugins", tag = "plugins", params(Whose),
    responses((status = 200, body = Page<PluginView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn list(
    Reader(caller): Reader,
    State(api): State<Api>,
    Asked(whose): Asked<Whose>,
) -> Result<Json<Page<PluginView>>, Problem> {
    let plugins = stored(&api, &caller, whose.tenant.as_ref()).await?;
    let data = plugins
        .into_iter()
        .map(|plugin| PluginView::new(&api, plugin, bound(&caller)))
        .collect();
    Ok(Json(Page { data, next: None }))
}

/// One plugin: versions, the active one, limits, calls and the last failures on this node.
#[utoipa::path(get, path = "/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path), Whose),
    responses((status = 200, body = PluginView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn one(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(name): Id<PluginName>,
    Asked(whose): Asked<Whose>,
) -> Result<Json<PluginView>, Problem> {
    // A tenant's own comes before the shared one of the same name.
    let plugins = stored(&api, &caller, whose.tenant.as_ref()).await?;
    let found = plugins.into_iter().find(|plugin| plugin.key.name == name);
    let found = found.ok_or_else(|| Problem::not_found("plugin"))?;
    Ok(Json(PluginView::new(&api, found, bound(&caller))))
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// The tenant whose plugin is meant, and whose events.
    #[param(value_type = Option<String>)]
    tenant: Option<TenantName>,
    /// `next` of the answer before; none means the last lines.
    after: Option<u64>,
    /// 1 to 500; 100 where it is left out.
    limit: Option<u16>,
}

/// What a plugin logged lately on this node, kept in memory; ask again with `after` to follow.
#[utoipa::path(get, path = "/v1/plugins/{name}/logs", tag = "plugins",
    params(("name" = String, Path), LogsQuery),
    responses((status = 200, body = LogPage),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn logs(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(name): Id<PluginName>,
    Asked(query): Asked<LogsQuery>,
) -> Result<Json<LogPage>, Problem> {
    let tenant = scope(&api, &caller, query.tenant.as_ref())?;
    let entry = api
        .store()
        .catalog()
        .plugin(tenant.unwrap_or(Catalog::SHARED), &name)
        .ok_or_else(|| Problem::not_found("plugin"))?;
    let key = PluginKey {
        tenant: entry.tenant,
        name,
    };
    let limit = usize::from(query.limit.unwrap_or(DEFAULT_LINES).clamp(1, MAX_LINES));
    let lines = api.plugins().logs().read(&key, tenant, query.after, limit);
    Ok(Json(LogPage {
        next: lines.last().map(|line| line.number).or(query.after),
        data: lines.into_iter().map(Into::into).collect(),
    }))
}

/// Which version is to serve: a version, a digest, or the way back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivateForm {
    version: Option<i32>,
    /// SHA-256 of the component in hex.
    digest: Option<String>,
    /// The part of the events that the version gets, from 0.0001 to 1; chosen by a hash of the
    /// event's id. None means all.
    share: Option<f64>,
    /// `true`: one step back. Ends a canary; without one, the version before serves again.
    rollback: Option<bool>,
}

impl ActivateForm {
    fn switch(&self) -> Result<Switch, Problem> {
        let choice = match (self.version, self.digest.as_deref(), self.rollback) {
            (None, None, Some(true)) if self.share.is_none() => return Ok(Switch::Back),
            (Some(number), None, None | Some(false)) => VersionChoice::Number(number),
            (None, Some(hex), None | Some(false)) => {
                let refused = || Problem::field("#/digest", "must be 64 hexadecimal digits");
                VersionChoice::Digest(digest(hex).ok_or_else(refused)?)
            }
            _ => {
                let detail = "name a version or a digest, or say \"rollback\": true alone";
                return Err(Problem::field("#", detail));
            }
        };
        match self.share.map(Share::of).transpose() {
            Ok(None | Some(Share::ALL)) => Ok(Switch::To(choice)),
            Ok(Some(share)) => Ok(Switch::Canary(choice, share)),
            Err(error) => Err(Problem::field("#/share", error.to_string())),
        }
    }
}

fn digest(hex: &str) -> Option<ComponentDigest> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes());
    Some(ComponentDigest(bytes.ok()?.try_into().ok()?))
}

/// Switch to a version, give it a share of the events, or roll back; on every node.
#[utoipa::path(post, path = "/v1/plugins/{name}/activate", tag = "plugins",
    params(("name" = String, Path), Whose), request_body = ActivateForm,
    responses((status = 200, body = ActivatedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn activate(
    PluginCaller(caller): PluginCaller,
    State(api): State<Api>,
    Id(name): Id<PluginName>,
    Asked(whose): Asked<Whose>,
    JsonBody(body): JsonBody,
) -> Result<Json<ActivatedView>, Problem> {
    let form: ActivateForm =
        serde_json::from_value(body).map_err(|error| Problem::field("#", error.to_string()))?;
    let tenant = owner(&api, &caller, whose.tenant.as_ref()).await?;
    let key = PluginKey { tenant, name };
    let (activated, applied) = api.plugins().activate(&key, form.switch()?).await?;
    Ok(Json(ActivatedView::new(key.name, &activated, applied)))
}

/// Remove a plugin; refused while a subscription uses it.
#[utoipa::path(delete, path = "/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path), Whose),
    responses((status = 200, body = super::AppliedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn delete(
    PluginCaller(caller): PluginCaller,
    State(api): State<Api>,
    Id(name): Id<PluginName>,
    Asked(whose): Asked<Whose>,
) -> Result<Json<super::AppliedView>, Problem> {
    let tenant = owner(&api, &caller, whose.tenant.as_ref()).await?;
    let applied = api.plugins().delete(&PluginKey { tenant, name }).await?;
    Ok(Json(applied.into()))
}
