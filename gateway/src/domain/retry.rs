//! Decides what becomes of a delivery after an attempt.
//!
//! Pure on purpose: time and jitter come in as arguments, so every rule here is a table in the
//! tests, and a strange night in production can be replayed on paper.

use std::time::Duration;

use super::attempt::{AttemptNumber, Outcome};
use super::clock::Timestamp;

/// Waits between attempts: the first retry comes after the first wait, and so on. 0 to 30 waits of
/// at most 7 days together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule(Box<[Duration]>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    #[error("has {0} waits, at most 30 are allowed")]
    TooMany(usize),
    #[error("goes on for more than 7 days")]
    TooLong,
    #[error("has a wait shorter than 1s")]
    TooShort,
}

impl RetrySchedule {
    const MAX_WAITS: usize = 30;
    const MAX_TOTAL: Duration = Duration::from_secs(7 * 24 * 3600);
    const MIN_WAIT: Duration = Duration::from_secs(1);

    /// # Errors
    /// Names the bound that the waits break.
    pub fn new(waits: Vec<Duration>) -> Result<Self, InvalidSchedule> {
        if waits.len() > Self::MAX_WAITS {
            return Err(InvalidSchedule::TooMany(waits.len()));
        }
        if waits.iter().any(|wait| *wait < Self::MIN_WAIT) {
            return Err(InvalidSchedule::TooShort);
        }
        let total = waits
            .iter()
            .try_fold(Duration::ZERO, |sum, wait| sum.checked_add(*wait));
        if total.is_none_or(|total| total > Self::MAX_TOTAL) {
            return Err(InvalidSchedule::TooLong);
        }
        Ok(Self(waits.into()))
    }

    #[must_use]
    pub fn waits(&self) -> &[Duration] {
        &self.0
    }
}

impl Default for RetrySchedule {
    /// 5s, 30s, 2m, 10m, 1h, 3h, 6h, 14h: nine attempts over a little more than 24 hours.
    fn default() -> Self {
        Self(
            [5, 30, 120, 600, 3600, 10_800, 21_600, 50_400]
                .map(Duration::from_secs)
                .into(),
        )
    }
}

/// A fraction from 0 to 1, drawn by the caller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter(f64);

impl Jitter {
    #[must_use]
    pub fn new(fraction: f64) -> Self {
        Self(fraction.clamp(0.0, 1.0))
    }
}

/// What an attempt says about what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    pub number: AttemptNumber,
    pub outcome: Outcome,
    pub status: Option<u16>,
    /// How long the receiver asked us to wait.
    pub retry_after: Option<Duration>,
}

/// What becomes of the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It arrived.
    Delivered,
    /// Try again then.
    RetryAt(Timestamp),
    /// The schedule is used up.
    Dead,
    /// The receiver is gone for good (410): the delivery is dead and its subscription is disabled.
    Gone,
}

/// Longest wait that a receiver may ask for; more is taken as this much.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(6 * 3600);

/// Share of a wait that jitter may add.
const JITTER_SHARE: f64 = 0.2;

/// The next step after `tried`, at `now`. Jitter only lengthens a wait, by up to a fifth, so nobody
/// is called earlier than the schedule says.
#[must_use]
pub fn next_step(schedule: &RetrySchedule, tried: Tried, now: Timestamp, jitter: Jitter) -> Next {
    if tried.outcome == Outcome::Accepted {
        return Next::Delivered;
    }
    if tried.status == Some(410) {
        return Next::Gone;
    }
    let Some(wait) = schedule
        .0
        .get(usize::from(tried.number.get().saturating_sub(1)))
    else {
        return Next::Dead;
    };
    let wait = wait.mul_f64(1.0 + JITTER_SHARE * jitter.0);
    let asked = tried.retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
    Next::RetryAt(now.plus(wait.max(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(number: u16, outcome: Outcome, status: Option<u16>) -> Tried {
        Tried {
            number: AttemptNumber::new(number),
            outcome,
            status,
            retry_after: None,
        }
    }

    #[test]
    fn each_outcome_has_its_next_step() {
        let schedule = RetrySchedule::default();
        let now = Timestamp::from_ms(0);
        let after = |seconds: i64| Next::RetryAt(Timestamp::from_ms(seconds * 1000));
        for (given, expected) in [
            (tried(1, Outcome::Accepted, Some(204)), Next::Delivered),
            (tried(1, Outcome::Refused, Some(500)), after(5)),
            (tried(2, Outcome::TimedOut, None), after(30)),
            (tried(8, Outcome::Unreachable, None), after(50_400)),
            (tried(9, Outcome::Refused, Some(503)), Next::Dead),
            (tried(1, Outcome::Refused, Some(410)), Next::Gone),
            (tried(1, Outcome::Refused, Some(301)), after(5)),
        ] {
            assert_eq!(
                next_step(&schedule, given, now, Jitter::new(0.0)),
                expected,
                "{given:?}"
            );
        }
    }

    #[test]
    fn retry_after_only_lengthens_and_only_so_far() {
        let schedule = RetrySchedule::default();
        for (asked, expected_ms) in [(1, 5_000), (60, 60_000), (10_000_000, 21_600_000)] {
            let given = Tried {
                retry_after: Some(Duration::from_secs(asked)),
                ..tried(1, Outcome::Refused, Some(429))
            };
            let next = next_step(&schedule, given, Timestamp::from_ms(0), Jitter::new(0.0));
            assert_eq!(next, Next::RetryAt(Timestamp::from_ms(expected_ms)));
        }
    }

    #[test]
    fn the_default_schedule_goes_on_for_a_day_and_stays_in_its_band() {
        let schedule = RetrySchedule::default();
        assert!(schedule.waits().iter().sum::<Duration>() >= Duration::from_secs(24 * 3600));
        for number in 1..=8_u16 {
            let base = schedule.waits()[usize::from(number) - 1].as_millis();
            for jitter in [0.0, 0.3, 1.0] {
                let given = tried(number, Outcome::Refused, Some(500));
                let next = next_step(&schedule, given, Timestamp::from_ms(0), Jitter::new(jitter));
                let Next::RetryAt(at) = next else {
                    panic!("{next:?}")
                };
                let at = u128::try_from(at.as_ms()).unwrap();
                assert!(
                    base <= at && at <= base * 12 / 10,
                    "{at} is not within {base} and a fifth more"
                );
            }
        }
    }
}
