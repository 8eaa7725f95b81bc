//! The gateway's side of the plugin host: which component a name means, how components come in, and
//! how a subscription's plugins are run over its events.
//!
//! Knows names, versions, owners and subscriptions; knows nothing of WebAssembly, which is the
//! host's business, nor of status codes and requests.

pub mod backtest;
pub mod backtest_tally;
mod breaker;
pub mod breakers;
pub mod claim;
pub mod dry_run;
mod fold;
pub mod folder;
pub mod folder_memory;
pub mod json_diff;
pub mod logs;
mod passage;
mod pinned;
pub mod pipeline;
pub mod publish;
pub mod receive;
pub mod records;
pub mod registry;
pub mod retrace;
pub mod shipped;
mod step;
pub mod told;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hookgate_plugin_host::{Limits, PluginHost};
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::domain::clock::Clock;
use crate::domain::ids::{SubscriptionId, TenantId};
use crate::domain::notice::Notice;
use crate::store::Store;
use crate::store::catalog::Catalog;
use crate::store::plugins::{PluginKey, PluginStoreError};
use crate::telemetry::metrics::Metrics;

pub use pipeline::Pipeline;

use breakers::{Breakers, Told};
use claim::ClaimSigner;
use logs::PluginLogs;
use pipeline::Watch;
use publish::PublishError;
use records::Records;
use registry::Registry;

/// Wakes the deliveries of a subscription that wait for a plugin.
pub type Wake = Arc<dyn Fn(SubscriptionId) -> BoxFuture<'static, ()> + Send + Sync>;
/// Sends an operational event to a tenant.
pub type Tell = Arc<dyn Fn(TenantId, Notice) + Send + Sync>;

/// How often idle code is looked for.
const TEND_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// What [`Plugins`] is made of.
pub struct PluginParts {
    pub host: PluginHost,
    pub store: Store,
    pub clock: Clock,
    pub metrics: Metrics,
    pub wake: Wake,
    pub tell: Tell,
}

impl std::fmt::Debug for PluginParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginParts")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// All plugins of a deployment, as this node sees them. Cheap to clone.
#[derive(Clone)]
pub struct Plugins {
    registry: Registry,
    store: Store,
    metrics: Metrics,
    limits: Arc<Limits>,
    records: Records,
    logs: PluginLogs,
    breakers: Breakers,
    heard: Arc<Mutex<Option<UnboundedReceiver<Told>>>>,
    wake: Wake,
    tell: Tell,
}

impl Plugins {
    #[must_use]
    pub fn new(parts: PluginParts) -> Self {
        let PluginParts {
            host,
            store,
            clock,
            metrics,
            wake,
            tell,
        } = parts;
        let limits = host.limits().clone();
        let (breakers, heard) = Breakers::new();
        Self {
            logs: PluginLogs::new(clock.now()),
            registry: Registry::new(host, store.clone(), clock),
            store,
            metrics,
            limits,
            records: Records::default(),
            breakers,
            heard: Arc::new(Mutex::new(Some(heard))),
            wake,
            tell,
        }
    }

    #[must_use]
    pub fn pipeline(&self, signer: ClaimSigner) -> Pipeline {
        Pipeline {
            registry: self.registry.clone(),
            signer,
            limits: self.limits.clone(),
            watch: Watch {
                metrics: self.metrics.clone(),
                records: self.records.clone(),
                logs: self.logs.clone(),
                breakers: self.breakers.clone(),
            },
        }
    }

    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The limits that hold for every plugin.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What this node has seen of the plugins since it started.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// What the plugins logged lately on this node.
    #[must_use]
    pub fn logs(&self) -> &PluginLogs {
        &self.logs
    }

    /// Which versions are paused on this node.
    #[must_use]
    pub fn breakers(&self) -> &Breakers {
        &self.breakers
    }

    /// Brings the metrics of the plugin threads up to date.
    pub fn refresh_metrics(&self) {
        let stats = self.registry.host().stats();
        self.metrics
            .plugins
            .set_host(stats.ticks, stats.batches_waiting, stats.batches_running);
    }

    /// Offers the plugins inside the binary to the database. A version that it has been offered
    /// before, by this node or another, is no news; so nodes of different releases do not fight.
    ///
    /// None is compiled here, so that nobody waits for plugins that nobody uses: code is made
    /// when a subscription first wants it.
    pub async fn install_shipped(&self) {
        for plugin in shipped::shipped() {
            let key = PluginKey {
                tenant: Catalog::SHARED,
                name: plugin
                    .name
                    .parse()
                    .expect("shipped plugins have valid names"),
            };
            let component = bytes::Bytes::from_static(plugin.bytes);
            match self.offer(key, component).await {
                Ok(()) => {}
                Err(PublishError::Store(PluginStoreError::Owned(owner))) => warn!(
                    plugin.name,
                    plugin.owner = owner.as_str(),
                    "shipped plugin left out because its name is taken"
                ),
                Err(why) => error!(
                    plugin.name,
                    error = %why,
                    "shipped plugin could not be installed"
                ),
            }
        }
    }

    /// Keeps the code that is in use ready, and passes on what the breakers say, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut changed = self.store.catalog().changed();
        let Some(mut told) = self.heard.lock().take() else {
            return;
        };
        self.tend().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                heard = changed.changed() => {
                    if heard.is_err() {
                        return;
                    }
                    self.tend().await;
                }
                Some(told) = told.recv() => self.pass_on(told).await,
                () = tokio::time::sleep(TEND_EVERY) => self.tend().await,
            }
        }
    }

    async fn tend(&self) {
        self.registry.tend().await;
        self.show_shares();
    }
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugins")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}
