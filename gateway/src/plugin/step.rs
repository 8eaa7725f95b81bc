//! One version of a plugin in front of a subscription's events: asked, counted and judged.
//!
//! All events of a step meet the same code, whatever is activated meanwhile. A version that is
//! paused is not asked, and its events wait.

use std::sync::Arc;
use std::time::Duration;

use hookgate_plugin_host::{
    BatchJob, BatchReport, CallFailure, CallReport, DataUrls, LogLevel, LogLine,
};
use tracing::debug;

use super::breaker::{Admission, Judged};
use super::breakers::{BreakerKey, Noted};
use super::logs::CallPlace;
use super::passage::Passage;
use super::pipeline::Pipeline;
use super::records::{BatchTally, SeenFailure};
use super::registry::Resolved;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{DeliveryId, EventId};
use crate::domain::plugin::PluginUse;
use crate::domain::prepared::RetryWhen;
use crate::domain::subscription::Subscription;
use crate::store::catalog::Catalog;
use crate::store::plugins::PluginKey;

/// Events that share one instance of a plugin.
const MAX_BATCH_EVENTS: usize = 100;
/// Waits before events are handed in again that no plugin was asked about.
const WAITS_FOR_ROOM: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(250),
];

pub(super) struct Step<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) subscription: &'a Arc<Subscription>,
    pub(super) plugin: &'a PluginUse,
    pub(super) resolved: &'a Resolved,
}

impl Step<'_> {
    /// Shows the events to the plugin, unless it is paused.
    pub(super) async fn run(&self, open: Vec<&mut Passage>) {
        let admission = self.breakers().admit(self.breaker_key(), self.now());
        if let Admission::Wait { until } = admission {
            return self.park_all(until, open);
        }
        let mut tally = BatchTally::default();
        let mut judged = Vec::with_capacity(open.len());
        for mut part in parts(open, self.pipeline.limits.max_batch_bytes) {
            let reports = self.call(&part, &mut tally).await;
            for (passage, report) in part.iter_mut().zip(reports) {
                judged.extend(self.take(passage, report, &mut tally));
            }
        }
        self.conclude(admission, &judged, tally);
    }

    /// One report an event. What the host had no turn for is handed in again a few times.
    async fn call(&self, part: &[&mut Passage], tally: &mut BatchTally) -> Vec<CallReport> {
        let mut reports: Vec<CallReport> = Vec::with_capacity(part.len());
        let mut waits = WAITS_FOR_ROOM.iter();
        loop {
            let batch = self.run_batch(&part[reports.len()..]).await;
            tally.usage.queued += batch.queued;
            let times = &self.pipeline.watch.metrics.plugin_times;
            times.queue.observe(batch.queued.as_secs_f64());
            reports.extend(batch.calls);
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

    async fn run_batch(&self, part: &[&mut Passage]) -> BatchReport {
        let ids = part.iter().map(|passage| passage.event().id).collect();
        let job = BatchJob {
            tenant: self.subscription.tenant_name.shared(),
            plugin: self.resolved.plugin.clone(),
            config: self.plugin.config.to_string().into(),
            events: part.iter().map(|passage| passage.guest().clone()).collect(),
            data_urls: self.data_urls(ids),
            limits: self.pipeline.limits.clone(),
        };
        self.pipeline.registry.host().run_batch(job).await
    }

    fn data_urls(&self, events: Vec<EventId>) -> DataUrls {
        let (signer, subscription) = (self.pipeline.signer.clone(), self.subscription.id);
        Arc::new(move |index| {
            events.get(index).map_or_else(String::new, |&event| {
                signer.url(DeliveryId {
                    event,
                    subscription,
                })
            })
        })
    }

    /// Takes in what came of one event; says how the plugin did, where it is to be judged by it.
    fn take(
        &self,
        passage: &mut Passage,
        report: CallReport,
        tally: &mut BatchTally,
    ) -> Option<Judged> {
        // None: it answered.
        let is_to_blame = report.result.as_ref().err();
        let is_to_blame = is_to_blame.map(CallFailure::is_plugins_fault);
        let outcome = report.result.as_ref();
        let mut kind = outcome.map_or_else(CallFailure::kind, |_| "ok");
        self.measure(&report, tally);
        self.keep_lines(passage, &report);
        passage.apply(self.plugin, self.resolved.digest, report.result);
        let failure = passage.failure();
        let is_sendable = failure.is_none();
        if let Some((found, reason)) = failure {
            kind = found;
            self.keep_failure(passage, kind, reason);
            tally.failures.push(self.seen(passage, kind, reason));
            self.forgive_if_replaced(passage);
        }
        *tally.usage.calls.entry(kind).or_default() += 1;
        match is_to_blame {
            None if is_sendable => Some(Judged::Well),
            None | Some(true) => Some(Judged::Badly),
            Some(false) => None,
        }
    }

    fn measure(&self, report: &CallReport, tally: &mut BatchTally) {
        let times = &self.pipeline.watch.metrics.plugin_times;
        times.call.observe(report.duration.as_secs_f64());
        tally.durations.push(report.duration);
        let usage = &mut tally.usage;
        usage.called += report.duration;
        usage.cpu += report.cpu;
        if let Some(start) = &report.start {
            times.instantiate.observe(start.duration.as_secs_f64());
            usage.starts += 1;
            usage.started += start.duration;
            usage.cpu += start.cpu;
        }
        usage.memory_peak_bytes = usage.memory_peak_bytes.max(report.memory_bytes);
        usage.bytes_in += report.bytes_in as u64;
        usage.bytes_out += report.bytes_out as u64;
        usage.log_lines += report.logs.len() as u64;
        usage.log_lines_cut += u64::from(report.logs_cut);
    }

    /// The host has escaped and bounded what a plugin logs.
    fn keep_lines(&self, passage: &Passage, report: &CallReport) {
        if report.logs.is_empty() {
            return;
        }
        for line in &report.logs {
            debug!(
                plugin.name = %self.plugin.name,
                plugin.version = self.resolved.version,
                plugin.level = line.level.as_str(),
                plugin.line = %line.text,
                event.id = %passage.event().id,
                "plugin logged"
            );
        }
        let logs = &self.pipeline.watch.logs;
        let lines = report.logs.clone();
        logs.write(self.key(), self.place(passage), lines, report.logs_cut);
    }

    /// Whoever follows a plugin's log sees where it failed.
    fn keep_failure(&self, passage: &Passage, kind: &str, reason: &str) {
        let line = LogLine {
            level: LogLevel::Error,
            text: format!("failed: {kind}: {reason}"),
        };
        let logs = &self.pipeline.watch.logs;
        logs.write(self.key(), self.place(passage), vec![line], 0);
    }

    fn place(&self, passage: &Passage) -> CallPlace {
        CallPlace {
            at: self.now(),
            tenant: self.subscription.tenant,
            version: self.resolved.version,
            delivery: self.delivery(passage),
        }
    }

    /// The plugin was replaced while it ran: whoever activates wakes what is parked by then, and
    /// this event is not. So it is tried again with the new version.
    fn forgive_if_replaced(&self, passage: &mut Passage) {
        let registry = &self.pipeline.registry;
        let now = registry.digest_for(self.subscription.tenant, self.plugin, passage.event().id);
        if now != Ok(self.resolved.digest) {
            passage.set_retry(RetryWhen::Soon);
        }
    }

    fn park_all(&self, until: Timestamp, open: Vec<&mut Passage>) {
        let parked = open.len() as u64;
        for passage in open {
            let reason = format!(
                "version {} is paused because it kept failing; activate a version that is mended, \
                 or wait until it is tried again",
                self.resolved.version
            );
            passage.fail(self.plugin, "paused", reason);
            passage.set_retry(RetryWhen::Resumed { until });
        }
        let metrics = &self.pipeline.watch.metrics.plugins;
        metrics.add_unserved("paused", parked);
    }

    fn conclude(&self, admission: Admission, judged: &[Judged], tally: BatchTally) {
        let noted = Noted {
            plugin: self.key(),
            version: self.resolved.version,
            admission,
            results: judged,
            last_failure: tally.failures.last().cloned(),
        };
        self.breakers().note(self.breaker_key(), noted, self.now());
        let (key, version) = (self.key(), self.resolved.version);
        let name = (key.tenant == Catalog::SHARED).then(|| key.name.as_str());
        let watch = &self.pipeline.watch;
        watch.metrics.plugins.add(name, version, &tally.usage);
        watch.records.count(key, version, tally);
    }

    fn seen(&self, passage: &Passage, kind: &'static str, reason: &str) -> SeenFailure {
        SeenFailure {
            at: self.now(),
            tenant: self.subscription.tenant,
            version: Some(self.resolved.version),
            delivery: self.delivery(passage),
            kind,
            reason: reason.to_owned(),
        }
    }

    fn delivery(&self, passage: &Passage) -> DeliveryId {
        DeliveryId {
            event: passage.event().id,
            subscription: self.subscription.id,
        }
    }

    fn key(&self) -> &PluginKey {
        &self.resolved.key
    }

    fn breakers(&self) -> &super::breakers::Breakers {
        &self.pipeline.watch.breakers
    }

    fn breaker_key(&self) -> BreakerKey {
        BreakerKey {
            digest: self.resolved.digest,
            tenant: self.subscription.tenant,
        }
    }

    fn now(&self) -> Timestamp {
        self.pipeline.registry.clock().now()
    }
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
                part.push(passage);
                bytes += size;
            }
            _ => {
                parts.push(vec![passage]);
                bytes = size;
            }
        }
    }
    parts
}
