//! Brings new versions of plugins in, and switches between them: from REST, from the folder, from
//! the binary.
//!
//! There is one way in, whoever comes: all checks, then the database, then every node, and only then
//! are the deliveries woken that wait for the plugin. Whatever fails on the way leaves the version
//! before it serving.

use std::time::Duration;

use bytes::Bytes;
use hookgate_plugin_host::{CheckReport, Refused};
use tracing::info;

use super::Plugins;
use crate::domain::ids::ConfigVersion;
use crate::domain::plugin::{ComponentDigest, PluginOwner};
use crate::store::feed::Applied;
use crate::store::plugins::{
    Activated, Activation, Component, PluginKey, PluginStoreError, Put, VersionChoice,
};

/// A component that somebody wants under a name.
#[derive(Clone, Debug)]
pub struct Publication {
    pub key: PluginKey,
    pub owner: PluginOwner,
    pub component: Bytes,
    pub activation: Activation,
}

/// A component that was taken.
#[derive(Debug)]
pub struct Published {
    pub put: Put,
    pub digest: ComponentDigest,
    pub exports: Vec<String>,
    pub imports: Vec<String>,
    pub size_bytes: usize,
    /// Zero where the machine code was there already.
    pub compile_time: Duration,
    pub report: CheckReport,
    pub applied: Applied,
}

/// Why a component was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It did not pass the checks.
    #[error(transparent)]
    Refused(Box<Refused>),
    #[error(transparent)]
    Store(#[from] PluginStoreError),
}

impl Plugins {
    /// # Errors
    /// Where a check refuses the component, or another owner has the name.
    pub async fn publish(&self, publication: Publication) -> Result<Published, PublishError> {
        let Publication {
            key,
            owner,
            component,
            activation,
        } = publication;
        let prepared = self
            .registry
            .host()
            .prepare(component.clone())
            .await
            .map_err(|refused| PublishError::Refused(Box::new(refused)))?;
        let plugin = &prepared.plugin;
        let digest = ComponentDigest(*plugin.digest().as_bytes());
        let exports: Vec<String> = plugin
            .exports()
            .iter()
            .map(|export| export.as_str().to_owned())
            .collect();
        let component = Component {
            digest,
            bytes: component,
            exports: exports.clone(),
            imports: plugin.imports().to_vec(),
        };
        let put = self
            .store
            .put_plugin(&key, owner, &component, activation)
            .await?;
        if put.is_active {
            self.registry.keep(digest, prepared.plugin.clone());
        }
        let applied = match put.config {
            Some(version) => self.spread(&key, version).await,
            None => Applied::Everywhere,
        };
        if put.config.is_some() {
            info!(
                plugin.name = %key.name,
                plugin.version = put.version,
                plugin.digest = %digest,
                plugin.owner = owner.as_str(),
                plugin.is_active = put.is_active,
                "plugin published"
            );
        }
        Ok(Published {
            put,
            digest,
            exports,
            imports: component.imports,
            size_bytes: prepared.size_bytes,
            compile_time: prepared.compile_time,
            report: prepared.report,
            applied,
        })
    }

    /// Takes a component of the binary's own on the checks that need no compiler; it meets the
    /// others when it is first wanted.
    pub(super) async fn offer(&self, key: PluginKey, bytes: Bytes) -> Result<(), PublishError> {
        let inspected = self
            .registry
            .host()
            .inspect(bytes.clone())
            .await
            .map_err(|refused| PublishError::Refused(Box::new(refused)))?;
        let exports = inspected.exports.iter();
        let component = Component {
            digest: ComponentDigest(*inspected.digest.as_bytes()),
            bytes,
            exports: exports.map(|export| export.as_str().to_owned()).collect(),
            imports: inspected.imports,
        };
        let put = self
            .store
            .put_plugin(&key, PluginOwner::Binary, &component, Activation::IfNew)
            .await?;
        if let Some(version) = put.config {
            self.spread(&key, version).await;
        }
        Ok(())
    }

    /// Switches to a stored version, on every node.
    ///
    /// # Errors
    /// Where the name or the version is not known.
    pub async fn activate(
        &self,
        key: &PluginKey,
        choice: VersionChoice,
    ) -> Result<(Activated, Applied), PluginStoreError> {
        let activated = self.store.activate_plugin(key, choice).await?;
        info!(
            plugin.name = %key.name,
            plugin.version = activated.version,
            plugin.digest = %activated.digest,
            "plugin activated"
        );
        let applied = self.spread(key, activated.config).await;
        Ok((activated, applied))
    }

    /// # Errors
    /// [`PluginStoreError::InUse`] while subscriptions use it.
    pub async fn delete(&self, key: &PluginKey) -> Result<Applied, PluginStoreError> {
        let version = self.store.delete_plugin(key).await?;
        info!(plugin.name = %key.name, "plugin deleted");
        Ok(self.store.feed().applied(version).await)
    }

    /// Waits for the other nodes before it wakes what waits: a delivery that wakes on a node that
    /// still has the old version would only park again.
    async fn spread(&self, key: &PluginKey, version: ConfigVersion) -> Applied {
        let applied = self.store.feed().applied(version).await;
        for subscription in self.store.catalog().users_of(&key.name) {
            let used = self.registry.key(subscription.tenant, &key.name);
            if used == *key {
                (self.wake)(subscription.id).await;
            }
        }
        applied
    }
}
