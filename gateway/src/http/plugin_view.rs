//! What the API says about plugins.

use hookgate_plugin_host::Check;
use serde::Serialize;
use utoipa::ToSchema;

use super::plugin_seen_view::{FailureView, PauseView, UsageView, failures};
use super::problem::{FieldError, Kind, Problem};
use super::{Api, AppliedView};
use crate::domain::clock::Timestamp;
use crate::domain::ids::TenantId;
use crate::domain::plugin::{PluginName, PluginOwner};
use crate::plugin::dry_run::DryRunError;
use crate::plugin::publish::{PublishError, Published};
use crate::plugin::records::Seen;
use crate::store::activation::Activated;
use crate::store::catalog::Catalog;
use crate::store::feed::Applied;
use crate::store::plugins::{PluginStoreError, StoredPlugin, StoredVersion};
use crate::telemetry::plugins::Usage;

/// A component that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadView {
    name: String,
    version: i32,
    /// SHA-256 of the component.
    digest: String,
    exports: Vec<String>,
    imports: Vec<String>,
    size_bytes: usize,
    /// Zero where the machine code was there already.
    compile_ms: u128,
    /// Whether this version serves now.
    active: bool,
    /// Every check that was made.
    #[schema(value_type = Vec<Object>)]
    checks: Vec<Check>,
    #[serde(flatten)]
    applied: AppliedView,
}

impl UploadView {
    pub(super) fn new(name: &PluginName, published: Published) -> Self {
        Self {
            name: name.to_string(),
            version: published.put.version,
            digest: published.digest.to_string(),
            exports: published.exports,
            imports: published.imports,
            size_bytes: published.size_bytes,
            compile_ms: published.compile_time.as_millis(),
            active: published.put.is_active,
            checks: published.report.checks,
            applied: published.applied.into(),
        }
    }
}

/// A version, and what this node has seen of it since it started.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionView {
    version: i32,
    digest: String,
    /// The part of the events that it gets, from 0 to 1.
    share: f64,
    size_bytes: u64,
    exports: Vec<String>,
    imports: Vec<String>,
    created_at: String,
    usage: UsageView,
    /// For whom it is paused on this node, because it kept failing.
    paused: Vec<PauseView>,
}

/// What a plugin may use; the same for all of them. Times are wall times.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsView {
    time_per_event_ms: u128,
    time_to_instantiate_ms: u128,
    time_per_batch_ms: u128,
    memory_bytes: usize,
    input_bytes: usize,
    output_bytes: usize,
    batch_bytes: usize,
    headers: usize,
    /// Events that a receiver may make of one request.
    drafts: usize,
    log_lines: usize,
    log_line_bytes: usize,
    log_bytes: usize,
    component_bytes: usize,
    compile_cpu_ms: u128,
    compile_memory_bytes: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedFileView {
    at: String,
    kind: &'static str,
    reason: String,
}

/// A plugin, and what this node has seen of it since it started.
#[derive(Debug, Serialize, ToSchema)]
pub struct PluginView {
    name: String,
    /// None: shared by all tenants.
    tenant: Option<String>,
    owner: PluginOwner,
    active_version: Option<i32>,
    /// Gets its share of the events; the active version gets the rest.
    canary_version: Option<i32>,
    /// What a rollback goes back to.
    previous_version: Option<i32>,
    /// When a version was last activated, or given a share.
    activated_at: Option<String>,
    /// Newest first.
    versions: Vec<VersionView>,
    limits: LimitsView,
    calls: u64,
    failed_calls: u64,
    p50_us: u128,
    p99_us: u128,
    /// The last 20 of all versions, newest first.
    last_failures: Vec<FailureView>,
    /// The last file of the folder, where it was refused; the version before it serves on.
    refused_file: Option<RefusedFileView>,
}

impl PluginView {
    /// What `viewer` may see of it: failures of its own events alone, unless it is none.
    pub(super) fn new(api: &Api, plugin: StoredPlugin, viewer: Option<TenantId>) -> Self {
        let seen = api.plugins().records().seen(&plugin.key);
        let catalog = api.store().catalog();
        let tenant = (plugin.key.tenant != Catalog::SHARED)
            .then(|| catalog.tenant_name(plugin.key.tenant))
            .flatten();
        let usages = || seen.versions.values().map(|version| &version.usage);
        Self {
            name: plugin.key.name.to_string(),
            tenant: tenant.map(Into::into),
            owner: plugin.owner,
            active_version: plugin.active,
            canary_version: plugin.canary.map(|(number, _)| number),
            previous_version: plugin.previous,
            activated_at: plugin.activated_at.map(Timestamp::to_rfc3339),
            limits: limits(api),
            calls: usages().map(Usage::count).sum(),
            failed_calls: usages().map(Usage::failed).sum(),
            p50_us: seen.median.as_micros(),
            p99_us: seen.p99.as_micros(),
            refused_file: refused_file(&seen),
            last_failures: failures(&seen, viewer),
            versions: versions(api, plugin, &seen, viewer),
        }
    }
}

fn versions(
    api: &Api,
    plugin: StoredPlugin,
    seen: &Seen,
    viewer: Option<TenantId>,
) -> Vec<VersionView> {
    let canary = plugin
        .canary
        .map(|(number, share)| (number, share.as_fraction()));
    let share = |number: i32| match canary {
        Some((canary, share)) if canary == number => share,
        _ if plugin.active == Some(number) => 1.0 - canary.map_or(0.0, |(_, share)| share),
        _ => 0.0,
    };
    let view = |version: StoredVersion| VersionView {
        version: version.number,
        digest: version.digest.to_string(),
        share: share(version.number),
        size_bytes: version.size_bytes,
        exports: version.exports,
        imports: version.imports,
        created_at: version.created_at.to_rfc3339(),
        usage: seen
            .versions
            .get(&version.number)
            .map(UsageView::from)
            .unwrap_or_default(),
        paused: PauseView::all(
            api.store().catalog(),
            api.plugins().breakers().pauses(version.digest),
            viewer,
        ),
    };
    plugin.versions.into_iter().map(view).collect()
}

fn limits(api: &Api) -> LimitsView {
    let limits = api.plugins().limits();
    LimitsView {
        time_per_event_ms: limits.time_per_event.as_millis(),
        time_to_instantiate_ms: limits.time_to_instantiate.as_millis(),
        time_per_batch_ms: limits.time_per_batch.as_millis(),
        memory_bytes: limits.max_memory_bytes,
        input_bytes: limits.max_input_bytes,
        output_bytes: limits.max_output_bytes,
        batch_bytes: limits.max_batch_bytes,
        headers: limits.max_headers,
        drafts: limits.max_drafts,
        log_lines: limits.max_log_lines,
        log_line_bytes: limits.max_log_line_bytes,
        log_bytes: limits.max_log_bytes,
        component_bytes: limits.max_component_bytes,
        compile_cpu_ms: limits.compile_cpu_time.as_millis(),
        compile_memory_bytes: limits.max_compile_memory_bytes,
    }
}

fn refused_file(seen: &Seen) -> Option<RefusedFileView> {
    seen.refused_file.as_ref().map(|file| RefusedFileView {
        at: file.at.to_rfc3339(),
        kind: file.kind,
        reason: file.reason.clone(),
    })
}

/// What a switch came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivatedView {
    name: String,
    /// The version that was meant.
    version: i32,
    digest: String,
    /// The part of the events that it gets, from 0 to 1.
    share: f64,
    /// Serves the rest; the version itself where it serves all.
    active_version: i32,
    /// The version that served before; `{"rollback": true}` goes back to it.
    previous_version: Option<i32>,
    #[serde(flatten)]
    applied: AppliedView,
}

impl ActivatedView {
    pub(super) fn new(name: PluginName, activated: &Activated, applied: Applied) -> Self {
        Self {
            name: name.into(),
            version: activated.version,
            digest: activated.digest.to_string(),
            share: activated.share.as_fraction(),
            active_version: activated.active,
            previous_version: activated.previous,
            applied: applied.into(),
        }
    }
}

impl From<PluginStoreError> for Problem {
    fn from(error: PluginStoreError) -> Self {
        match error {
            PluginStoreError::Owned(owner) => Self::new(
                Kind::Conflict,
                format!(
                    "the name belongs to {}; choose another name",
                    owner.as_str()
                ),
            ),
            PluginStoreError::Unknown(_) => Self::not_found("plugin"),
            PluginStoreError::UnknownVersion(_) => Self::not_found("version"),
            error @ (PluginStoreError::NothingBefore(_) | PluginStoreError::NoCanary(_)) => {
                Self::new(Kind::Conflict, error.to_string())
            }
            PluginStoreError::InUse {
                subscriptions,
                sources,
            } => {
                let what = if sources.is_empty() {
                    "subscriptions"
                } else {
                    "subscriptions and sources"
                };
                let users = subscriptions.iter().map(ToString::to_string);
                let users: Vec<String> = users
                    .chain(sources.iter().map(ToString::to_string))
                    .collect();
                let detail = format!(
                    "{} {what} use it: {}; take it off them first",
                    users.len(),
                    users.join(", ")
                );
                Self::new(Kind::Conflict, detail)
            }
            other => Self::fault(Kind::Unavailable, &other),
        }
    }
}

fn refused(refused: hookgate_plugin_host::Refused) -> Problem {
    let detail = format!("{}: {refused}", refused.reason.as_str());
    Problem::new(Kind::PluginRefused, detail).with_checks(refused.report.checks)
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Refused(why) => refused(*why),
            PublishError::Store(error) => error.into(),
        }
    }
}

impl From<DryRunError> for Problem {
    fn from(error: DryRunError) -> Self {
        match error {
            DryRunError::Refused(why) => refused(*why),
            DryRunError::Store(error) => error.into(),
            DryRunError::Unresolved { .. } => Self::fields(vec![FieldError {
                pointer: "#/name".to_owned(),
                detail: error.to_string(),
            }]),
        }
    }
}
