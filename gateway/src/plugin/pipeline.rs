//! Runs the plugins of a subscription over a batch of its events.
//!
//! Fails closed: a plugin that is missing, cannot be loaded, breaks a limit or returns what cannot
//! be sent ends its event as failed, and the untransformed event goes nowhere. What then happens is
//! the subscription's `on_error`, which the delivery engine carries out.

use std::sync::Arc;
use std::time::Duration;

use hookgate_plugin_host::{BatchJob, CallFailure, CallReport, DataUrls, Limits};
use tracing::debug;

use super::claim::ClaimSigner;
use super::journal::{JournalLine, Ran};
use super::passage::Passage;
use super::records::{BatchTally, Records, SeenFailure};
use super::registry::{Registry, Resolved, Unresolved};
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId};
use crate::domain::plugin::PluginUse;
use crate::domain::prepared::{Prepared, RetryWhen};
use crate::domain::subscription::Subscription;
use crate::telemetry::metrics::{CallLabel, Metrics};

/// Events that share one instance of a plugin.
const MAX_BATCH_EVENTS: usize = 100;
/// Waits before events are handed in again that no plugin was asked about.
const WAITS_FOR_ROOM: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(250),
];

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pipeline {
    registry: Registry,
    signer: ClaimSigner,
    limits: Arc<Limits>,
    metrics: Metrics,
    records: Records,
}

impl Pipeline {
    #[must_use]
    pub fn new(
        registry: Registry,
        signer: ClaimSigner,
        limits: Arc<Limits>,
        metrics: Metrics,
        records: Records,
    ) -> Self {
        Self {
            registry,
            signer,
            limits,
            metrics,
            records,
        }
    }

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
            if !passages.iter().any(Passage::is_open) {
                break;
            }
            match self.registry.resolve(subscription.tenant, plugin).await {
                Ok(resolved) => {
                    let step = Step {
                        subscription,
                        plugin,
                        resolved,
                    };
                    self.step(&step, &mut passages).await;
                }
                Err(why) => self.fail_all(subscription, plugin, &why, &mut passages),
            }
        }
        let saved: usize = passages.iter().map(Passage::saved_bytes).sum();
        self.metrics.plugin_bytes_saved.inc_by(saved as u64);
        passages.into_iter().map(Passage::finish).collect()
    }

    /// Shows every open event to one plugin.
    async fn step(&self, step: &Step<'_>, passages: &mut [Passage]) {
        let open: Vec<&mut Passage> = passages
            .iter_mut()
            .filter(|passage| passage.is_open())
            .collect();
        let mut tally = BatchTally::default();
        for mut part in parts(open, self.limits.max_batch_bytes) {
            let reports = self.call(step, &part).await;
            for (passage, report) in part.iter_mut().zip(reports) {
                self.take(step, passage, report, &mut tally);
            }
        }
        self.records.count(&step.resolved.key, tally);
    }

    /// One report an event. What the host had no turn for is handed in again a few times.
    async fn call(&self, step: &Step<'_>, part: &[&mut Passage]) -> Vec<CallReport> {
        let mut reports: Vec<CallReport> = Vec::with_capacity(part.len());
        let mut waits = WAITS_FOR_ROOM.iter();
        loop {
            let answers = self.run_batch(step, &part[reports.len()..]).await;
            reports.extend(answers);
            let last_asked = reports.iter().rposition(|report| !is_not_asked(report));
            let asked = last_asked.map_or(0, |last| last + 1);
            match waits.next() {
                Some(wait) if asked < part.len() => {
                    reports.truncate(asked);
                    tokio::time::sleep(*wait).await;
                }
                _ => return reports,
            }
        }
    }

    async fn run_batch(&self, step: &Step<'_>, part: &[&mut Passage]) -> Vec<CallReport> {
        let ids = part.iter().map(|passage| passage.event().id).collect();
        let job = BatchJob {
            tenant: step.subscription.tenant_name.shared(),
            plugin: step.resolved.plugin.clone(),
            config: step.plugin.config.to_string().into(),
            events: part.iter().map(|passage| passage.guest().clone()).collect(),
            data_urls: self.data_urls(step.subscription, ids),
            limits: self.limits.clone(),
        };
        self.registry.host().run_batch(job).await.calls
    }

    fn data_urls(&self, subscription: &Subscription, events: Vec<EventId>) -> DataUrls {
        let (signer, subscription) = (self.signer.clone(), subscription.id);
        Arc::new(move |index| {
            events.get(index).map_or_else(String::new, |&event| {
                signer.url(DeliveryId {
                    event,
                    subscription,
                })
            })
        })
    }

    fn take(
        &self,
        step: &Step<'_>,
        passage: &mut Passage,
        report: CallReport,
        tally: &mut BatchTally,
    ) {
        let result = report
            .result
            .as_ref()
            .map_or_else(CallFailure::kind, |_| "ok");
        self.log(step, passage, &report);
        tally.durations.push(report.duration);
        self.metrics
            .plugin_call_seconds
            .observe(report.duration.as_secs_f64());
        passage.apply(step.plugin, step.resolved.digest, report.result);
        let failure = passage.failure();
        let result = failure.map_or(result, |(kind, _)| kind);
        self.count(result);
        if let Some((kind, reason)) = failure {
            let failure = self.seen(step.subscription, passage, kind, reason);
            let ran = Ran {
                plugin: step.resolved.key.clone(),
                digest: Some(step.resolved.digest),
            };
            self.log_failure(step.subscription, ran, &failure);
            tally.failures.push(failure);
            self.forgive_if_replaced(step, passage);
        }
    }

    /// The plugin was replaced while it ran: whoever activates wakes what is parked by then, and
    /// this event is not. So it is tried again with the new version.
    fn forgive_if_replaced(&self, step: &Step<'_>, passage: &mut Passage) {
        let Step {
            subscription,
            plugin,
            resolved,
        } = step;
        let now = self
            .registry
            .digest(subscription.tenant, &plugin.name, plugin.version);
        if now != Ok(resolved.digest) {
            passage.set_retry(RetryWhen::Soon);
        }
    }

    fn fail_all(
        &self,
        subscription: &Subscription,
        plugin: &PluginUse,
        why: &Unresolved,
        passages: &mut [Passage],
    ) {
        let mut tally = BatchTally::default();
        let key = self.registry.key(subscription.tenant, &plugin.name);
        let reason = why.to_string();
        for passage in passages.iter_mut().filter(|passage| passage.is_open()) {
            passage.fail(plugin, why.kind(), reason.clone());
            if why.is_passing() {
                passage.set_retry(RetryWhen::Soon);
            }
            self.count(why.kind());
            let failure = self.seen(subscription, passage, why.kind(), &reason);
            let ran = Ran {
                plugin: key.clone(),
                digest: None,
            };
            self.log_failure(subscription, ran, &failure);
            tally.failures.push(failure);
        }
        self.records.count(&key, tally);
    }

    fn seen(
        &self,
        subscription: &Subscription,
        passage: &Passage,
        kind: &'static str,
        reason: &str,
    ) -> SeenFailure {
        SeenFailure {
            at: self.registry.clock().now(),
            delivery: DeliveryId {
                event: passage.event().id,
                subscription: subscription.id,
            },
            kind,
            reason: reason.to_owned(),
        }
    }

    fn count(&self, result: &'static str) {
        let label = CallLabel { result };
        self.metrics.plugin_calls.get_or_create(&label).inc();
    }

    /// The host has escaped and bounded what a plugin logs.
    fn log(&self, step: &Step<'_>, passage: &Passage, report: &CallReport) {
        for line in &report.logs {
            debug!(
                plugin.name = %step.plugin.name,
                plugin.level = line.level.as_str(),
                plugin.line = %line.text,
                event.id = %passage.event().id,
                "plugin logged"
            );
        }
        let mut lines: Vec<(&'static str, String)> = report
            .logs
            .iter()
            .map(|line| (line.level.as_str(), line.text.clone()))
            .collect();
        if report.logs_cut > 0 {
            lines.push(("warn", format!("{} more lines were cut", report.logs_cut)));
        }
        let at = self.registry.clock().now();
        let line = |(level, text)| JournalLine {
            number: 0,
            at,
            plugin: step.resolved.key.clone(),
            digest: Some(step.resolved.digest),
            tenant: step.subscription.tenant,
            delivery: DeliveryId {
                event: passage.event().id,
                subscription: step.subscription.id,
            },
            level,
            text,
        };
        self.records.journal().note(lines.into_iter().map(line));
    }

    fn log_failure(
        &self,
        subscription: &Subscription,
        Ran { plugin, digest }: Ran,
        failure: &SeenFailure,
    ) {
        self.records.journal().note([JournalLine {
            number: 0,
            at: failure.at,
            plugin,
            digest,
            tenant: subscription.tenant,
            delivery: failure.delivery,
            level: "failed",
            text: format!("{}: {}", failure.kind, failure.reason),
        }]);
    }
}

/// One plugin in front of a subscription's events.
struct Step<'a> {
    subscription: &'a Arc<Subscription>,
    plugin: &'a PluginUse,
    resolved: Resolved,
}

fn is_not_asked(report: &CallReport) -> bool {
    matches!(&report.result, Err(failure) if failure.is_not_asked())
}

/// Splits by number and bytes; an event that is too large on its own is a part of its own, and the
/// host says so.
fn parts(open: Vec<&mut Passage>, max_bytes: usize) -> Vec<Vec<&mut Passage>> {
    let mut parts: Vec<Vec<&mut Passage>> = Vec::new();
    let mut bytes = 0;
    for passage in open {
        let size = passage.guest().data.len();
        match parts.last_mut() {
            Some(part) if part.len() < MAX_BATCH_EVENTS && bytes + size <= max_bytes => {
                bytes += size;
                part.push(passage);
            }
            _ => {
                bytes = size;
                parts.push(vec![passage]);
            }
        }
    }
    parts
}
