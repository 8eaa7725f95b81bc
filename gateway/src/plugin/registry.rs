//! Finds the code for a subscription's use of a plugin: name → digest by the catalog, digest → code
//! in memory.
//!
//! Code is loaded from the component in the database when it is first wanted, once however many ask
//! together, and let go when nobody has wanted it for a while. A version that cannot be loaded is a
//! value with a reason; no other version ever stands in for it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hookgate_plugin_host::{LoadedPlugin, PluginHost, Refusal};
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::{EventId, TenantId};
use crate::domain::plugin::{ComponentDigest, PluginName, PluginUse};
use crate::store::Store;
use crate::store::catalog::{Catalog, PluginEntry};
use crate::store::plugins::PluginKey;

/// A version that could not be loaded is not tried again before this has passed.
const RETRY_LOAD_AFTER: Duration = Duration::from_secs(10);
/// Code that nobody wanted for this long is let go.
const IDLE_AFTER: Duration = Duration::from_secs(600);
/// Code of so many versions is kept that nobody uses: for who tries it out next.
const MAX_UNUSED: usize = 32;

/// Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    host: PluginHost,
    store: Store,
    clock: Clock,
    slots: Mutex<HashMap<ComponentDigest, Arc<Slot>>>,
}

/// Where one version's code is, or will be.
#[derive(Default)]
struct Slot {
    plugin: ArcSwapOption<LoadedPlugin>,
    wanted_at_ms: AtomicI64,
    /// Held while loading, so that the others wait; keeps the last refusal.
    turn: tokio::sync::Mutex<Option<(Timestamp, Unresolved)>>,
}

impl Slot {
    fn wanted_at(&self) -> Timestamp {
        Timestamp::from_ms(self.wanted_at_ms.load(Ordering::Relaxed))
    }
}

/// A plugin that can run now. One batch keeps one of these, so no swap falls into it.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub key: PluginKey,
    pub version: i32,
    pub digest: ComponentDigest,
    pub plugin: Arc<LoadedPlugin>,
}

/// Why a subscription's plugin cannot run now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    #[error("there is no plugin of this name; upload it, or take it off the subscription")]
    Missing,
    #[error("no version of the plugin is active; activate one")]
    Inactive,
    #[error("the plugin has no version {0}; name one that it has, or none for the active one")]
    NoSuchVersion(i32),
    #[error("the plugin's component is not in the database any more; upload it again")]
    Lost,
    #[error("the plugin cannot be loaded: {0}")]
    NotLoadable(String),
    #[error("the plugin could not be loaded now: {0}")]
    Unavailable(String),
}

impl Unresolved {
    /// A stable name for records and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Missing | Self::Lost => "missing",
            Self::Inactive => "inactive",
            Self::NoSuchVersion(_) => "missing-version",
            Self::NotLoadable(_) => "not-loadable",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// Whether it may pass without anybody's doing.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Registry {
    #[must_use]
    pub fn new(host: PluginHost, store: Store, clock: Clock) -> Self {
        let inner = Inner {
            host,
            store,
            clock,
            slots: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    #[must_use]
    pub fn host(&self) -> &PluginHost {
        &self.inner.host
    }

    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    fn catalog(&self) -> &Catalog {
        self.inner.store.catalog()
    }

    /// What a name means to `tenant` now.
    ///
    /// # Errors
    /// Where it means nothing.
    pub fn entry(
        &self,
        tenant: TenantId,
        name: &PluginName,
    ) -> Result<Arc<PluginEntry>, Unresolved> {
        let entry = self.catalog().plugin(tenant, name);
        entry.ok_or(Unresolved::Missing)
    }

    /// The code of one version, or why no version is to run.
    ///
    /// # Errors
    /// Says why there is none, and what would help.
    pub async fn resolve(
        &self,
        entry: &PluginEntry,
        version: Option<i32>,
    ) -> Result<Resolved, Unresolved> {
        let version = version.ok_or(Unresolved::Inactive)?;
        let digest = digest_of(entry, Some(version))?;
        Ok(Resolved {
            key: key_of(entry),
            version,
            digest,
            plugin: self.load(digest).await?,
        })
    }

    /// Which code `tenant` would get now, without loading it.
    ///
    /// # Errors
    /// Where there is no such plugin or version.
    pub fn digest(
        &self,
        tenant: TenantId,
        name: &PluginName,
        version: Option<i32>,
    ) -> Result<ComponentDigest, Unresolved> {
        let entry = self
            .catalog()
            .plugin(tenant, name)
            .ok_or(Unresolved::Missing)?;
        digest_of(&entry, version)
    }

    /// Which code `event` would meet now.
    ///
    /// # Errors
    /// Where there is no such plugin or version.
    pub fn digest_for(
        &self,
        tenant: TenantId,
        plugin: &PluginUse,
        event: EventId,
    ) -> Result<ComponentDigest, Unresolved> {
        let entry = self.entry(tenant, &plugin.name)?;
        let version = plugin.version.or_else(|| entry.version_for(event));
        digest_of(&entry, version)
    }

    /// Whose plugin a name means to `tenant`; its own name where there is none.
    #[must_use]
    pub fn key(&self, tenant: TenantId, name: &PluginName) -> PluginKey {
        let entry = self.catalog().plugin(tenant, name);
        entry.map_or_else(
            || PluginKey {
                tenant,
                name: name.clone(),
            },
            |entry| key_of(&entry),
        )
    }

    /// # Errors
    /// Says why the code cannot be had.
    pub async fn load(&self, digest: ComponentDigest) -> Result<Arc<LoadedPlugin>, Unresolved> {
        let now = self.inner.clock.now();
        let slot = self.slot(digest);
        slot.wanted_at_ms.store(now.as_ms(), Ordering::Relaxed);
        if let Some(plugin) = slot.plugin.load_full() {
            return Ok(plugin);
        }
        let mut refusal = slot.turn.lock().await;
        if let Some(plugin) = slot.plugin.load_full() {
            return Ok(plugin);
        }
        if let Some((_, why)) = refusal
            .as_ref()
            .filter(|(at, _)| now.since(*at) < RETRY_LOAD_AFTER)
        {
            return Err(why.clone());
        }
        match self.fetch(digest).await {
            Ok(plugin) => {
                info!(plugin.digest = %digest, "plugin loaded");
                slot.plugin.store(Some(plugin.clone()));
                *refusal = None;
                Ok(plugin)
            }
            Err(why) => {
                warn!(plugin.digest = %digest, reason = %why, "plugin could not be loaded");
                *refusal = Some((now, why.clone()));
                Err(why)
            }
        }
    }

    /// Puts code in place that was prepared elsewhere, so that nobody loads it again.
    pub(super) fn keep(&self, digest: ComponentDigest, plugin: Arc<LoadedPlugin>) {
        let slot = self.slot(digest);
        let now_ms = self.inner.clock.now().as_ms();
        slot.wanted_at_ms.store(now_ms, Ordering::Relaxed);
        slot.plugin.store(Some(plugin));
    }

    fn slot(&self, digest: ComponentDigest) -> Arc<Slot> {
        self.inner.slots.lock().entry(digest).or_default().clone()
    }

    async fn fetch(&self, digest: ComponentDigest) -> Result<Arc<LoadedPlugin>, Unresolved> {
        let component = self
            .inner
            .store
            .component(digest)
            .await
            .map_err(|error| Unresolved::Unavailable(error.to_string()))?
            .ok_or(Unresolved::Lost)?;
        let prepared = self.inner.host.prepare(component).await;
        prepared
            .map(|prepared| prepared.plugin)
            .map_err(|refused| match refused.reason {
                Refusal::Unavailable => Unresolved::Unavailable(refused.detail),
                _ => Unresolved::NotLoadable(refused.to_string()),
            })
    }

    /// Loads what is used and is active, so that the first event finds it ready; lets
    /// idle code go. Called after each change of the configuration and now and then.
    pub async fn tend(&self) {
        let names = self.catalog().plugins_in_use();
        let mut used = HashSet::new();
        for entry in self.catalog().plugins() {
            if !names.contains(&entry.name) {
                continue;
            }
            let canary = entry.canary.map(|(version, _)| version);
            for version in [entry.active, canary].into_iter().flatten() {
                if let Some(digest) = entry.digest(Some(version)) {
                    used.insert(digest);
                    // A failure was logged, and is found again by whoever wants the code.
                    let _ = self.load(digest).await;
                }
            }
        }
        let now = self.inner.clock.now();
        let mut slots = self.inner.slots.lock();
        slots.retain(|_, slot| now.since(slot.wanted_at()) < IDLE_AFTER);
        let unused = slots.iter().filter(|(digest, _)| !used.contains(*digest));
        let mut unused: Vec<_> = unused
            .map(|(digest, slot)| (slot.wanted_at(), *digest))
            .collect();
        unused.sort_unstable_by_key(|(wanted_at, _)| std::cmp::Reverse(*wanted_at));
        for (_, digest) in unused.iter().skip(MAX_UNUSED) {
            slots.remove(digest);
        }
    }
}

fn key_of(entry: &PluginEntry) -> PluginKey {
    PluginKey {
        tenant: entry.tenant,
        name: entry.name.clone(),
    }
}

fn digest_of(entry: &PluginEntry, version: Option<i32>) -> Result<ComponentDigest, Unresolved> {
    entry.digest(version).ok_or(match version {
        Some(number) => Unresolved::NoSuchVersion(number),
        None => Unresolved::Inactive,
    })
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("loaded", &self.inner.slots.lock().len())
            .finish_non_exhaustive()
    }
}
