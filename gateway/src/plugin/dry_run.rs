//! Shows one event to a plugin and tells what came of it; stores nothing, sends nothing.
//!
//! Counts instructions as well as time, which the gateway's own runs do not, so the same input gives
//! the same figure on every machine.

use std::sync::Arc;

use bytes::Bytes;
use hookgate_plugin_host::{DryRun, DryRunJob, Refused, no_data_urls};

use super::Plugins;
use super::passage::Passage;
use super::registry::Unresolved;
use crate::domain::event::Event;
use crate::domain::plugin::{ComponentDigest, PluginName};
use crate::domain::tenant::TenantName;
use crate::store::plugins::PluginStoreError;

/// What to show to the plugin, and on whose account.
#[derive(Clone, Debug)]
pub struct DryRunInput {
    pub tenant: TenantName,
    pub event: Event,
    pub config: serde_json::Value,
}

/// Why a plugin could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    #[error("plugin {name}: {why}")]
    Unresolved { name: PluginName, why: Unresolved },
    /// The component did not pass the checks.
    #[error(transparent)]
    Refused(Box<Refused>),
    #[error(transparent)]
    Store(#[from] PluginStoreError),
}

impl Plugins {
    /// Runs a stored version.
    ///
    /// # Errors
    /// Where there is no such plugin or version, or it cannot be loaded.
    pub async fn dry_run_stored(
        &self,
        name: &PluginName,
        version: Option<i32>,
        input: DryRunInput,
    ) -> Result<(ComponentDigest, DryRun), DryRunError> {
        let unresolved = |why| DryRunError::Unresolved {
            name: name.clone(),
            why,
        };
        let digest = self
            .registry
            .digest(input.event.tenant, name, version)
            .map_err(unresolved)?;
        let component = self.store.component(digest).await?;
        let component = component.ok_or(unresolved(Unresolved::Lost))?;
        Ok((digest, self.dry_run(component, input).await?))
    }

    /// Runs a component that is not stored.
    ///
    /// # Errors
    /// Where it does not pass the checks of an upload.
    pub async fn dry_run(
        &self,
        component: Bytes,
        input: DryRunInput,
    ) -> Result<DryRun, DryRunError> {
        let job = DryRunJob {
            tenant: input.tenant.shared(),
            component,
            config: input.config.to_string().into(),
            event: Passage::new(Arc::new(input.event), &input.tenant)
                .guest()
                .clone(),
            data_urls: no_data_urls(),
        };
        self.registry
            .host()
            .dry_run(job)
            .await
            .map_err(|refused| DryRunError::Refused(Box::new(refused)))
    }
}
