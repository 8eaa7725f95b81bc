//! How fast one receiver is served: what it takes, what it asked for, and what one that was down
//! can bear when it comes back.
//!
//! Pure: instants come in as arguments. The wait of a single delivery is the retry schedule's; this
//! is about all deliveries of one subscription together.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::retry::MAX_RETRY_AFTER;

/// First wait of a receiver that says "too many" without saying for how long; doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const MAX_DOUBLINGS: u32 = 6;

/// Failures in a row after which a receiver counts as down.
const DOWN_AFTER: u32 = 5;
/// Failures are remembered for this long.
const DOWN_IS_NEWS_FOR: Duration = Duration::from_secs(3600);
/// Deliveries that start at once when it is back, and in the first second of the ramp.
const RAMP_FIRST: f64 = 1.0;
const RAMP_PER_SECOND: f64 = 10.0;
/// The ramp's rate doubles in this time.
const RAMP_DOUBLES: Duration = Duration::from_secs(2);
/// By then the rate is ten thousand a second.
const RAMP_LASTS: Duration = Duration::from_secs(20);

/// The way of a receiver from being down to its full pace.
#[derive(Clone, Copy, Debug)]
struct Ramp {
    since: Instant,
    started: u32,
}

impl Ramp {
    fn is_over(self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) > RAMP_LASTS
    }

    /// Whether as many have started as may by now: the sum of a rate that doubles.
    fn is_used_up(self, now: Instant) -> bool {
        let doublings =
            now.saturating_duration_since(self.since).as_secs_f64() / RAMP_DOUBLES.as_secs_f64();
        let per_doubling = RAMP_PER_SECOND * RAMP_DOUBLES.as_secs_f64() / std::f64::consts::LN_2;
        let allowed = RAMP_FIRST + per_doubling * (doublings.exp2() - 1.0);
        !self.is_over(now) && f64::from(self.started) >= allowed
    }
}

/// The pace of one subscription.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    not_before: Option<Instant>,
    /// How often in a row it asked us to slow down.
    slow_streak: u32,
    /// Moving average of what an attempt takes.
    attempt: Duration,
    /// Failures since the last success, and the last of them.
    failures: u32,
    failed_at: Option<Instant>,
    ramp: Option<Ramp>,
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

    /// The receiver took a delivery. True where it was down until now: from here on it gets a
    /// ramp instead of all that has waited for it at once.
    pub fn take_up(&mut self, now: Instant) -> bool {
        self.slow_streak = 0;
        let is_back = self.failures >= DOWN_AFTER;
        self.failures = 0;
        if is_back {
            self.ramp = Some(Ramp {
                since: now,
                started: 0,
            });
        }
        is_back
    }

    /// The receiver could not be reached, did not answer, or said that it is broken.
    pub fn fail(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.failed_at = Some(now);
        // The ramp was too steep, or it is down again: the next success begins another one.
        if self.ramp.take().is_some_and(|ramp| !ramp.is_over(now)) {
            self.failures = self.failures.max(DOWN_AFTER);
        }
    }

    /// An attempt starts.
    pub fn starts(&mut self, now: Instant) {
        if let Some(ramp) = &mut self.ramp {
            ramp.started = ramp.started.saturating_add(1);
            if ramp.is_over(now) {
                self.ramp = None;
            }
        }
    }

    /// The receiver is overloaded: nothing goes to it for as long as it `asked`, or for a wait that
    /// doubles each time. Answers to requests that were under way meanwhile do not add up.
    pub fn hold_back(&mut self, now: Instant, asked: Duration) {
        if self.held_back_for(now).is_zero() {
            self.slow_streak = (self.slow_streak + 1).min(MAX_DOUBLINGS + 1);
        }
        let wait = FIRST_WAIT * 2_u32.pow(self.slow_streak - 1);
        let until = now + wait.max(asked.min(MAX_RETRY_AFTER));
        self.not_before = self.not_before.max(Some(until));
    }

    #[must_use]
    pub fn is_held_back(&self, now: Instant) -> bool {
        self.not_before.is_some_and(|until| until > now)
            || self.ramp.is_some_and(|ramp| ramp.is_used_up(now))
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
    pub fn is_forgettable(&self, now: Instant) -> bool {
        let fails = self.failures > 0
            && self
                .failed_at
                .is_some_and(|at| now.saturating_duration_since(at) < DOWN_IS_NEWS_FOR);
        let climbs = self.ramp.is_some_and(|ramp| !ramp.is_over(now));
        self.slow_streak == 0 && !fails && !climbs
    }

    /// Whether there is nothing to remember, at whatever time.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.slow_streak == 0 && self.failures == 0 && self.ramp.is_none()
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
        assert!(!pace.take_up(now));
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

    fn down(now: Instant) -> Pace {
        let mut pace = Pace::default();
        for _ in 0..DOWN_AFTER {
            pace.fail(now);
        }
        pace
    }

    /// How many start within `span` where an endless line waits.
    fn started(pace: &mut Pace, mut now: Instant, span: Duration) -> usize {
        let (end, mut count) = (now + span, 0);
        while now < end {
            while !pace.is_held_back(now) && count < 1_000_000 {
                pace.starts(now);
                count += 1;
            }
            now += Duration::from_millis(10);
        }
        count
    }

    #[test]
    fn a_receiver_that_was_down_gets_a_ramp_and_no_burst() {
        let now = Instant::now();
        let mut pace = down(now);
        assert!(
            !pace.is_held_back(now),
            "a receiver that is down is still tried"
        );
        assert!(!pace.is_forgettable(now));
        assert!(pace.take_up(now));
        let second = Duration::from_secs(1);
        let per_second: Vec<usize> = (0..8)
            .map(|number| started(&mut pace, now + number * second, second))
            .collect();
        assert!(per_second[0] <= 15, "{per_second:?}");
        assert!(per_second.is_sorted(), "{per_second:?}");
        let doubled = per_second[7] as f64 / per_second[5] as f64;
        assert!((1.9..2.1).contains(&doubled), "{per_second:?}");
        // After that it is a receiver like any other.
        let later = now + RAMP_LASTS + second;
        assert_eq!(started(&mut pace, later, second), 1_000_000);
        assert!(pace.is_forgettable(later));
    }

    #[test]
    fn a_few_failures_are_no_reason_for_a_ramp() {
        let now = Instant::now();
        let mut pace = Pace::default();
        for _ in 1..DOWN_AFTER {
            pace.fail(now);
        }
        assert!(!pace.take_up(now));
        assert!(!pace.is_held_back(now) && pace.is_forgettable(now));
    }

    #[test]
    fn a_failure_on_the_ramp_begins_it_anew() {
        let now = Instant::now();
        let mut pace = down(now);
        pace.take_up(now);
        let later = now + Duration::from_secs(6);
        pace.fail(later);
        assert!(!pace.is_held_back(later), "it is tried");
        assert!(pace.take_up(later), "and is back again");
        assert!(started(&mut pace, later, Duration::from_secs(1)) <= 15);
        // Nobody remembers for ever what was down once.
        let mut pace = down(now);
        assert!(pace.is_forgettable(now + DOWN_IS_NEWS_FOR));
        pace.fail(now + DOWN_IS_NEWS_FOR);
        assert!(!pace.is_forgettable(now + DOWN_IS_NEWS_FOR));
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
