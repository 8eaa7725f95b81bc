//! Runs the plugins of a subscription over a batch of its events.
//!
//! Fails closed: a plugin that is missing, cannot be loaded, breaks a limit or returns what cannot
//! be sent ends its event as failed, and the untransformed event goes nowhere. What then happens is
//! the subscription's `on_error`, which the delivery engine carries out.

use std::collections::BTreeMap;
use std::sync::Arc;

use hookgate_plugin_host::Limits;

use super::breakers::Breakers;
use super::claim::ClaimSigner;
use super::logs::PluginLogs;
use super::passage::Passage;
use super::records::{Records, SeenFailure};
use super::registry::{Registry, Unresolved};
use super::step::Step;
use crate::domain::event::Event;
use crate::domain::ids::DeliveryId;
use crate::domain::plugin::PluginUse;
use crate::domain::prepared::{Prepared, RetryWhen};
use crate::domain::subscription::Subscription;
use crate::telemetry::metrics::Metrics;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pipeline {
    pub(super) registry: Registry,
    pub(super) signer: ClaimSigner,
    pub(super) limits: Arc<Limits>,
    pub(super) watch: Watch,
}

/// What looks on while plugins run. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) metrics: Metrics,
    pub(super) records: Records,
    pub(super) logs: PluginLogs,
    pub(super) breakers: Breakers,
}

impl Pipeline {
    /// What the subscription's plugins make of each event, in the same order.
    pub async fn run(
        &self,
        subscription: &Arc<Subscription>,
        events: Vec<Arc<Event>>,
    ) -> Vec<Prepared> {
        let tenant = &subscription.tenant_name;
        let mut passages: Vec<Passage> = events
            .into_iter()
            .map(|event| Passage::new(event, tenant))
            .collect();
        for plugin in &subscription.plugins {
            let open = passages.iter_mut().filter(|passage| passage.is_open());
            let open: Vec<&mut Passage> = open.collect();
            if open.is_empty() {
                break;
            }
            self.show(subscription, plugin, open).await;
        }
        let saved: usize = passages.iter().map(Passage::saved_bytes).sum();
        self.watch.metrics.plugin_bytes_saved.inc_by(saved as u64);
        passages.into_iter().map(Passage::finish).collect()
    }

    /// Shows events to one plugin: each to the version that it is to meet, and no version's events
    /// together with another's.
    async fn show(
        &self,
        subscription: &Arc<Subscription>,
        plugin: &PluginUse,
        open: Vec<&mut Passage>,
    ) {
        let entry = match self.registry.entry(subscription.tenant, &plugin.name) {
            Ok(entry) => entry,
            Err(why) => return self.fail_all(subscription, plugin, (&why, None), open),
        };
        let mut by_version: BTreeMap<Option<i32>, Vec<&mut Passage>> = BTreeMap::new();
        for passage in open {
            let version = plugin
                .version
                .or_else(|| entry.version_for(passage.event().id));
            by_version.entry(version).or_default().push(passage);
        }
        for (version, passages) in by_version {
            match self.registry.resolve(&entry, version).await {
                Ok(resolved) => {
                    let step = Step {
                        pipeline: self,
                        subscription,
                        plugin,
                        resolved: &resolved,
                    };
                    step.run(passages).await;
                }
                Err(why) => self.fail_all(subscription, plugin, (&why, version), passages),
            }
        }
    }

    fn fail_all(
        &self,
        subscription: &Subscription,
        plugin: &PluginUse,
        (why, version): (&Unresolved, Option<i32>),
        passages: Vec<&mut Passage>,
    ) {
        let reason = why.to_string();
        let mut failures = Vec::with_capacity(passages.len());
        for passage in passages {
            passage.fail(plugin, why.kind(), reason.clone());
            if why.is_passing() {
                passage.set_retry(RetryWhen::Soon);
            }
            failures.push(SeenFailure {
                at: self.registry.clock().now(),
                tenant: subscription.tenant,
                version,
                delivery: DeliveryId {
                    event: passage.event().id,
                    subscription: subscription.id,
                },
                kind: why.kind(),
                reason: reason.clone(),
            });
        }
        let key = self.registry.key(subscription.tenant, &plugin.name);
        let unserved = failures.len() as u64;
        self.watch
            .metrics
            .plugins
            .add_unserved(why.kind(), unserved);
        self.watch.records.note_without_version(&key, failures);
    }
}
