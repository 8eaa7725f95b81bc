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

/// Failures in a row that open the circuit, and how long it stays open the first time; that doubles
/// with each probe that fails.
const MAX_FAILURES: u32 = 20;
const FIRST_OPEN: Duration = Duration::from_secs(2);
/// What may gather while a line waits for its tokens; about as long as a line waits to be looked at.
const MAX_GATHERED: Duration = Duration::from_millis(250);

/// Tokens that a rate limit has given and nobody has spent.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// The pace of one subscription.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    not_before: Option<Instant>,
    /// How often in a row it asked us to slow down.
    slow_streak: u32,
    /// Moving average of what an attempt takes.
    attempt: Duration,
    /// Failures in a row that say that nobody is there.
    failures: u32,
    /// How often in a row the circuit was opened; zero where it is closed.
    opened: u32,
    bucket: Option<Bucket>,
    /// Time from one token to the next, where there is a rate limit.
    interval: Duration,
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
        self.failures = 0;
        self.opened = 0;
    }

    /// Nobody was there. After many in a row the circuit opens: nothing goes out for a while, and
    /// then one request alone, to see. Says whether it opened just now.
    pub fn fail(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < MAX_FAILURES || self.is_held_back(now) {
            return false;
        }
        self.opened = (self.opened + 1).min(MAX_DOUBLINGS);
        let until = now + FIRST_OPEN * 2_u32.pow(self.opened - 1);
        self.not_before = self.not_before.max(Some(until));
        self.opened == 1
    }

    /// Whether one request at a time goes out, to see whether somebody is there again.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.opened > 0
    }

    /// Takes a token of a rate limit that gives one each `interval`; where there is none, the line
    /// is held back until there is.
    pub fn take_token(&mut self, now: Instant, interval: Duration) -> bool {
        let most = (MAX_GATHERED.as_secs_f64() / interval.as_secs_f64()).max(1.0);
        let bucket = self.bucket.get_or_insert(Bucket {
            tokens: most,
            at: now,
        });
        let gained =
            now.saturating_duration_since(bucket.at).as_secs_f64() / interval.as_secs_f64();
        bucket.tokens = (bucket.tokens + gained).min(most);
        bucket.at = now;
        self.interval = interval;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return true;
        }
        let until = now + interval.mul_f64(1.0 - bucket.tokens);
        self.not_before = self.not_before.max(Some(until));
        false
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
        let by_attempts = self.attempt / u32::try_from(max_in_flight.max(1)).unwrap_or(u32::MAX);
        by_attempts.max(self.interval)
    }

    /// Whether nothing is lost by starting afresh.
    #[must_use]
    pub fn is_forgettable(&self) -> bool {
        self.slow_streak == 0 && self.failures == 0 && self.bucket.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circuit_opens_after_many_failures_and_closes_with_a_success() {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        for _ in 1..MAX_FAILURES {
            assert!(!pace.fail(now));
            assert!(!pace.is_held_back(now));
        }
        assert!(pace.fail(now) && pace.is_probing());
        // What was under way meanwhile does not add up.
        assert!(!pace.fail(now));
        let mut waits = Vec::new();
        for _ in 0..7 {
            waits.push(pace.held_back_for(now).as_secs());
            now += pace.held_back_for(now);
            assert!(!pace.fail(now), "it was open already");
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 64]);
        pace.take_up();
        now += pace.held_back_for(now);
        assert!(!pace.is_probing() && !pace.fail(now));
        assert!(!pace.is_held_back(now));
    }

    #[test]
    fn a_rate_is_kept_over_any_time() {
        for (interval_ms, seconds, at_most) in [(10, 10, 1_026), (100, 10, 103), (3_000, 30, 11)] {
            let begun = Instant::now();
            let mut now = begun;
            let mut pace = Pace::default();
            let mut sent = 0;
            while now.duration_since(begun) < Duration::from_secs(seconds) {
                if pace.take_token(now, Duration::from_millis(interval_ms)) {
                    sent += 1;
                }
                now += Duration::from_millis(1);
            }
            let wanted = seconds * 1000 / interval_ms;
            assert!((wanted..=at_most).contains(&sent), "{sent} of {wanted}");
            assert_eq!(pace.spacing(16), Duration::from_millis(interval_ms));
        }
    }

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
