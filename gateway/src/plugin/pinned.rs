//! Runs one version of a plugin, named by its digest, over events that lie in the past: for
//! backtests, and to make a past delivery again.
//!
//! Other than the pipeline it asks nobody which version is active, counts nothing and fails
//! nothing: what comes back is what the plugin said.

use std::sync::Arc;
use std::time::Duration;

use hookgate_plugin_host::{BatchJob, CallFailure, CallReport, GuestEvent, LoadedPlugin, Verdict};

use super::Plugins;
use super::claim::ClaimSigner;
use super::passage::Passage;
use super::registry::{Registry, Unresolved};
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId, SubscriptionId};
use crate::domain::plugin::{ComponentDigest, PluginUse};
use crate::domain::tenant::TenantName;

/// Events that share one instance, as they do when they are delivered.
pub(super) const BATCH_EVENTS: usize = 100;
/// How often a batch for which there is no room is handed in again.
const MAX_TRIES: u32 = 200;
const WAIT_FOR_ROOM: Duration = Duration::from_millis(50);

/// A version and how a subscription uses it.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    pub(super) used: PluginUse,
    pub(super) digest: ComponentDigest,
    plugin: Arc<LoadedPlugin>,
    config: Arc<str>,
}

/// On whose account events are run, and for which subscription.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) registry: Registry,
    pub(super) claims: ClaimSigner,
    /// The queue of the plugin threads that it waits in.
    pub(super) queue: Arc<str>,
    pub(super) subscription: SubscriptionId,
}

impl Pinned {
    /// # Errors
    /// Where the component is not stored any more, or does not load.
    pub(super) async fn load(
        registry: &Registry,
        used: PluginUse,
        digest: ComponentDigest,
    ) -> Result<Self, Unresolved> {
        Ok(Self {
            plugin: registry.load(digest).await?,
            config: used.config.to_string().into(),
            used,
            digest,
        })
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.plugin.size_bytes()
    }

    /// One report an event, of at most [`BATCH_EVENTS`]. What the host had no turn for is handed
    /// in again; in the end its report says so.
    pub(super) async fn reports(
        &self,
        account: &Account,
        (ids, guests): (&[EventId], &[GuestEvent]),
    ) -> Vec<CallReport> {
        let mut reports: Vec<CallReport> = Vec::with_capacity(guests.len());
        for _ in 0..MAX_TRIES {
            let from = reports.len();
            let to = self.part_end(account, &guests[from..]) + from;
            let job = BatchJob {
                tenant: account.queue.clone(),
                plugin: self.plugin.clone(),
                config: self.config.clone(),
                events: guests[from..to].to_vec(),
                data_urls: data_urls(account, &ids[from..to]),
                limits: account.registry.host().limits().clone(),
            };
            reports.extend(account.registry.host().run_batch(job).await.calls);
            let asked = reports.iter().rposition(|report| !is_not_asked(report));
            let asked = asked.map_or(0, |last| last + 1);
            if asked == guests.len() {
                return reports;
            }
            reports.truncate(asked);
            if asked == from {
                tokio::time::sleep(WAIT_FOR_ROOM).await;
            }
        }
        // Still no room: says so for what is left.
        let job = BatchJob {
            tenant: account.queue.clone(),
            plugin: self.plugin.clone(),
            config: self.config.clone(),
            events: guests[reports.len()..].to_vec(),
            data_urls: data_urls(account, &ids[reports.len()..]),
            limits: account.registry.host().limits().clone(),
        };
        reports.extend(account.registry.host().run_batch(job).await.calls);
        reports
    }

    /// Takes in what it made of an event, and says in a word what that was: `pass`, `drop`,
    /// `replace`, `deliver`, or `failed`, also where what it returned cannot be sent.
    pub(super) fn apply(
        &self,
        passage: &mut Passage,
        result: Result<Verdict, CallFailure>,
    ) -> &'static str {
        let verdict = match &result {
            Ok(Verdict::Pass) => "pass",
            Ok(Verdict::Drop(_)) => "drop",
            Ok(Verdict::Replace(_)) => "replace",
            Ok(Verdict::Deliver(_)) => "deliver",
            Err(_) => "failed",
        };
        passage.apply(&self.used, self.digest, result);
        match passage.failure() {
            Some(_) => "failed",
            None => verdict,
        }
    }

    /// How many of `guests` go into one batch by their bytes; at least one.
    fn part_end(&self, account: &Account, guests: &[GuestEvent]) -> usize {
        let max_bytes = account.registry.host().limits().max_batch_bytes;
        let mut bytes = 0;
        let fits = guests.iter().take_while(|guest| {
            bytes += guest.data.len();
            bytes <= max_bytes
        });
        fits.count().max(1).min(guests.len())
    }
}

fn is_not_asked(report: &CallReport) -> bool {
    matches!(&report.result, Err(failure) if failure.is_not_asked())
}

fn data_urls(account: &Account, ids: &[EventId]) -> hookgate_plugin_host::DataUrls {
    let (claims, subscription) = (account.claims.clone(), account.subscription);
    let ids = ids.to_vec();
    Arc::new(move |index| {
        ids.get(index).map_or_else(String::new, |&event| {
            claims.url(DeliveryId {
                event,
                subscription,
            })
        })
    })
}

impl Plugins {
    /// Folds past events with the code that is named by its digest.
    ///
    /// # Errors
    /// Where it is not stored any more, or the plugin fails now; in words.
    pub async fn fold_again(
        &self,
        digest: ComponentDigest,
        tenant: &TenantName,
        events: &[Arc<Event>],
    ) -> Result<Arc<Event>, String> {
        let limits = Arc::new(hookgate_plugin_host::Limits::default());
        super::fold::fold_again((&self.registry, limits), digest, tenant, events).await
    }
}

/// Shows every open passage to one version.
pub(super) async fn pass(pinned: &Pinned, account: &Account, passages: &mut [&mut Passage]) {
    let mut open: Vec<&mut &mut Passage> = passages
        .iter_mut()
        .filter(|passage| passage.is_open())
        .collect();
    let ids: Vec<EventId> = open.iter().map(|passage| passage.event().id).collect();
    let guests: Vec<GuestEvent> = open.iter().map(|one| one.guest().clone()).collect();
    let reports = pinned.reports(account, (&ids, &guests)).await;
    for (passage, report) in open.iter_mut().zip(reports) {
        pinned.apply(passage, report.result);
    }
}
