//! What happens when a version of a plugin is paused or runs again: log, metrics, an event for the
//! tenant, and the deliveries that wait are woken.

use tracing::{info, warn};

use super::Plugins;
use super::breakers::{Pause, Told};
use super::records::SeenFailure;
use crate::domain::ids::SubscriptionId;
use crate::domain::notice::{Notice, PluginPause, PluginPauseFailure};
use crate::store::catalog::Catalog;

impl From<&SeenFailure> for PluginPauseFailure {
    fn from(failure: &SeenFailure) -> Self {
        Self {
            event: failure.delivery.event.to_string(),
            kind: failure.kind,
            reason: failure.reason.clone(),
        }
    }
}

impl Plugins {
    pub(super) async fn pass_on(&self, told: Told) {
        match told {
            Told::Paused(pause) => self.paused(&pause),
            Told::Resumed(pause) => self.resumed(&pause).await,
        }
    }

    fn paused(&self, pause: &Pause) {
        warn!(
            plugin.name = %pause.plugin.name,
            plugin.version = pause.version,
            plugin.digest = %pause.digest,
            tenant.id = pause.tenant.get(),
            reason = pause.why.as_str(),
            paused_until = %pause.until.to_rfc3339(),
            "plugin paused"
        );
        self.count_pauses(pause);
        let notice = PluginPause {
            plugin: pause.plugin.name.clone(),
            is_shared: pause.plugin.tenant == Catalog::SHARED,
            version: pause.version,
            digest: pause.digest.to_string(),
            reason: pause.why.as_str(),
            paused_until: pause.until.to_rfc3339(),
            last_failure: pause.last_failure.as_ref().map(PluginPauseFailure::from),
            subscriptions: self.users_of(pause),
        };
        (self.tell)(pause.tenant, Notice::PluginPaused(Box::new(notice)));
    }

    async fn resumed(&self, pause: &Pause) {
        info!(
            plugin.name = %pause.plugin.name,
            plugin.version = pause.version,
            tenant.id = pause.tenant.get(),
            "plugin runs again"
        );
        self.count_pauses(pause);
        for subscription in self.users_of(pause) {
            (self.wake)(subscription).await;
        }
    }

    fn users_of(&self, pause: &Pause) -> Vec<SubscriptionId> {
        let users = self.store.catalog().users_of(&pause.plugin.name);
        let users = users
            .into_iter()
            .filter(|user| user.tenant == pause.tenant)
            .filter(|user| self.registry.key(user.tenant, &pause.plugin.name) == pause.plugin);
        users.map(|user| user.id).collect()
    }

    fn count_pauses(&self, pause: &Pause) {
        let key = &pause.plugin;
        let name = (key.tenant == Catalog::SHARED).then(|| key.name.as_str());
        let pauses = self.breakers.pauses(pause.digest).len();
        let metrics = &self.metrics.plugins;
        metrics.set_paused(name, pause.version, pauses);
    }

    /// Shows in the metrics which versions of the shared plugins serve, and how much.
    pub(super) fn show_shares(&self) {
        for entry in self.store.catalog().plugins_of(Catalog::SHARED) {
            for &(version, digest) in &entry.versions {
                let share = entry.share_of(version);
                let metrics = &self.metrics.plugins;
                metrics.set_share(entry.name.as_str(), version, share);
                metrics.set_paused(
                    Some(entry.name.as_str()),
                    version,
                    self.breakers.pauses(digest).len(),
                );
            }
        }
    }
}
