//! What this node sees by tenant in the seconds that pass: for charts, not for decisions.
//!
//! Counting is a short lock and some additions. Keeps no more tenants than [`MAX_TENANTS`] between
//! two readings; what comes from others is counted together, so memory is bounded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::attempt::Outcome;
use crate::domain::ids::TenantId;

/// Tenants that are counted on their own between two readings.
pub const MAX_TENANTS: usize = 500;
/// Upper bounds of an attempt's duration in milliseconds; one more holds what is beyond.
pub const LATENCY_MS: [u32; 13] = [
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
];
const BUCKETS: usize = LATENCY_MS.len() + 1;

/// What was seen of one tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u32,
    /// Attempts that a receiver accepted.
    pub accepted: u32,
    /// Attempts that came to nothing.
    pub failed: u32,
    /// Deliveries that ended without being accepted: dropped, merged, cancelled, expired, dead.
    pub ended: u32,
    /// Attempts by their duration.
    pub latency: [u32; BUCKETS],
}

/// The counters of one process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Mutex<HashMap<TenantId, Counts>>>);

impl Pulse {
    /// An event was committed.
    pub fn event(&self, tenant: TenantId) {
        self.count(tenant, |counts| counts.events += 1);
    }

    /// A try of a delivery is over, or it ended without one.
    pub fn attempt(&self, tenant: TenantId, outcome: Outcome, took: Duration) {
        let took_ms = took.as_millis();
        let bucket = LATENCY_MS.partition_point(|bound| u128::from(*bound) < took_ms);
        self.count(tenant, |counts| {
            if outcome.is_verdict() {
                counts.ended += 1;
                return;
            }
            if outcome == Outcome::Accepted {
                counts.accepted += 1;
            } else {
                counts.failed += 1;
            }
            counts.latency[bucket] += 1;
        });
    }

    /// All that was seen since the last reading, which begins anew.
    #[must_use]
    pub fn take(&self) -> HashMap<TenantId, Counts> {
        std::mem::take(&mut self.0.lock())
    }

    fn count(&self, tenant: TenantId, add: impl FnOnce(&mut Counts)) {
        let mut seen = self.0.lock();
        let is_full = seen.len() >= MAX_TENANTS && !seen.contains_key(&tenant);
        let tenant = if is_full { TenantId::new(0) } else { tenant };
        add(seen.entry(tenant).or_default());
    }
}

/// The duration that this part of the attempts did not exceed, in milliseconds, by the bounds of
/// [`LATENCY_MS`]; none where there were no attempts.
#[must_use]
pub fn quantile(latency: &[u64], part: f64) -> Option<u32> {
    let all: u64 = latency.iter().sum();
    if all == 0 {
        return None;
    }
    let wanted = (all as f64 * part).ceil().max(1.0) as u64;
    let mut seen = 0;
    let bucket = latency.iter().position(|count| {
        seen += count;
        seen >= wanted
    });
    let last = LATENCY_MS[LATENCY_MS.len() - 1];
    Some(bucket.map_or(last, |bucket| {
        *LATENCY_MS.get(bucket).unwrap_or(&(2 * last))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_by_what_they_came_to_and_how_long_they_took() {
        let pulse = Pulse::default();
        let tenant = TenantId::new(7);
        pulse.event(tenant);
        pulse.attempt(tenant, Outcome::Accepted, Duration::from_millis(3));
        pulse.attempt(tenant, Outcome::TimedOut, Duration::from_secs(60));
        pulse.attempt(tenant, Outcome::Dropped, Duration::ZERO);

        let counts = pulse.take()[&tenant];
        assert_eq!((counts.events, counts.accepted), (1, 1));
        assert_eq!((counts.failed, counts.ended), (1, 1));
        assert_eq!(counts.latency[2], 1, "up to 5 ms");
        assert_eq!(counts.latency[BUCKETS - 1], 1, "beyond the last bound");
        assert!(pulse.take().is_empty(), "a reading begins anew");
    }

    #[test]
    fn tenants_beyond_the_bound_are_counted_together() {
        let pulse = Pulse::default();
        for tenant in 1..=MAX_TENANTS + 5 {
            pulse.event(TenantId::new(i32::try_from(tenant).unwrap()));
        }
        let seen = pulse.take();
        assert_eq!(seen.len(), MAX_TENANTS + 1);
        assert_eq!(seen[&TenantId::new(0)].events, 5);
    }

    #[test]
    fn a_quantile_is_the_bound_that_enough_attempts_keep() {
        let mut latency = [0; BUCKETS];
        assert_eq!(quantile(&latency, 0.5), None);
        latency[3] = 98;
        latency[7] = 2;
        assert_eq!(quantile(&latency, 0.5), Some(10));
        assert_eq!(quantile(&latency, 0.99), Some(250));
        latency[BUCKETS - 1] = 1_000;
        assert_eq!(quantile(&latency, 0.99), Some(20_000));
    }
}
