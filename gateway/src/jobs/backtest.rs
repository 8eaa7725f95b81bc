//! Drives a backtest: reads stored events newest first, page by page, hands them to both versions,
//! and writes down what was found so far about once a second.
//!
//! A node that takes the job over goes on with the tally of the last one; the events since its last
//! step are compared again and counted once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::again::saved;
use super::{Jobs, Stopped};
use crate::domain::event::Event;
use crate::domain::ids::{EventId, TenantId};
use crate::domain::job::{BacktestSpec, BacktestUse, EventRange};
use crate::plugin::backtest_tally::{Side, Tally};
use crate::store::StoreError;
use crate::store::job_lease::LeasedJob;

/// Events read at once.
const PAGE_EVENTS: u32 = 1000;
/// Calls that ran out of time, of one version, after which the rest is not worth the wait.
const MAX_TIMEOUTS: u64 = 200;
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Where a backtest is, kept over the death of its node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    uses_done: usize,
    /// Events of the present use so far, and the last that was read.
    seen: u32,
    before: Option<EventId>,
    /// Milliseconds of work, of all nodes that had a part in it.
    worked_ms: u64,
    sizes: (usize, usize),
    tally: Tally,
}

impl Jobs {
    pub(super) async fn backtest(
        &self,
        job: &LeasedJob,
        spec: &BacktestSpec,
    ) -> Result<Value, Stopped> {
        let mut progress: Progress = saved(job);
        if job.saved.is_none() {
            progress.tally = Tally::with_samples(spec.samples);
        }
        let total = match job.total {
            Some(total) => total,
            None => self.count_events(spec).await?,
        };
        self.save_backtest(job, total, &progress).await?;
        while let Some(of) = spec.uses.get(progress.uses_done) {
            if progress.is_hopeless() {
                break;
            }
            self.one_use(job, (spec, of), total, &mut progress).await?;
            progress.uses_done += 1;
            (progress.seen, progress.before) = (0, None);
            self.save_backtest(job, total, &progress).await?;
        }
        Ok(report(spec, &progress))
    }

    async fn count_events(&self, spec: &BacktestSpec) -> Result<u64, StoreError> {
        let mut total = 0;
        for of in &spec.uses {
            let tenant = TenantId::new(of.tenant);
            let range = range(spec, of);
            let store = &self.parts.store;
            total += store.count_stored(tenant, &range, spec.last).await?;
        }
        Ok(total)
    }

    async fn one_use(
        &self,
        job: &LeasedJob,
        (spec, of): (&BacktestSpec, &BacktestUse),
        total: u64,
        progress: &mut Progress,
    ) -> Result<(), Stopped> {
        let claims = self.parts.claims.clone();
        let backtest = self.parts.plugins.backtest(spec, of, claims).await;
        let backtest = backtest.map_err(|error| Stopped::Failed(error.to_string()))?;
        progress.sizes = backtest.sizes();
        let mut page = self.page((spec, of), progress).await?;
        let mut begun = Instant::now();
        while let Some(last) = page.last() {
            if progress.is_hopeless() {
                break;
            }
            progress.before = Some(last.id);
            let events = backtest.wanted(std::mem::take(&mut page));
            progress.seen += u32::try_from(events.len()).unwrap_or(u32::MAX);
            // The next page is read while this one is worked through.
            let next = {
                let ahead = progress.clone_position();
                let (next, ()) = tokio::join!(
                    self.page((spec, of), &ahead),
                    backtest.run(events, &mut progress.tally),
                );
                next?
            };
            page = next;
            if begun.elapsed() >= SAVE_EVERY || page.is_empty() {
                progress.worked_ms += u64::try_from(begun.elapsed().as_millis()).unwrap_or(0);
                self.save_backtest(job, total, progress).await?;
                begun = Instant::now();
            }
        }
        Ok(())
    }

    async fn page(
        &self,
        (spec, of): (&BacktestSpec, &BacktestUse),
        progress: &Progress,
    ) -> Result<Vec<Event>, StoreError> {
        let limit = spec.last.saturating_sub(progress.seen).min(PAGE_EVENTS);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (tenant, range) = (TenantId::new(of.tenant), range(spec, of));
        let place = (progress.before, limit);
        self.parts.store.stored_page(tenant, &range, place).await
    }

    async fn save_backtest(
        &self,
        job: &LeasedJob,
        total: u64,
        progress: &Progress,
    ) -> Result<(), Stopped> {
        let done = progress.tally.compared + progress.tally.skipped;
        let saved = serde_json::to_value(progress).expect("progress is plain data");
        let step = self.step(job.lease).await?;
        Ok(step.commit((done, Some(total.max(done))), &saved).await?)
    }
}

impl Progress {
    /// Whether a version runs out of time again and again.
    fn is_hopeless(&self) -> bool {
        [&self.tally.before, &self.tally.after].iter().any(|side| {
            let timeouts = side.errors.get("timeout");
            timeouts.is_some_and(|seen| seen.count >= MAX_TIMEOUTS)
        })
    }

    /// Without the tally, which is being added to.
    fn clone_position(&self) -> Self {
        Self {
            seen: self.seen,
            before: self.before,
            ..Self::default()
        }
    }
}

fn range(spec: &BacktestSpec, of: &BacktestUse) -> EventRange {
    EventRange {
        since_ms: spec.since_ms,
        until_ms: spec.until_ms,
        types: of.types.clone(),
    }
}

/// What the job's result shows.
fn report(spec: &BacktestSpec, progress: &Progress) -> Value {
    let tally = &progress.tally;
    let percent = |part: u64| match tally.compared {
        0 => 0.0,
        all => (part as f64 * 1e6 / all as f64).round() / 1e4,
    };
    let seconds = progress.worked_ms as f64 / 1000.0;
    let per_second = if progress.worked_ms == 0 {
        None
    } else {
        Some((tally.compared as f64 / seconds).round())
    };
    json!({
        "plugin": spec.plugin,
        "version": spec.candidate.number,
        "digest": spec.candidate.digest,
        "against": spec.baseline.number,
        "against_digest": spec.baseline.digest,
        "subscriptions": spec.uses.iter().filter_map(|one| one.subscription).collect::<Vec<_>>(),
        "compared": tally.compared,
        "skipped": tally.skipped,
        "equal": tally.compared - tally.changed,
        "changed": tally.changed,
        "changed_percent": percent(tally.changed),
        "respelled": tally.respelled,
        "transitions": tally.transitions,
        "before": side(&tally.before, progress.sizes.0),
        "after": side(&tally.after, progress.sizes.1),
        "samples": tally.samples,
        "ended_early": progress
            .is_hopeless()
            .then(|| format!("a version ran out of time {MAX_TIMEOUTS} times")),
        "seconds": seconds,
        "events_per_second": per_second,
    })
}

fn side(side: &Side, component_bytes: usize) -> Value {
    let mean_us = |ns: u64| match side.calls {
        0 => 0.0,
        calls => (ns as f64 / calls as f64 / 10.0).round() / 100.0,
    };
    let us = |percent| side.percentile(percent).as_nanos() as f64 / 1000.0;
    json!({
        "verdicts": side.verdicts,
        "errors": side.errors,
        "mean_us": mean_us(side.wall_ns),
        "p50_us": (us(50) * 10.0).round() / 10.0,
        "p99_us": (us(99) * 10.0).round() / 10.0,
        "cpu_us": mean_us(side.cpu_ns),
        "bytes_out": side.bytes_out,
        "component_bytes": component_bytes,
    })
}
