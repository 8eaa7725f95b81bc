//! How fast one receiver is served: what it takes, and what it asked for.
//!
//! Pure: instants come in as arguments. The wait of a single delivery is the retry schedule's; this
//! is about all deliveries of one subscription together.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::retry::MAX_RETRY_AFTER;

/// First wait of a receiver that says "too many" without saying for how long; doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const MAX_DOUBLINGS: u32 = 6;

/// The pace of one subscription.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    not_before: Option<Instant>,
    /// How often in a row it asked us to slow down.
    slow_streak: u32,
    /// Moving average of what an attempt takes.
    attempt: Duration,
}

impl Pace {
    /// An attempt took this long.
    pub fn observe(&mut self, took: Duration) {
        self.attempt = if self.attempt.is_zero() {
            took
        } else {
            self.attempt * 7 / 8 + took / 8
        };
    }

    /// The receiver took a delivery.
    pub fn take_up(&mut self) {
        self.slow_streak = 0;
    }

    /// The receiver is overloaded: nothing goes to it for as long as it `asked`, or for a wait that
    /// doubles each time. Answers to requests that were under way meanwhile do not add up.
    pub fn hold_back(&mut self, now: Instant, asked: Duration) {
        if !self.is_held_back(now) {
            self.slow_streak = (self.slow_streak + 1).min(MAX_DOUBLINGS + 1);
        }
        let wait = FIRST_WAIT * 2_u32.pow(self.slow_streak - 1);
        let until = now + wait.max(asked.min(MAX_RETRY_AFTER));
        self.not_before = self.not_before.max(Some(until));
    }

    #[must_use]
    pub fn is_held_back(&self, now: Instant) -> bool {
        self.not_before.is_some_and(|until| until > now)
    }

    /// How much longer nothing goes out.
    #[must_use]
    pub fn held_back_for(&self, now: Instant) -> Duration {
        self.not_before
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Time from one attempt to the next where `max_in_flight` are under way at once.
    #[must_use]
    pub fn spacing(&self, max_in_flight: usize) -> Duration {
        self.attempt / u32::try_from(max_in_flight.max(1)).unwrap_or(u32::MAX)
    }

    /// Whether nothing is lost by starting afresh.
    #[must_use]
    pub fn is_forgettable(&self) -> bool {
        self.slow_streak == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_until_a_delivery_is_taken() {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            pace.hold_back(now, Duration::ZERO);
            pace.hold_back(now, Duration::ZERO);
            waits.push(pace.held_back_for(now).as_secs());
            now += pace.held_back_for(now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64]);
        pace.take_up();
        pace.hold_back(now, Duration::ZERO);
        assert_eq!(pace.held_back_for(now), Duration::from_secs(1));
    }

    #[test]
    fn what_the_receiver_asks_for_is_granted_within_bounds() {
        let now = Instant::now();
        for (asked_secs, expected_secs) in [(0, 1), (30, 30), (1_000_000, 21_600)] {
            let mut pace = Pace::default();
            pace.hold_back(now, Duration::from_secs(asked_secs));
            assert_eq!(pace.held_back_for(now), Duration::from_secs(expected_secs));
        }
    }

    #[test]
    fn spacing_follows_what_attempts_take() {
        let mut pace = Pace::default();
        pace.observe(Duration::from_secs(16));
        assert_eq!(pace.spacing(16), Duration::from_secs(1));
        pace.observe(Duration::ZERO);
        assert_eq!(pace.spacing(16), Duration::from_millis(875));
    }
}
