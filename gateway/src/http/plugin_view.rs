//! What the API says about plugins.

use hookgate_plugin_host::Check;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{FieldError, Kind, Problem};
use super::{Api, AppliedView};
use crate::domain::plugin::{PluginName, PluginOwner};
use crate::plugin::dry_run::DryRunError;
use crate::plugin::publish::{PublishError, Published};
use crate::plugin::records::Seen;
use crate::store::catalog::Catalog;
use crate::store::feed::Applied;
use crate::store::plugins::{Activated, PluginStoreError, StoredPlugin};

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

#[derive(Debug, Serialize, ToSchema)]
pub struct VersionView {
    version: i32,
    digest: String,
    size_bytes: u64,
    exports: Vec<String>,
    imports: Vec<String>,
    created_at: String,
}

/// What a plugin may use; the same for all of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsView {
    time_per_event_ms: u128,
    memory_bytes: usize,
    input_bytes: usize,
    output_bytes: usize,
    log_lines: usize,
    component_bytes: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct FailureView {
    at: String,
    /// The delivery that it parked.
    delivery: String,
    kind: &'static str,
    reason: String,
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
    /// Newest first.
    versions: Vec<VersionView>,
    limits: LimitsView,
    calls: u64,
    failed_calls: u64,
    p50_us: u128,
    p99_us: u128,
    last_failures: Vec<FailureView>,
    /// The last file of the folder, where it was refused; the version before it serves on.
    refused_file: Option<RefusedFileView>,
}

impl PluginView {
    pub(super) fn new(api: &Api, plugin: StoredPlugin) -> Self {
        let seen = api.plugins().records().seen(&plugin.key);
        let tenant = (plugin.key.tenant != Catalog::SHARED)
            .then(|| api.store().catalog().tenant_name(plugin.key.tenant))
            .flatten();
        let versions = plugin.versions.into_iter().map(|version| VersionView {
            version: version.number,
            digest: version.digest.to_string(),
            size_bytes: version.size_bytes,
            exports: version.exports,
            imports: version.imports,
            created_at: version.created_at.to_rfc3339(),
        });
        Self {
            name: plugin.key.name.to_string(),
            tenant: tenant.map(Into::into),
            owner: plugin.owner,
            active_version: plugin.active,
            versions: versions.collect(),
            limits: limits(api),
            calls: seen.calls,
            failed_calls: seen.failed_calls,
            p50_us: seen.median.as_micros(),
            p99_us: seen.p99.as_micros(),
            refused_file: refused_file(&seen),
            last_failures: failures(seen),
        }
    }
}

fn limits(api: &Api) -> LimitsView {
    let limits = api.plugins().limits();
    LimitsView {
        time_per_event_ms: limits.time_per_event.as_millis(),
        memory_bytes: limits.max_memory_bytes,
        input_bytes: limits.max_input_bytes,
        output_bytes: limits.max_output_bytes,
        log_lines: limits.max_log_lines,
        component_bytes: limits.max_component_bytes,
    }
}

fn refused_file(seen: &Seen) -> Option<RefusedFileView> {
    seen.refused_file.as_ref().map(|file| RefusedFileView {
        at: file.at.to_rfc3339(),
        kind: file.kind,
        reason: file.reason.clone(),
    })
}

fn failures(seen: Seen) -> Vec<FailureView> {
    let failures = seen.failures.into_iter().map(|failure| FailureView {
        at: failure.at.to_rfc3339(),
        delivery: failure.delivery.to_string(),
        kind: failure.kind,
        reason: failure.reason,
    });
    failures.collect()
}

/// What a switch came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivatedView {
    name: String,
    version: i32,
    digest: String,
    /// The version that served before; activate it to roll back.
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
            PluginStoreError::InUse(users) => {
                let users: Vec<String> = users.iter().map(ToString::to_string).collect();
                let detail = format!(
                    "{} subscriptions use it: {}; take it off them first",
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
