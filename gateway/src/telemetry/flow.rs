//! Whether events still go through: what readiness hangs on beside the database.
//!
//! A process can be alive, hold its lane and reach its database, and yet store nothing (a full disk,
//! a right that was taken away) or deliver nothing (a scheduler that hangs). Those who do the work
//! write down here that they did it. Decides nothing and keeps no more than instants.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// After a failure nothing is taken for so long; then the next event is the trial.
const TRIAL_AFTER: Duration = Duration::from_secs(10);
/// A scheduler comes round several times a second, whatever there is to do.
const MAX_SILENCE: Duration = Duration::from_secs(10);

/// Of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Flow(Arc<Instants>);

/// In milliseconds since the start; 0 for never.
#[derive(Debug)]
struct Instants {
    started: Instant,
    /// Of the last batch that was not stored; never once another one was.
    store_failed: AtomicU64,
    scheduled: AtomicU64,
}

impl Default for Flow {
    fn default() -> Self {
        Self(Arc::new(Instants {
            started: Instant::now(),
            store_failed: AtomicU64::new(0),
            scheduled: AtomicU64::new(1),
        }))
    }
}

impl Flow {
    /// A batch of events was committed.
    pub fn stored(&self) {
        self.0.store_failed.store(0, Ordering::Relaxed);
    }

    /// A batch could not be stored, through no fault of its own. Whether that is news: the first
    /// failure, or the first in a while.
    pub fn store_failed(&self) -> bool {
        let now_ms = self.now_ms();
        let before = self.0.store_failed.swap(now_ms, Ordering::Relaxed);
        before == 0 || is_past(before, now_ms, TRIAL_AFTER)
    }

    /// The scheduler has come round.
    pub fn scheduled(&self) {
        self.0.scheduled.store(self.now_ms(), Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_storing(&self) -> bool {
        let failed = self.0.store_failed.load(Ordering::Relaxed);
        failed == 0 || is_past(failed, self.now_ms(), TRIAL_AFTER)
    }

    #[must_use]
    pub fn is_delivering(&self) -> bool {
        let scheduled = self.0.scheduled.load(Ordering::Relaxed);
        !is_past(scheduled, self.now_ms(), MAX_SILENCE)
    }

    fn now_ms(&self) -> u64 {
        let since = self.0.started.elapsed().as_millis();
        u64::try_from(since).unwrap_or(u64::MAX).max(1)
    }
}

fn is_past(at_ms: u64, now_ms: u64, span: Duration) -> bool {
    Duration::from_millis(now_ms.saturating_sub(at_ms)) > span
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(ago: Duration) -> Flow {
        Flow(Arc::new(Instants {
            started: Instant::now().checked_sub(ago).unwrap(),
            store_failed: AtomicU64::new(0),
            scheduled: AtomicU64::new(1),
        }))
    }

    #[test]
    fn a_failure_stops_the_flow_until_something_is_stored_or_a_trial_is_due() {
        let flow = begun(Duration::from_secs(60));
        assert!(flow.is_storing());
        assert!(flow.store_failed(), "the first is news");
        assert!(!flow.store_failed(), "the second is not");
        assert!(!flow.is_storing());
        flow.stored();
        assert!(flow.is_storing());
        flow.0.store_failed.store(1000, Ordering::Relaxed);
        assert!(flow.is_storing(), "59 s later it is tried again");
        assert!(flow.store_failed());
        assert!(!flow.is_storing());
    }

    #[test]
    fn a_scheduler_that_does_not_come_round_is_seen() {
        assert!(Flow::default().is_delivering());
        let flow = begun(Duration::from_secs(11));
        assert!(!flow.is_delivering());
        flow.scheduled();
        assert!(flow.is_delivering());
    }
}
