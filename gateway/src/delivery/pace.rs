//! How fast one receiver is served: what it takes, what it asked for, and what one that was down
//! can bear when it comes back.
//!
//! Pure: instants come in as arguments. The wait of a single delivery is the retry schedule's; this
//! is about all deliveries of one subscription together.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::health::{Circuit, Health};
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

    /// Deliveries a second at `now`.
    fn rate(self, now: Instant) -> f64 {
        RAMP_PER_SECOND * self.doublings(now).exp2()
    }

    fn doublings(self, now: Instant) -> f64 {
        now.saturating_duration_since(self.since).as_secs_f64() / RAMP_DOUBLES.as_secs_f64()
    }

    /// Whether as many have started as may by now: the sum of a rate that doubles.
    fn is_used_up(self, now: Instant) -> bool {
        let doublings = self.doublings(now);
        let per_doubling = RAMP_PER_SECOND * RAMP_DOUBLES.as_secs_f64() / std::f64::consts::LN_2;
        let allowed = RAMP_FIRST + per_doubling * (doublings.exp2() - 1.0);
        !self.is_over(now) && f64::from(self.started) >= allowed
    }
}

/// Attempts in a row without any answer that open the circuit, and how long it stays open the first
/// time; that doubles with each probe that gets none.
const MAX_SILENCES: u32 = 20;
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
    /// Failures since the last success, and the last of them.
    failures: u32,
    failed_at: Option<Instant>,
    ramp: Option<Ramp>,
    /// Attempts in a row without an answer.
    silences: u32,
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

    /// The receiver took a delivery. True where it was down until now: from here on it gets a
    /// ramp instead of all that has waited for it at once.
    pub fn take_up(&mut self, now: Instant) -> bool {
        self.slow_streak = 0;
        self.silences = 0;
        self.opened = 0;
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

    /// Nobody answered. After many such in a row the circuit opens: nothing goes out for a while,
    /// and then one request alone, to see. Says whether it opened just now.
    pub fn silent(&mut self, now: Instant) -> bool {
        self.silences = self.silences.saturating_add(1);
        if self.silences < MAX_SILENCES || self.is_held_back(now) {
            return false;
        }
        self.opened = (self.opened + 1).min(MAX_DOUBLINGS);
        let until = now + FIRST_OPEN * 2_u32.pow(self.opened - 1);
        self.not_before = self.not_before.max(Some(until));
        self.opened == 1
    }

    /// What is out of the ordinary at `now`, and for how long nothing goes out; none where nothing is.
    #[must_use]
    pub fn trouble(&self, now: Instant) -> Option<(Health, Duration)> {
        let ramp = self.ramp.filter(|ramp| !ramp.is_over(now));
        if self.failures == 0 && self.slow_streak == 0 && self.opened == 0 && ramp.is_none() {
            return None;
        }
        let held_back = self.held_back_for(now);
        let circuit = match (self.opened, held_back.is_zero()) {
            (0, _) => Circuit::Closed,
            (_, false) => Circuit::Open,
            (_, true) => Circuit::Probing,
        };
        let health = Health {
            circuit,
            failures: self.failures,
            held_back_until: None,
            max_per_second: ramp.map(|ramp| ramp.rate(now)),
        };
        Some((health, held_back))
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
        let passed = now.saturating_duration_since(bucket.at);
        let gained = passed.as_secs_f64() / interval.as_secs_f64();
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
        let by_attempts = self.attempt / u32::try_from(max_in_flight.max(1)).unwrap_or(u32::MAX);
        by_attempts.max(self.interval)
    }

    /// Whether nothing is lost by starting afresh.
    #[must_use]
    pub fn is_forgettable(&self, now: Instant) -> bool {
        let fails = self.failures > 0
            && self
                .failed_at
                .is_some_and(|at| now.saturating_duration_since(at) < DOWN_IS_NEWS_FOR);
        let climbs = self.ramp.is_some_and(|ramp| !ramp.is_over(now));
        let saves = self.bucket.is_some_and(|bucket| {
            now.saturating_duration_since(bucket.at) < self.interval.max(MAX_GATHERED)
        });
        self.slow_streak == 0 && !fails && !climbs && !saves
    }

    /// Whether there is nothing to remember, at whatever time.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.slow_streak == 0 && self.failures == 0 && self.ramp.is_none() && self.bucket.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circuit_opens_after_much_silence_and_closes_with_a_success() {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        for _ in 1..MAX_SILENCES {
            assert!(!pace.silent(now));
            assert!(!pace.is_held_back(now));
        }
        assert!(pace.silent(now) && pace.is_probing());
        // What was under way meanwhile does not add up.
        assert!(!pace.silent(now));
        let mut waits = Vec::new();
        for _ in 0..7 {
            waits.push(pace.held_back_for(now).as_secs());
            now += pace.held_back_for(now);
            assert!(!pace.silent(now), "it was open already");
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 64]);
        let circuit = |pace: &Pace, now| pace.trouble(now).map(|(health, _)| health.circuit);
        assert_eq!(circuit(&pace, now), Some(Circuit::Open));
        now += pace.held_back_for(now);
        assert_eq!(circuit(&pace, now), Some(Circuit::Probing));
        pace.take_up(now);
        assert_eq!(circuit(&pace, now), None);
        assert!(!pace.is_probing() && !pace.silent(now));
        assert!(pace.held_back_for(now).is_zero());
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
