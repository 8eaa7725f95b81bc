//! What this node has seen of each plugin since it started: calls, times, the last failures, and
//! files of the folder that were refused.
//!
//! Kept in memory and bounded; what must outlast the process is in the attempts.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::journal::Journal;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{DeliveryId, TenantId};
use crate::domain::plugin::PluginName;
use crate::store::plugins::PluginKey;

const MAX_FAILURES: usize = 20;
/// Durations that the percentiles are taken from.
const MAX_DURATIONS: usize = 1024;
/// Names that can be told apart; plugins that subscriptions name but nobody has count too.
const MAX_PLUGINS: usize = 10_000;

/// One call that came to no verdict, or one event that could not be shown to a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenFailure {
    pub at: Timestamp,
    pub delivery: DeliveryId,
    pub kind: &'static str,
    pub reason: String,
}

/// A file of the folder that was not taken; the version before it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedFile {
    pub at: Timestamp,
    pub kind: &'static str,
    pub reason: String,
}

/// Calls of one plugin on this node since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub calls: u64,
    pub failed_calls: u64,
    /// Of the last calls.
    pub median: Duration,
    pub p99: Duration,
    /// Newest first.
    pub failures: Vec<SeenFailure>,
    pub refused_file: Option<RefusedFile>,
}

/// What came of a batch, to be counted.
#[derive(Debug, Default)]
pub(super) struct BatchTally {
    pub(super) durations: Vec<Duration>,
    pub(super) failures: Vec<SeenFailure>,
}

/// The memory of all plugins. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Records {
    seen: Arc<Mutex<HashMap<PluginKey, Record>>>,
    journal: Journal,
}

#[derive(Debug, Default)]
struct Record {
    calls: u64,
    failed_calls: u64,
    durations: VecDeque<Duration>,
    failures: VecDeque<SeenFailure>,
    refused_file: Option<RefusedFile>,
}

impl Records {
    pub(super) fn count(&self, key: &PluginKey, tally: BatchTally) {
        self.with(key, |record| {
            record.calls += tally.durations.len() as u64;
            record.failed_calls += tally.failures.len() as u64;
            for duration in tally.durations {
                push(&mut record.durations, duration, MAX_DURATIONS);
            }
            for failure in tally.failures {
                push(&mut record.failures, failure, MAX_FAILURES);
            }
        });
    }

    /// Notes how the last look at a plugin's file ended; none where it was taken.
    pub(super) fn note_file(&self, key: &PluginKey, refused: Option<RefusedFile>) {
        self.with(key, |record| record.refused_file = refused);
    }

    /// What the plugins logged.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    #[must_use]
    pub fn seen(&self, key: &PluginKey) -> Seen {
        self.seen
            .lock()
            .get(key)
            .map(Record::seen)
            .unwrap_or_default()
    }

    /// Names of `tenant` whose last file was refused.
    #[must_use]
    pub fn refused_files(&self, tenant: TenantId) -> Vec<PluginName> {
        let records = self.seen.lock();
        let refused = records
            .iter()
            .filter(|(key, record)| key.tenant == tenant && record.refused_file.is_some());
        refused.map(|(key, _)| key.name.clone()).collect()
    }

    fn with(&self, key: &PluginKey, change: impl FnOnce(&mut Record)) {
        let mut records = self.seen.lock();
        if let Some(record) = records.get_mut(key) {
            change(record);
        } else if records.len() < MAX_PLUGINS {
            change(records.entry(key.clone()).or_default());
        }
    }
}

impl Record {
    fn seen(&self) -> Seen {
        let mut sorted: Vec<Duration> = self.durations.iter().copied().collect();
        sorted.sort_unstable();
        Seen {
            calls: self.calls,
            failed_calls: self.failed_calls,
            median: percentile(&sorted, 50),
            p99: percentile(&sorted, 99),
            failures: self.failures.iter().rev().cloned().collect(),
            refused_file: self.refused_file.clone(),
        }
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

fn push<T>(ring: &mut VecDeque<T>, value: T, max: usize) {
    if ring.len() == max {
        ring.pop_front();
    }
    ring.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_last_calls() {
        let key = PluginKey {
            tenant: TenantId::new(0),
            name: "skinny".parse().unwrap(),
        };
        let records = Records::default();
        let durations = (1..=2000).map(Duration::from_micros).collect();
        let tally = BatchTally {
            durations,
            ..BatchTally::default()
        };
        records.count(&key, tally);
        let seen = records.seen(&key);
        assert_eq!(seen.calls, 2000);
        assert_eq!(seen.median, Duration::from_micros(976 + 512));
        assert_eq!(seen.p99, Duration::from_micros(976 + 1014));
    }
}
