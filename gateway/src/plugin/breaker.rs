//! Pauses a version of a plugin that keeps failing, and tries it again after a while.
//!
//! Pure on purpose: time and results come in as arguments, so every rule is a table in the tests.
//! Knows nothing of plugins; what counts as a failure is decided by whoever notes it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::clock::Timestamp;

/// Failures one after another that pause.
const MAX_IN_A_ROW: u32 = 10;
/// Results that are looked back at.
const WINDOW: usize = 100;
/// Failures among them that pause.
const MAX_IN_WINDOW: usize = WINDOW / 2;
/// From the pause to the first probe; twice as long after each probe that fails.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const MAX_WAIT: Duration = Duration::from_secs(600);
/// A probe that has not come back by then is given up, and another begins.
const PROBE_WITHIN: Duration = Duration::from_secs(10);

/// What became of one call, as far as the plugin is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    Well,
    /// The plugin's fault.
    Badly,
}

/// Whether a batch may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Run,
    /// Run it: what comes of it decides.
    Probe,
    /// Not before then.
    Wait {
        until: Timestamp,
    },
}

/// What noting results changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Paused { why: Why, until: Timestamp },
    Resumed,
}

/// Which rule paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    InARow,
    HalfOfTheLast,
}

impl Why {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InARow => "10 calls failed one after another",
            Self::HalfOfTheLast => "half of the last 100 calls failed",
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Running,
    Paused { until: Timestamp, wait: Duration },
    Probing { until: Timestamp, wait: Duration },
}

/// The breaker of one version for one tenant.
#[derive(Debug)]
pub(super) struct Breaker {
    recent: VecDeque<Judged>,
    in_a_row: u32,
    state: State,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            recent: VecDeque::new(),
            in_a_row: 0,
            state: State::Running,
        }
    }

    pub(super) fn admit(&mut self, now: Timestamp) -> Admission {
        match self.state {
            State::Running => Admission::Run,
            State::Paused { until, wait } | State::Probing { until, wait } if now >= until => {
                self.state = State::Probing {
                    until: now.plus(PROBE_WITHIN),
                    wait,
                };
                Admission::Probe
            }
            State::Paused { until, .. } | State::Probing { until, .. } => Admission::Wait { until },
        }
    }

    /// Takes in what a batch came to that was admitted as `admission`.
    pub(super) fn note(
        &mut self,
        admission: Admission,
        results: &[Judged],
        now: Timestamp,
    ) -> Option<Change> {
        match (self.state, admission) {
            (State::Running, _) => self.note_running(results, now),
            (State::Probing { wait, .. }, Admission::Probe) => self.note_probe(results, wait, now),
            // Began before the pause: its failures are known by now.
            _ => None,
        }
    }

    fn note_running(&mut self, results: &[Judged], now: Timestamp) -> Option<Change> {
        let mut why = None;
        for &result in results {
            if self.recent.len() == WINDOW {
                self.recent.pop_front();
            }
            self.recent.push_back(result);
            self.in_a_row = match result {
                Judged::Well => 0,
                Judged::Badly => self.in_a_row + 1,
            };
            if self.in_a_row >= MAX_IN_A_ROW {
                why = why.or(Some(Why::InARow));
            } else if self.failures() >= MAX_IN_WINDOW {
                why = why.or(Some(Why::HalfOfTheLast));
            }
        }
        let why = why?;
        let until = now.plus(FIRST_WAIT);
        self.state = State::Paused {
            until,
            wait: FIRST_WAIT,
        };
        Some(Change::Paused { why, until })
    }

    fn note_probe(&mut self, results: &[Judged], wait: Duration, now: Timestamp) -> Option<Change> {
        if results.contains(&Judged::Badly) {
            let wait = (wait * 2).min(MAX_WAIT);
            self.state = State::Paused {
                until: now.plus(wait),
                wait,
            };
            return None;
        }
        if results.is_empty() {
            // Nobody was asked, so nothing is known: the next batch is the probe.
            self.state = State::Paused { until: now, wait };
            return None;
        }
        *self = Self::new();
        Some(Change::Resumed)
    }

    fn failures(&self) -> usize {
        let failures = self.recent.iter();
        failures.filter(|result| **result == Judged::Badly).count()
    }

    /// When it is tried next, where it is paused.
    pub(super) fn paused_until(&self) -> Option<Timestamp> {
        match self.state {
            State::Running => None,
            State::Paused { until, .. } | State::Probing { until, .. } => Some(until),
        }
    }

    /// Nothing in it is worth remembering.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.state, State::Running) && self.failures() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_ms(1_790_000_000_000 + seconds * 1000)
    }

    /// `.` for a call that went well, `x` for one that did not.
    fn note(breaker: &mut Breaker, results: &str, seconds: i64) -> Option<Change> {
        let judged = |letter| match letter {
            '.' => Judged::Well,
            _ => Judged::Badly,
        };
        let results: Vec<Judged> = results.chars().map(judged).collect();
        let admission = breaker.admit(at(seconds));
        breaker.note(admission, &results, at(seconds))
    }

    fn paused(results: &[&str]) -> Option<Why> {
        let mut breaker = Breaker::new();
        let changes = results.iter().map(|part| note(&mut breaker, part, 0));
        changes.flatten().find_map(|change| match change {
            Change::Paused { why, .. } => Some(why),
            Change::Resumed => None,
        })
    }

    #[test]
    fn ten_in_a_row_or_half_of_the_last_hundred_pause() {
        let nine = "x".repeat(9);
        let well = ".".repeat(1000);
        for (results, why) in [
            (vec!["xxxxxxxxxx"], Some(Why::InARow)),
            (vec!["xxxxx", "xxxxx"], Some(Why::InARow)),
            (vec![&*nine, ".", &*nine, "."], None),
            (vec![&*"x.".repeat(49)], None),
            (vec![&*"x.".repeat(50)], Some(Why::HalfOfTheLast)),
            (vec![&*well, &*"x.".repeat(50)], Some(Why::HalfOfTheLast)),
            // Every second call, seen only by those: W25.
            (vec![&*"x..".repeat(200)], None),
            (vec![&*"x.".repeat(49), &*well, &*"x.".repeat(49)], None),
        ] {
            assert_eq!(paused(&results), why, "{results:?}");
        }
    }

    #[test]
    fn a_pause_ends_with_a_probe_that_goes_well() {
        let mut breaker = Breaker::new();
        note(&mut breaker, "xxxxxxxxxx", 0);
        assert_eq!(breaker.admit(at(29)), Admission::Wait { until: at(30) });
        assert_eq!(breaker.admit(at(30)), Admission::Probe);
        // One probe at a time.
        assert_eq!(breaker.admit(at(30)), Admission::Wait { until: at(40) });
        let change = breaker.note(Admission::Probe, &[Judged::Well], at(31));
        assert_eq!(change, Some(Change::Resumed));
        assert!(breaker.is_settled());
        assert_eq!(breaker.admit(at(31)), Admission::Run);
    }

    #[test]
    fn probes_that_fail_come_more_and_more_seldom() {
        let mut breaker = Breaker::new();
        note(&mut breaker, "xxxxxxxxxx", 0);
        let mut now = 30;
        for wait in [60, 120, 240, 480, 600, 600] {
            assert_eq!(breaker.admit(at(now)), Admission::Probe);
            let results = [Judged::Well, Judged::Badly];
            assert_eq!(breaker.note(Admission::Probe, &results, at(now)), None);
            assert_eq!(breaker.paused_until(), Some(at(now + wait)));
            now += wait;
        }
    }

    #[test]
    fn a_probe_that_never_came_back_is_followed_by_another() {
        let mut breaker = Breaker::new();
        note(&mut breaker, "xxxxxxxxxx", 0);
        assert_eq!(breaker.admit(at(30)), Admission::Probe);
        assert_eq!(breaker.admit(at(40)), Admission::Probe);
        // Nobody was asked, so nothing is known.
        assert_eq!(breaker.note(Admission::Probe, &[], at(41)), None);
        assert_eq!(breaker.admit(at(41)), Admission::Probe);
    }

    #[test]
    fn what_began_before_the_pause_changes_nothing() {
        let mut breaker = Breaker::new();
        note(&mut breaker, "xxxxxxxxxx", 0);
        assert_eq!(
            breaker.note(Admission::Run, &[Judged::Well; 100], at(1)),
            None
        );
        assert_eq!(breaker.paused_until(), Some(at(30)));
    }
}
