//! A plugin host on this machine: the checks, the engine and the limits of a gateway.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use hookgate_plugin_host::{
    CheckReport, CompileWorker, HostConfig, Limits, PluginHost, PoolSize, Refused, Trial,
};

use super::progress::patiently;
use crate::app::Machine;
use crate::cli::output::{check_lines, line};

/// A host of its own, whose cache goes away with it.
pub(super) struct Local {
    pub(super) host: PluginHost,
    _cache: tempfile::TempDir,
}

impl Local {
    pub(super) fn start(machine: &Machine) -> anyhow::Result<Self> {
        let cache = tempfile::tempdir().context("could not make a temporary folder")?;
        let host = PluginHost::start(HostConfig {
            cache_dir: cache.path().join("cache"),
            compile_worker: CompileWorker {
                program: machine.program.clone(),
                arguments: vec!["compile-worker".to_owned()],
            },
            threads: 1,
            limits: Limits::default(),
            pool: PoolSize::default(),
        })?;
        let _cache = cache;
        Ok(Self { host, _cache })
    }

    pub(super) fn limits(&self) -> &Arc<Limits> {
        self.host.limits()
    }

    /// Makes a component ready to be tried.
    ///
    /// # Errors
    /// Every check that was made, with its cure, where it would not be taken.
    pub(super) async fn trial(&self, component: Bytes) -> anyhow::Result<Trial> {
        let trial = self.host.trial(component, "default".into());
        patiently("checking and compiling the component", trial)
            .await
            .map_err(|refused| refusal(&refused))
    }

    /// The same on the engine of deliveries, which counts nothing.
    ///
    /// # Errors
    /// As [`Self::trial`].
    pub(super) async fn timed_trial(&self, component: Bytes) -> anyhow::Result<Trial> {
        let trial = self.host.timed_trial(component, "default".into());
        patiently("compiling it as for deliveries", trial)
            .await
            .map_err(|refused| refusal(&refused))
    }
}

/// A refusal as an error that lists every check.
pub(super) fn refusal(refused: &Refused) -> anyhow::Error {
    anyhow::anyhow!(
        "the component would not be taken: {}\n{}",
        refused.reason.as_str(),
        checks_text(&refused.report)
    )
}

pub(super) fn checks_text(report: &CheckReport) -> String {
    let checks = serde_json::to_value(&report.checks).unwrap_or_default();
    check_lines(checks.as_array().map(Vec::as_slice).unwrap_or_default())
}

pub(super) fn print_checks(report: &CheckReport) -> std::io::Result<()> {
    line(checks_text(report).trim_end())
}
