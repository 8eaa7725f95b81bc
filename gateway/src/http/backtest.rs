//! `POST /v1/plugins/{name}/backtest`: what would change if another version served.
//!
//! Everything that the job needs is settled here, versions by their digests and events by a range,
//! so that it does the same wherever and however often it is taken up.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{PluginOwner, scope};
use super::fields::{Fields, instant, read_form};
use super::input::{Asked, Id, JsonBody};
use super::jobs::JobView;
use super::problem::{Problem, ProblemBody};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{SubscriptionId, TenantId};
use crate::domain::job::{BacktestSpec, BacktestUse, JobSpec, PinnedVersion};
use crate::domain::labels::Labels;
use crate::domain::plugin::{ComponentDigest, OnError, PluginName, PluginUse};
use crate::domain::subscription::Subscription;
use crate::domain::tenant::TenantName;
use crate::store::catalog::{Catalog, PluginEntry};

const DEFAULT_LAST: u32 = 1000;
const MAX_LAST: u32 = 1_000_000;
const DEFAULT_SAMPLES: u16 = 20;
const MAX_SAMPLES: u16 = 50;
/// Subscriptions that one backtest covers, oldest first.
const MAX_USES: usize = 100;
/// With `since`, as many events as a backtest may look at.
const ALL: u32 = MAX_LAST;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(backtest))
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BacktestQuery {
    /// The tenant whose plugin and events are meant; none means all that use it, or the key's own
    /// tenant.
    #[param(value_type = Option<String>)]
    tenant: Option<TenantName>,
}

/// What to compare over which events.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BacktestForm {
    /// The candidate: a stored version's number. Upload it with `?activate=false` before.
    version: Option<i32>,
    /// The candidate by SHA-256 of its component in hex, instead of its number.
    digest: Option<String>,
    /// The number of the version to compare with; the active one where it is left out.
    against: Option<i32>,
    /// The newest so many events of each subscription, 1 to 1,000,000; 1,000 where neither this nor
    /// `since` is given.
    last: Option<u32>,
    /// Events since then: an RFC 3339 time, or a duration back from now such as `24h`.
    #[schema(example = "24h")]
    since: Option<String>,
    /// Only as this subscription uses it; all that use it where it is left out.
    #[schema(value_type = Option<String>)]
    subscription: Option<SubscriptionId>,
    /// This config over the events of the tenant, whatever subscriptions say.
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    /// With `config`: only events of these types.
    #[schema(value_type = Vec<String>)]
    types: Vec<String>,
    /// Differences shown in full, 0 to 50; 20 where it is left out.
    samples: Option<u16>,
}

/// Compare two versions of a plugin over stored events. Nothing is sent.
///
/// The job's result has `compared`, `equal`, `changed`, `changed_percent`, `respelled` (the same
/// JSON, written otherwise), `transitions`, `samples` with the places that differ, and for both
/// versions verdicts, errors, times, bytes out and component size.
#[utoipa::path(post, path = "/v1/plugins/{name}/backtest", tag = "plugins",
    params(("name" = String, Path), BacktestQuery), request_body = BacktestForm,
    responses((status = 202, body = JobView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn backtest(
    PluginOwner(caller): PluginOwner,
    State(api): State<Api>,
    Id(name): Id<PluginName>,
    Asked(query): Asked<BacktestQuery>,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let tenant = scope(&api, &caller, query.tenant.as_ref())?;
    let form: BacktestForm = read_form(body)?;
    let owner = tenant.unwrap_or(Catalog::SHARED);
    let plugin = api.store().catalog().plugin(owner, &name);
    let plugin = plugin.ok_or_else(|| Problem::not_found("plugin"))?;
    let spec = Asking {
        api: &api,
        tenant,
        plugin: &plugin,
        form,
    }
    .spec()?;
    let job = api
        .store()
        .create_job(tenant, &JobSpec::Backtest(spec))
        .await?;
    Ok((StatusCode::ACCEPTED, Json(JobView::new(&api, job))))
}

/// A form with what it is about.
struct Asking<'a> {
    api: &'a Api,
    /// None: of all tenants.
    tenant: Option<TenantId>,
    plugin: &'a PluginEntry,
    form: BacktestForm,
}

impl Asking<'_> {
    /// All that is wrong is told at once.
    fn spec(&self) -> Result<BacktestSpec, Problem> {
        let mut fields = Fields::default();
        let now = self.api.store().clock().now();
        let candidate = fields.keep(self.candidate());
        let baseline = fields.keep(self.baseline());
        let range = fields.keep(self.range(now));
        let uses = fields.keep(self.uses());
        let samples = self.form.samples.unwrap_or(DEFAULT_SAMPLES);
        if samples > MAX_SAMPLES {
            fields.push("#/samples", format!("must be at most {MAX_SAMPLES}"));
        }
        fields.end()?;
        let all = candidate.zip(baseline).zip(range).zip(uses);
        let (((candidate, baseline), (last, since)), uses) = all.expect("what is missing was told");
        Ok(BacktestSpec {
            plugin: self.plugin.name.clone(),
            candidate,
            baseline,
            uses,
            last,
            since_ms: since.as_ms(),
            until_ms: now.as_ms() + 1,
            samples,
        })
    }

    fn candidate(&self) -> Result<PinnedVersion, (&'static str, String)> {
        match (self.form.version, self.form.digest.as_deref()) {
            (Some(number), None) => self.numbered("#/version", number),
            (None, Some(hex)) => {
                let digest: ComponentDigest = hex
                    .parse()
                    .map_err(|_| ("#/digest", "must be 64 hexadecimal digits".to_owned()))?;
                let mut versions = self.plugin.versions.iter();
                let found = versions.find(|(_, other)| *other == digest);
                found
                    .map(|(number, digest)| PinnedVersion {
                        number: *number,
                        digest: *digest,
                    })
                    .ok_or_else(|| ("#/digest", self.no_such()))
            }
            _ => Err((
                "#/version",
                "name the candidate by version or by digest".to_owned(),
            )),
        }
    }

    fn baseline(&self) -> Result<PinnedVersion, (&'static str, String)> {
        let number = self.form.against.or(self.plugin.active);
        let number = number.ok_or_else(|| {
            let detail = "no version is active; name the version to compare with";
            ("#/against", detail.to_owned())
        })?;
        self.numbered("#/against", number)
    }

    fn numbered(
        &self,
        pointer: &'static str,
        number: i32,
    ) -> Result<PinnedVersion, (&'static str, String)> {
        let digest = self.plugin.digest(Some(number));
        digest
            .map(|digest| PinnedVersion { number, digest })
            .ok_or_else(|| (pointer, self.no_such()))
    }

    fn no_such(&self) -> String {
        let numbers: Vec<String> = self
            .plugin
            .versions
            .iter()
            .rev()
            .take(10)
            .map(|(number, _)| number.to_string())
            .collect();
        format!(
            "the plugin {} has no such version; the newest are {}",
            self.plugin.name,
            numbers.join(", ")
        )
    }

    fn range(&self, now: Timestamp) -> Result<(u32, Timestamp), (&'static str, String)> {
        match (self.form.last, self.form.since.as_deref()) {
            (Some(_), Some(_)) => Err(("#/since", "give last or since, not both".to_owned())),
            (None, Some(since)) => instant(since, now).map(|since| (ALL, since)),
            (last, None) => {
                let last = last.unwrap_or(DEFAULT_LAST);
                if (1..=MAX_LAST).contains(&last) {
                    Ok((last, Timestamp::from_ms(0)))
                } else {
                    Err(("#/last", format!("must be 1 to {MAX_LAST}")))
                }
            }
        }
    }

    fn uses(&self) -> Result<Vec<BacktestUse>, (&'static str, String)> {
        if let Some(config) = &self.form.config {
            return self.one_config(config).map(|one| vec![one]);
        }
        if !self.form.types.is_empty() {
            let detail = "subscriptions say which types they take; give a config with types";
            return Err(("#/types", detail.to_owned()));
        }
        let users = self.api.store().catalog().users_of(&self.plugin.name);
        let users: Vec<_> = users
            .into_iter()
            .filter(|one| self.is_meant(one))
            .take(MAX_USES)
            .collect();
        if users.is_empty() {
            return Err(match self.form.subscription {
                Some(_) => ("#/subscription", "uses no such plugin".to_owned()),
                None => (
                    "#/config",
                    "no subscription uses the plugin; give a config to run it with".to_owned(),
                ),
            });
        }
        users.iter().map(|one| self.of_subscription(one)).collect()
    }

    /// Whether a subscription uses this very plugin, and is asked about.
    fn is_meant(&self, subscription: &Subscription) -> bool {
        let catalog = self.api.store().catalog();
        let used = catalog.plugin(subscription.tenant, &self.plugin.name);
        used.is_some_and(|used| used.id == self.plugin.id)
            && self
                .tenant
                .is_none_or(|tenant| tenant == subscription.tenant)
            && self
                .form
                .subscription
                .is_none_or(|wanted| wanted == subscription.id)
    }

    fn of_subscription(
        &self,
        subscription: &Subscription,
    ) -> Result<BacktestUse, (&'static str, String)> {
        let place = subscription
            .plugins
            .iter()
            .position(|used| used.name == self.plugin.name)
            .expect("it uses the plugin");
        let (before, from_here) = subscription.plugins.split_at(place);
        let pinned = before.iter().map(|used| self.pinned(subscription, used));
        Ok(BacktestUse {
            tenant: subscription.tenant.get(),
            tenant_name: subscription.tenant_name.to_string(),
            subscription: Some(subscription.id),
            types: subscription.event_types.clone(),
            filters: subscription.filters.as_json().to_owned(),
            labels: subscription.labels.clone(),
            before: pinned.collect::<Result<_, _>>()?,
            used: from_here[0].clone(),
        })
    }

    fn pinned(
        &self,
        subscription: &Subscription,
        used: &PluginUse,
    ) -> Result<(PluginUse, ComponentDigest), (&'static str, String)> {
        let entry = self
            .api
            .store()
            .catalog()
            .plugin(subscription.tenant, &used.name);
        let digest = entry.and_then(|entry| entry.digest(used.version));
        digest.map(|digest| (used.clone(), digest)).ok_or_else(|| {
            let detail = format!(
                "the plugin {} stands before it in {} and has no version to run",
                used.name, subscription.id
            );
            ("#/subscription", detail)
        })
    }

    fn one_config(&self, config: &Value) -> Result<BacktestUse, (&'static str, String)> {
        if self.form.subscription.is_some() {
            return Err(("#/config", "give a config or a subscription".to_owned()));
        }
        let catalog = self.api.store().catalog();
        let tenant = match self.tenant {
            Some(tenant) => tenant,
            None => catalog.tenant_id(&TenantName::unnamed()).ok_or_else(|| {
                (
                    "#/config",
                    "name the tenant whose events are meant".to_owned(),
                )
            })?,
        };
        let types = self.form.types.iter().map(|text| text.parse());
        let types = types.collect::<Result<_, _>>().map_err(
            |error: crate::domain::pattern::InvalidPattern| ("#/types", error.to_string()),
        )?;
        Ok(BacktestUse {
            tenant: tenant.get(),
            tenant_name: catalog
                .tenant_name(tenant)
                .unwrap_or_else(TenantName::unnamed)
                .to_string(),
            subscription: None,
            types,
            filters: "[]".to_owned(),
            labels: Labels::default(),
            before: Vec::new(),
            used: PluginUse {
                name: self.plugin.name.clone(),
                config: config.clone(),
                version: None,
                on_error: OnError::Park,
            },
        })
    }
}
