//! What this node has seen at each source since it started: counts, and why requests were refused.
//!
//! In memory, because whoever knows an address may send what they like to it, and that must not
//! write to the database.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::clock::Timestamp;
use crate::domain::ids::SourceId;

/// Refusals that are kept of each source.
const MAX_FAILURES: usize = 10;
/// Refusals of one source are logged no more often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What this node has seen of a source since it started.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct SourceSeen {
    /// Requests that became events.
    accepted: u64,
    /// Requests that were known already.
    duplicates: u64,
    /// Challenges that were answered.
    challenges: u64,
    /// Requests that were not believed, or could not be stored.
    refused: u64,
    last_accepted_at: Option<String>,
    /// The last ten refusals, newest first.
    #[schema(value_type = Vec<SourceFailure>)]
    last_failures: VecDeque<SourceFailure>,
}

/// A request that was refused.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceFailure {
    at: String,
    #[schema(value_type = String, example = "signature")]
    kind: &'static str,
    /// For the operator alone; the sender was told nothing of it.
    reason: String,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Accepted,
    Duplicate,
    Challenge,
}

impl Seen {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Challenge => "challenge",
        }
    }
}

/// The memory of all sources. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct SourceRecords(Arc<Mutex<HashMap<SourceId, Record>>>);

#[derive(Debug, Default)]
struct Record {
    seen: SourceSeen,
    logged_at: Option<Instant>,
}

impl SourceRecords {
    pub(super) fn count(&self, source: SourceId, seen: Seen, now: Timestamp) {
        let mut records = self.0.lock();
        let record = &mut records.entry(source).or_default().seen;
        match seen {
            Seen::Accepted => {
                record.accepted += 1;
                record.last_accepted_at = Some(now.to_rfc3339());
            }
            Seen::Duplicate => record.duplicates += 1,
            Seen::Challenge => record.challenges += 1,
        }
    }

    /// Says whether it is time to log one again.
    pub(super) fn refuse(
        &self,
        source: SourceId,
        (kind, reason): (&'static str, String),
        now: Timestamp,
    ) -> bool {
        let mut records = self.0.lock();
        let record = records.entry(source).or_default();
        record.seen.refused += 1;
        record.seen.last_failures.truncate(MAX_FAILURES - 1);
        record.seen.last_failures.push_front(SourceFailure {
            at: now.to_rfc3339(),
            kind,
            reason,
        });
        let is_time = record
            .logged_at
            .is_none_or(|logged| logged.elapsed() >= LOG_EVERY);
        if is_time {
            record.logged_at = Some(Instant::now());
        }
        is_time
    }

    pub(super) fn seen(&self, source: SourceId) -> SourceSeen {
        let records = self.0.lock();
        records
            .get(&source)
            .map(|record| record.seen.clone())
            .unwrap_or_default()
    }

    /// Of a source that was deleted.
    pub(super) fn forget(&self, source: SourceId) {
        self.0.lock().remove(&source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_refusals_are_kept_and_not_all_of_them_are_logged() {
        let records = SourceRecords::default();
        let source = SourceId::new(1);
        let mut logged = 0;
        for number in 0..25 {
            let reason = ("signature", number.to_string());
            logged += u32::from(records.refuse(source, reason, Timestamp::from_ms(number)));
        }
        records.count(source, Seen::Accepted, Timestamp::from_ms(99));
        let seen = records.seen(source);
        assert_eq!((logged, seen.refused, seen.accepted), (1, 25, 1));
        assert_eq!(seen.last_failures.len(), MAX_FAILURES);
        assert_eq!(seen.last_failures[0].reason, "24");
        records.forget(source);
        assert_eq!(records.seen(source).refused, 0);
    }
}
