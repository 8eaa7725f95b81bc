//! Counts what the host does, for metrics.

use crate::report::CallReport;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Sums since the start, and how things are now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Instances come from a pool; else each is allocated on its own.
    pub is_pooling: bool,
    pub batches: u64,
    pub calls: u64,
    pub failed_calls: u64,
    pub timed_out_calls: u64,
    /// Batches turned away for want of room.
    pub overloads: u64,
    /// Processor time in guests.
    pub cpu_time: Duration,
    pub batches_waiting: usize,
    pub batches_running: usize,
    pub compiles: u64,
    pub failed_compiles: u64,
    pub cache_hits: u64,
    /// Cached artefacts that did not verify.
    pub cache_spoiled: u64,
    /// Stands still when guests are no longer interrupted.
    pub ticks: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    calls: AtomicU64,
    failed_calls: AtomicU64,
    timed_out_calls: AtomicU64,
    pub(crate) overloads: AtomicU64,
    cpu_nanos: AtomicU64,
    pub(crate) compiles: AtomicU64,
    pub(crate) failed_compiles: AtomicU64,
    pub(crate) cache_hits: AtomicU64,
    pub(crate) cache_spoiled: AtomicU64,
    pub(crate) ticks: AtomicU64,
}

pub(crate) fn increment(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    pub(crate) fn add_calls<'a, T: 'a>(
        &self,
        reports: impl IntoIterator<Item = &'a CallReport<T>>,
    ) {
        for report in reports {
            match &report.result {
                Err(failure) if failure.is_not_asked() => continue,
                Err(failure) => {
                    increment(&self.failed_calls);
                    self.timed_out_calls
                        .fetch_add(u64::from(failure.kind() == "timeout"), Relaxed);
                }
                Ok(_) => {}
            }
            increment(&self.calls);
            let nanos = u64::try_from(report.cpu.as_nanos()).unwrap_or(u64::MAX);
            self.cpu_nanos.fetch_add(nanos, Relaxed);
        }
    }

    /// `load` is what waits and what runs.
    pub(crate) fn snapshot(&self, is_pooling: bool, load: (usize, usize)) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        Stats {
            is_pooling,
            batches: read(&self.batches),
            calls: read(&self.calls),
            failed_calls: read(&self.failed_calls),
            timed_out_calls: read(&self.timed_out_calls),
            overloads: read(&self.overloads),
            cpu_time: Duration::from_nanos(read(&self.cpu_nanos)),
            batches_waiting: load.0,
            batches_running: load.1,
            compiles: read(&self.compiles),
            failed_compiles: read(&self.failed_compiles),
            cache_hits: read(&self.cache_hits),
            cache_spoiled: read(&self.cache_spoiled),
            ticks: read(&self.ticks),
        }
    }
}
