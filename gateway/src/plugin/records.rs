//! What this node has seen of each version of each plugin since it started: calls, times, the last
//! failures, and files of the folder that were refused.
//!
//! Kept in memory and bounded; what must outlast the process is in the attempts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::clock::Timestamp;
use crate::domain::ids::{DeliveryId, TenantId};
use crate::domain::plugin::PluginName;
use crate::store::plugins::PluginKey;
use crate::telemetry::plugins::Usage;

const MAX_FAILURES: usize = 20;
/// Durations that the percentiles are taken from.
const MAX_DURATIONS: usize = 1024;
/// Names that can be told apart; plugins that subscriptions name but nobody has count too.
const MAX_PLUGINS: usize = 10_000;
/// Versions of a plugin that are remembered: the newest ones.
const MAX_VERSIONS: usize = 16;

/// One call that came to no verdict, or one event that could not be shown to a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenFailure {
    pub at: Timestamp,
    /// Whose event it was.
    pub tenant: TenantId,
    /// None where no version could be found for the event.
    pub version: Option<i32>,
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

/// A plugin on this node since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// By number.
    pub versions: BTreeMap<i32, SeenVersion>,
    /// Of the last calls, all versions together.
    pub median: Duration,
    pub p99: Duration,
    /// Events for which there was no version, newest first.
    pub without_version: Vec<SeenFailure>,
    pub refused_file: Option<RefusedFile>,
}

/// Calls of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenVersion {
    pub usage: Usage,
    /// Of the last calls.
    pub median: Duration,
    pub p99: Duration,
    /// Newest first.
    pub failures: Vec<SeenFailure>,
}

impl Seen {
    /// The last failures of all versions, newest first.
    #[must_use]
    pub fn failures(&self) -> Vec<&SeenFailure> {
        let of_versions = self.versions.values().flat_map(|seen| &seen.failures);
        let mut all: Vec<_> = of_versions.chain(&self.without_version).collect();
        all.sort_by_key(|failure| std::cmp::Reverse(failure.at));
        all.truncate(MAX_FAILURES);
        all
    }
}

/// What came of a batch, to be counted.
#[derive(Debug, Default)]
pub(super) struct BatchTally {
    pub(super) usage: Usage,
    pub(super) durations: Vec<Duration>,
    pub(super) failures: Vec<SeenFailure>,
}

/// The memory of all plugins. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Records(Arc<Mutex<HashMap<PluginKey, Record>>>);

#[derive(Debug, Default)]
struct Record {
    versions: BTreeMap<i32, VersionRecord>,
    without_version: VecDeque<SeenFailure>,
    refused_file: Option<RefusedFile>,
}

#[derive(Debug, Default)]
struct VersionRecord {
    usage: Usage,
    durations: VecDeque<Duration>,
    failures: VecDeque<SeenFailure>,
}

impl Records {
    pub(super) fn count(&self, key: &PluginKey, version: i32, tally: BatchTally) {
        self.with(key, |record| record.version(version).add(tally));
    }

    /// Notes events for which no version was found.
    pub(super) fn note_without_version(&self, key: &PluginKey, failures: Vec<SeenFailure>) {
        self.with(key, |record| {
            for failure in failures {
                push(&mut record.without_version, failure, MAX_FAILURES);
            }
        });
    }

    /// Notes how the last look at a plugin's file ended; none where it was taken.
    pub(super) fn note_file(&self, key: &PluginKey, refused: Option<RefusedFile>) {
        self.with(key, |record| record.refused_file = refused);
    }

    #[must_use]
    pub fn seen(&self, key: &PluginKey) -> Seen {
        self.0.lock().get(key).map(Record::seen).unwrap_or_default()
    }

    /// Names of `tenant` whose last file was refused.
    #[must_use]
    pub fn refused_files(&self, tenant: TenantId) -> Vec<PluginName> {
        let records = self.0.lock();
        let refused = records
            .iter()
            .filter(|(key, record)| key.tenant == tenant && record.refused_file.is_some());
        refused.map(|(key, _)| key.name.clone()).collect()
    }

    fn with(&self, key: &PluginKey, change: impl FnOnce(&mut Record)) {
        let mut records = self.0.lock();
        if let Some(record) = records.get_mut(key) {
            change(record);
        } else if records.len() < MAX_PLUGINS {
            change(records.entry(key.clone()).or_default());
        }
    }
}

impl Record {
    fn version(&mut self, number: i32) -> &mut VersionRecord {
        if self.versions.len() >= MAX_VERSIONS && !self.versions.contains_key(&number) {
            self.versions.pop_first();
        }
        self.versions.entry(number).or_default()
    }

    fn seen(&self) -> Seen {
        let all = self.versions.values().flat_map(|record| &record.durations);
        let (median, p99) = percentiles(all);
        let versions = self.versions.iter();
        Seen {
            versions: versions
                .map(|(number, record)| (*number, record.seen()))
                .collect(),
            median,
            p99,
            without_version: self.without_version.iter().rev().cloned().collect(),
            refused_file: self.refused_file.clone(),
        }
    }
}

impl VersionRecord {
    fn add(&mut self, tally: BatchTally) {
        self.usage.add(&tally.usage);
        for duration in tally.durations {
            push(&mut self.durations, duration, MAX_DURATIONS);
        }
        for failure in tally.failures {
            push(&mut self.failures, failure, MAX_FAILURES);
        }
    }

    fn seen(&self) -> SeenVersion {
        let (median, p99) = percentiles(self.durations.iter());
        SeenVersion {
            usage: self.usage.clone(),
            median,
            p99,
            failures: self.failures.iter().rev().cloned().collect(),
        }
    }
}

fn percentiles<'a>(durations: impl Iterator<Item = &'a Duration>) -> (Duration, Duration) {
    let mut sorted: Vec<Duration> = durations.copied().collect();
    sorted.sort_unstable();
    (percentile(&sorted, 50), percentile(&sorted, 99))
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

    fn key() -> PluginKey {
        PluginKey {
            tenant: TenantId::new(0),
            name: "skinny".parse().unwrap(),
        }
    }

    fn calls(count: u64) -> BatchTally {
        BatchTally {
            usage: Usage {
                calls: BTreeMap::from([("ok", count)]),
                ..Usage::default()
            },
            durations: (1..=count).map(Duration::from_micros).collect(),
            failures: Vec::new(),
        }
    }

    #[test]
    fn percentiles_are_those_of_the_last_calls() {
        let records = Records::default();
        records.count(&key(), 1, calls(2000));
        let seen = records.seen(&key());
        assert_eq!(seen.versions[&1].usage.count(), 2000);
        assert_eq!(seen.median, Duration::from_micros(976 + 512));
        assert_eq!(seen.p99, Duration::from_micros(976 + 1014));
    }

    #[test]
    fn versions_are_counted_apart_and_only_the_newest_are_remembered() {
        let records = Records::default();
        for version in 1..=100 {
            records.count(&key(), version, calls(1));
        }
        records.count(&key(), 100, calls(1));
        let seen = records.seen(&key());
        let numbers: Vec<i32> = seen.versions.keys().copied().collect();
        assert_eq!(numbers, (85..=100).collect::<Vec<i32>>());
        assert_eq!(seen.versions[&99].usage.count(), 1);
        assert_eq!(seen.versions[&100].usage.count(), 2);
    }
}
