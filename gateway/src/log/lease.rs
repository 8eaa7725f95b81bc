//! How long what was handed out is still ours.
//!
//! A lease is revoked when the session that holds a lane or its buckets is gone, and it is not
//! fresh while the database has not been heard for too long: then another node may have taken
//! over, and an attempt that has not begun must not begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When the database last answered this node's beat.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<PulseState>);

#[derive(Debug)]
struct PulseState {
    started: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    /// Peers end the sessions of a node that was silent for this long; it stops by itself before.
    pub const LIMIT: Duration = Duration::from_secs(9);

    #[must_use]
    pub fn starting_now() -> Self {
        Self(Arc::new(PulseState {
            started: Instant::now(),
            last_ms: AtomicU64::new(0),
        }))
    }

    pub(super) fn beat(&self) {
        self.0.last_ms.store(self.elapsed_ms(), Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_fresh(&self) -> bool {
        let silent_ms = self
            .elapsed_ms()
            .saturating_sub(self.0.last_ms.load(Ordering::Relaxed));
        Duration::from_millis(silent_ms) < Self::LIMIT
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The claim of one session on what it handed out.
#[derive(Clone, Debug)]
pub struct Lease {
    revoked: Arc<AtomicBool>,
    pulse: Pulse,
}

impl Lease {
    #[must_use]
    pub fn new(pulse: Pulse) -> Self {
        Self {
            revoked: Arc::default(),
            pulse,
        }
    }

    pub(super) fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
    }

    /// Whether an attempt may begin under it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.revoked.load(Ordering::Acquire) && self.pulse.is_fresh()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoked_lease_is_revoked_for_all_who_hold_it() {
        let lease = Lease::new(Pulse::starting_now());
        let held = lease.clone();
        assert!(held.is_valid());
        lease.revoke();
        assert!(!held.is_valid());
    }
}
