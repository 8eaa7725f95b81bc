//! How much a tenant may send, and the account that says when it has sent too much.
//!
//! Pure: instants come in as arguments. Whom a quota belongs to is not known here.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What a tenant may send in a second, over all nodes. None: as much as the gateway can take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Events per second; null for no limit.
    #[schema(value_type = Option<u32>, example = 100)]
    pub events_per_second: Option<NonZeroU32>,
    /// Bytes of data per second; null for no limit.
    #[schema(value_type = Option<u32>, example = 1_048_576)]
    pub bytes_per_second: Option<NonZeroU32>,
}

impl Quota {
    #[must_use]
    pub fn is_unlimited(self) -> bool {
        self == Self::default()
    }
}

/// A second's worth of allowance that fills up evenly. Whoever has anything left may take more than
/// that and pays off what it owes: a batch larger than a second's worth passes, though not often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    #[must_use]
    pub fn full(per_second: f64, now: Instant) -> Self {
        Self {
            left: per_second.max(1.0),
            at: now,
        }
    }

    /// Adds what has come together since the last time.
    pub fn fill(&mut self, per_second: f64, now: Instant) {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + since * per_second).min(per_second.max(1.0));
        self.at = now;
    }

    /// How long until something may be taken; none where it may be now.
    #[must_use]
    pub fn wait(&self, per_second: f64) -> Option<Duration> {
        (self.left < 1.0).then(|| Duration::from_secs_f64((1.0 - self.left) / per_second))
    }

    pub fn take(&mut self, amount: f64) {
        self.left -= amount;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_lets_a_second_s_worth_through_and_fills_evenly() {
        let start = Instant::now();
        let mut allowance = Allowance::full(10.0, start);
        let mut taken = [0; 5];
        for (second, taken) in (0..).zip(&mut taken) {
            for tenth in 0..10 {
                let now = start + Duration::from_millis(1000 * second + 100 * tenth);
                allowance.fill(10.0, now);
                while allowance.wait(10.0).is_none() {
                    allowance.take(1.0);
                    *taken += 1;
                }
            }
        }
        assert!((18..=19).contains(&taken[0]), "{taken:?}");
        assert!(
            taken[1..].iter().all(|taken| (9..=11).contains(taken)),
            "{taken:?}"
        );
    }

    #[test]
    fn what_is_owed_is_paid_off_first() {
        let start = Instant::now();
        let mut allowance = Allowance::full(100.0, start);
        assert_eq!(allowance.wait(100.0), None);
        allowance.take(1_000.0);
        let wait = allowance.wait(100.0).unwrap();
        assert_eq!(wait, Duration::from_millis(9_010));
        allowance.fill(100.0, start + wait);
        assert_eq!(allowance.wait(100.0), None);
        allowance.fill(100.0, start + Duration::from_secs(3600));
        allowance.take(99.5);
        assert!(
            allowance.wait(100.0).is_some(),
            "no more than a second's worth is kept"
        );
    }
}
