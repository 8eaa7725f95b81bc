//! Bugs, as they would show in a history: what the checker must be able to see.
//!
//! Each one changes a sound history into what the same run would have left behind if the gateway
//! had that bug. A checker that lets one of them pass is no checker.

use super::history::{History, Parked, Receipt};

/// One bug.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    pub name: &'static str,
    /// The rule that has to be found broken.
    pub breaks: &'static str,
    plant: fn(&mut History) -> Option<()>,
}

impl Planted {
    /// The history that this bug would have left; none where the run gives no occasion for it.
    #[must_use]
    pub fn in_history(&self, history: &History) -> Option<History> {
        let mut history = history.clone();
        (self.plant)(&mut history).map(|()| history)
    }
}

/// All of them.
pub const PLANTED: &[Planted] = &[
    Planted {
        name: "202 before the commit",
        breaks: "what was acknowledged is stored",
        plant: |history| {
            let id = *history.acknowledged.last()?;
            history.events.retain(|event| event.id != id);
            history.attempts.retain(|attempt| attempt.event != id);
            history.receipts.retain(|receipt| receipt.event != id);
            Some(())
        },
    },
    Planted {
        name: "no recovery of an orphaned lane",
        breaks: "each delivery ends",
        plant: |history| {
            let (event, subscription) = delivered(history)?;
            history
                .attempts
                .retain(|attempt| (attempt.event, attempt.subscription) != (event, subscription));
            Some(())
        },
    },
    Planted {
        name: "recorded as delivered without being sent",
        breaks: "what is on record as delivered has arrived",
        plant: |history| {
            let (event, subscription) = delivered(history)?;
            history
                .receipts
                .retain(|receipt| (receipt.event, receipt.subscription) != (event, subscription));
            Some(())
        },
    },
    Planted {
        name: "a zombie parks what another node has delivered",
        breaks: "what has ended does not wait",
        plant: |history| {
            let (event, subscription) = delivered(history)?;
            history.parked.push(Parked {
                event,
                subscription,
            });
            Some(())
        },
    },
    Planted {
        name: "a parked row that nobody loads",
        breaks: "nothing waits once all is calm",
        plant: |history| {
            let (event, subscription) = delivered(history)?;
            let ours = |of: i64, to: i32| (of, to) == (event, subscription);
            let attempts = history.attempts.iter_mut();
            for attempt in attempts.filter(|one| ours(one.event, one.subscription)) {
                (attempt.is_final, attempt.outcome) = (false, "refused".to_owned());
            }
            history.parked.push(Parked {
                event,
                subscription,
            });
            Some(())
        },
    },
    Planted {
        name: "two nodes serve one bucket",
        breaks: "a repeat has a cause",
        plant: |history| {
            let receipt = calm_receipt(history)?;
            history.receipts.push(receipt);
            Some(())
        },
    },
    Planted {
        name: "the count of attempts is not saved",
        breaks: "attempts are counted",
        plant: |history| {
            let index = retried(history)?;
            history.attempts[index].number += 1;
            let last = history.attempts[index].clone();
            let of = move |one: &super::history::Attempt| {
                (one.event, one.subscription) == (last.event, last.subscription)
            };
            let mut later = history.attempts.iter_mut().filter(|one| of(one));
            later.find(|one| one.number == 1)?.number = 2;
            Some(())
        },
    },
    Planted {
        name: "retries do not wait",
        breaks: "no attempt before its time",
        plant: |history| {
            let index = retried(history)?;
            let retry = history.attempts[index].clone();
            let first = history.attempts.iter().find(|one| {
                (one.event, one.subscription) == (retry.event, retry.subscription)
                    && one.number + 1 == retry.number
            })?;
            history.attempts[index].started_ms = first.started_ms + 10;
            Some(())
        },
    },
    Planted {
        name: "retries without end",
        breaks: "no attempt beyond the schedule",
        plant: |history| {
            let index = retried(history)?;
            history.attempts[index].number = 99;
            Some(())
        },
    },
    Planted {
        name: "given up at the first failure",
        breaks: "nobody gives up before the schedule does",
        plant: |history| {
            let (event, subscription) = delivered(history)?;
            let attempt = history.attempts.iter_mut().find(|one| {
                (one.event, one.subscription) == (event, subscription) && one.is_final
            })?;
            attempt.outcome = "refused".to_owned();
            Some(())
        },
    },
    Planted {
        name: "one event's data under another one's id",
        breaks: "what arrives is what was sent",
        plant: |history| {
            let other = history.receipts.first()?.data.clone();
            history
                .receipts
                .iter_mut()
                .find(|one| one.data != other)?
                .data = other.clone();
            Some(())
        },
    },
    Planted {
        name: "signed with another subscription's secret",
        breaks: "what arrives is signed",
        plant: |history| {
            history.receipts.last_mut()?.is_signed = false;
            Some(())
        },
    },
    Planted {
        name: "delivered to somebody who did not subscribe",
        breaks: "what arrives was wanted",
        plant: |history| {
            history.receipts.last_mut()?.subscription = 99_999;
            Some(())
        },
    },
    Planted {
        name: "the checkpoint stands still",
        breaks: "checkpoints pass what has ended",
        plant: |history| {
            let event = history.events.last()?;
            let (lane, id) = (event.lane, event.id);
            history
                .lanes
                .iter_mut()
                .find(|one| one.lane == lane)?
                .checkpoint = id - 1;
            Some(())
        },
    },
    Planted {
        name: "delivered again after it had ended",
        breaks: "nothing is tried after its end",
        plant: |history| {
            let receipt = calm_receipt(history)?;
            let end = history.attempts.iter().find(|one| {
                one.is_final
                    && (one.event, one.subscription) == (receipt.event, receipt.subscription)
            })?;
            let mut again = end.clone();
            again.started_ms += end.duration_ms + 100;
            again.is_final = false;
            history.attempts.push(again);
            Some(())
        },
    },
    Planted {
        name: "a rig that does nothing",
        breaks: "the run counts: its plan was carried out, under load",
        plant: |history| {
            history.troubles.clear();
            history.plan.steps.clear();
            Some(())
        },
    },
];

/// A delivery that took one attempt.
fn delivered(history: &History) -> Option<(i64, i32)> {
    let ends = history.attempts.iter().rev();
    let mut ends = ends.filter(|one| one.is_final && one.outcome == "accepted" && one.number == 1);
    ends.next().map(|one| (one.event, one.subscription))
}

/// A receipt long before or after anything that could explain that it came twice; half a second
/// later.
fn calm_receipt(history: &History) -> Option<Receipt> {
    const FAR_MS: i64 = 6_000;
    let is_calm = |receipt: &&Receipt| {
        receipt.is_accepted
            && history.troubles.iter().all(|trouble| {
                receipt.at_ms + FAR_MS < trouble.from_ms || receipt.at_ms > trouble.to_ms + FAR_MS
            })
    };
    let mut again = history.receipts.iter().find(is_calm)?.clone();
    again.at_ms += 500;
    Some(again)
}

/// An attempt that is the second of its delivery.
fn retried(history: &History) -> Option<usize> {
    history.attempts.iter().position(|one| one.number == 2)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::check::check;
    use super::super::history::{Attempt, Event, Injected, Lane, Subscription};
    use super::super::plan::{Plan, Trouble};
    use super::*;

    /// A small sound run: a hundred and twenty events for two subscriptions, of which each tenth
    /// delivery needs a second attempt, and two deaths with a calm minute behind them.
    fn sound() -> History {
        let death = |from_ms| Injected {
            what: "killed".to_owned(),
            may_repeat: true,
            from_ms,
            to_ms: from_ms + 500,
        };
        let kill = (Duration::ZERO, Trouble::KillPostgres);
        let mut history = History {
            plan: Plan {
                seed: 1,
                steps: vec![kill; 2],
            },
            gateways: 2,
            acknowledged: Vec::new(),
            subscriptions: [1, 2]
                .map(|id| Subscription {
                    id,
                    waits_ms: vec![1_000; 3],
                })
                .to_vec(),
            troubles: vec![death(1_000), death(3_000)],
            receipts: Vec::new(),
            events: Vec::new(),
            attempts: Vec::new(),
            parked: Vec::new(),
            lanes: vec![Lane {
                lane: 5,
                checkpoint: 10_000,
            }],
            nodes: vec![1, 2],
        };
        for number in 1..=120 {
            let data = format!("{{\"number\":{number}}}");
            history.acknowledged.push(number);
            history.events.push(Event {
                id: number,
                lane: 5,
                targets: vec![1, 2],
                data: data.clone(),
            });
            for subscription in [1, 2] {
                deliver(&mut history, (number, subscription), &data);
            }
        }
        history
    }

    fn deliver(history: &mut History, (event, subscription): (i64, i32), data: &str) {
        let attempts = if event % 10 == 0 { 2 } else { 1 };
        for number in 1..=attempts {
            let at_ms = event * 1_000 + i64::from(number) * 1_200;
            let is_final = number == attempts;
            history.receipts.push(Receipt {
                subscription,
                event,
                at_ms,
                is_signed: true,
                data: data.to_owned(),
                is_accepted: is_final,
            });
            history.attempts.push(Attempt {
                event,
                subscription,
                number,
                outcome: if is_final { "accepted" } else { "refused" }.to_owned(),
                is_final,
                started_ms: at_ms,
                duration_ms: 3,
                node: 1,
            });
        }
    }

    #[test]
    fn a_sound_history_is_found_sound() {
        let verdict = check(&sound());
        assert!(verdict.is_clean(), "{verdict}");
        assert_eq!(verdict.accounts.len(), 2);
        assert_eq!(verdict.accounts[0].ended["accepted"], 120);
    }

    #[test]
    fn a_repeat_after_a_death_is_not_held_against_anybody() {
        let mut history = sound();
        let mut again = history.receipts[0].clone();
        history.receipts[0].at_ms = 900;
        again.at_ms = 2_000;
        history.receipts.push(again);
        let verdict = check(&history);
        assert!(verdict.is_clean(), "{verdict}");
        assert_eq!(verdict.accounts[0].repeats, 1);
    }

    #[test]
    fn each_planted_bug_is_caught_by_the_rule_that_it_breaks() {
        assert!(PLANTED.len() >= 12);
        for planted in PLANTED {
            let history = planted.in_history(&sound());
            let history = history.unwrap_or_else(|| panic!("{}: no occasion", planted.name));
            let verdict = check(&history);
            assert!(
                verdict.violations.contains_key(planted.breaks),
                "{}: {verdict}",
                planted.name
            );
        }
    }
}
