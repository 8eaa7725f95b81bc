//! Lets a plugin take a provider's request: verify it, and say which events it is.
//!
//! A source names its plugin as a subscription does. A plugin that fails lets nothing in: the
//! provider is asked to send the request again, and the operator sees why.

use hookgate_plugin_host::{CallFailure, CallReport, GuestRequest, ReceiveJob, Reception};
use tracing::debug;

use super::Plugins;
use super::records::BatchTally;
use super::registry::{Resolved, Unresolved};
use crate::domain::ids::TenantId;
use crate::domain::plugin::PluginUse;
use crate::domain::tenant::TenantName;
use crate::store::catalog::Catalog;

/// Why there is no answer of the plugin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error("{0}")]
    Unresolved(#[from] Unresolved),
    #[error("{0}")]
    Failed(#[from] CallFailure),
}

impl Plugins {
    /// Shows one request to the plugin of a source.
    ///
    /// # Errors
    /// Where the plugin is not there, cannot be loaded, or fails.
    pub async fn receive(
        &self,
        (tenant, name): (TenantId, &TenantName),
        plugin: &PluginUse,
        request: GuestRequest,
    ) -> Result<Reception, ReceiveError> {
        let entry = self.registry.entry(tenant, &plugin.name)?;
        let version = plugin.version.or(entry.active);
        let resolved = self.registry.resolve(&entry, version).await?;
        let job = ReceiveJob {
            tenant: name.shared(),
            plugin: resolved.plugin.clone(),
            config: plugin.config.to_string().into(),
            request,
            limits: self.limits.clone(),
        };
        let report = self.registry.host().receive(job).await;
        self.note(&resolved, &report);
        Ok(report.result?)
    }

    fn note(&self, resolved: &Resolved, report: &CallReport<Reception>) {
        for line in &report.logs {
            debug!(
                plugin.name = %resolved.key.name,
                plugin.version = resolved.version,
                plugin.level = line.level.as_str(),
                plugin.line = %line.text,
                "plugin logged"
            );
        }
        let mut tally = BatchTally::default();
        let kind = report.result.as_ref().err().map_or("ok", CallFailure::kind);
        let usage = &mut tally.usage;
        usage.calls.insert(kind, 1);
        usage.called = report.duration;
        usage.cpu = report.cpu;
        usage.memory_peak_bytes = report.memory_bytes;
        usage.bytes_in = report.bytes_in as u64;
        usage.bytes_out = report.bytes_out as u64;
        usage.log_lines = report.logs.len() as u64;
        usage.log_lines_cut = u64::from(report.logs_cut);
        if let Some(start) = &report.start {
            usage.starts = 1;
            usage.started = start.duration;
            usage.cpu += start.cpu;
        }
        tally.durations.push(report.duration);
        let key = &resolved.key;
        let shared = (key.tenant == Catalog::SHARED).then(|| key.name.as_str());
        let metrics = &self.metrics.plugins;
        metrics.add(shared, resolved.version, &tally.usage);
        self.records.count(key, resolved.version, tally);
    }
}
