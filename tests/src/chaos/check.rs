//! Balances the books of a run. Knows the [`History`] and nothing else: neither the runner nor the
//! gateway's code, so that a mistake which both of them make is still found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::history::{Attempt, Event, History, Receipt, Subscription};

/// Requests that a gateway may have under way, or answered but not yet written down, when it or
/// its database is lost.
const UNDER_WAY: usize = 1_100;
/// After a trouble is over a process may go on for so long before it notices that it has lost its
/// session.
const AFTERMATH_MS: i64 = 5_000;
/// Clocks of one machine, read by different processes.
const CLOCK_MS: i64 = 50;
/// Violations of one kind that are told.
const TOLD: usize = 5;

/// What the books say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// By rule; empty where all is well.
    pub violations: BTreeMap<&'static str, Vec<String>>,
    pub accounts: Vec<Account>,
}

/// How the deliveries of one subscription ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub subscription: i32,
    pub wanted: usize,
    pub ended: BTreeMap<String, usize>,
    pub repeats: usize,
}

impl Verdict {
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    fn add(&mut self, rule: &'static str, what: String) {
        self.violations.entry(rule).or_default().push(what);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for account in &self.accounts {
            let ended: usize = account.ended.values().sum();
            writeln!(
                f,
                "subscription {}: {} wanted = {ended} ended {:?}; {} repeats",
                account.subscription, account.wanted, account.ended, account.repeats
            )?;
        }
        for (rule, found) in &self.violations {
            writeln!(f, "VIOLATED {} times: {rule}", found.len())?;
            for what in found.iter().take(TOLD) {
                writeln!(f, "    {what}")?;
            }
        }
        Ok(())
    }
}

type Delivery = (i64, i32);

/// The history, sorted by delivery.
struct Books<'a> {
    history: &'a History,
    events: BTreeMap<i64, &'a Event>,
    subscriptions: BTreeMap<i32, &'a Subscription>,
    attempts: BTreeMap<Delivery, Vec<&'a Attempt>>,
    receipts: BTreeMap<Delivery, Vec<&'a Receipt>>,
    parked: BTreeSet<Delivery>,
}

impl<'a> Books<'a> {
    fn of(history: &'a History) -> Self {
        let mut books = Self {
            history,
            events: history
                .events
                .iter()
                .map(|event| (event.id, event))
                .collect(),
            subscriptions: history
                .subscriptions
                .iter()
                .map(|one| (one.id, one))
                .collect(),
            attempts: BTreeMap::new(),
            receipts: BTreeMap::new(),
            parked: history
                .parked
                .iter()
                .map(|row| (row.event, row.subscription))
                .collect(),
        };
        for attempt in &history.attempts {
            let delivery = (attempt.event, attempt.subscription);
            books.attempts.entry(delivery).or_default().push(attempt);
        }
        for receipt in &history.receipts {
            let delivery = (receipt.event, receipt.subscription);
            books.receipts.entry(delivery).or_default().push(receipt);
        }
        for attempts in books.attempts.values_mut() {
            attempts.sort_by_key(|attempt| (attempt.started_ms, attempt.number));
        }
        for receipts in books.receipts.values_mut() {
            receipts.sort_by_key(|receipt| receipt.at_ms);
        }
        books
    }

    fn wanted(&self) -> impl Iterator<Item = Delivery> {
        let targets = |event: &&'a Event| {
            event
                .targets
                .iter()
                .map(move |to| (event.id, *to))
                .collect::<Vec<_>>()
        };
        self.history
            .events
            .iter()
            .flat_map(move |event| targets(&event))
    }

    fn attempts(&self, delivery: Delivery) -> &[&'a Attempt] {
        self.attempts.get(&delivery).map_or(&[], Vec::as_slice)
    }

    fn receipts(&self, delivery: Delivery) -> &[&'a Receipt] {
        self.receipts.get(&delivery).map_or(&[], Vec::as_slice)
    }

    /// Whether something happened that explains why what began at `from_ms` was done again at
    /// `to_ms`.
    fn explains(&self, from_ms: i64, to_ms: i64) -> bool {
        self.history.troubles.iter().any(|trouble| {
            trouble.may_repeat
                && trouble.from_ms <= to_ms + CLOCK_MS
                && trouble.to_ms + AFTERMATH_MS >= from_ms
        })
    }
}

/// Reads the books of a run that has come to rest.
#[must_use]
pub fn check(history: &History) -> Verdict {
    let books = Books::of(history);
    let mut verdict = Verdict::default();
    worth_something(&books, &mut verdict);
    acknowledged_is_stored(&books, &mut verdict);
    each_delivery_ended(&books, &mut verdict);
    receipts_are_right(&books, &mut verdict);
    repeats_are_explained(&books, &mut verdict);
    attempts_are_in_order(&books, &mut verdict);
    lanes_are_passed(&books, &mut verdict);
    verdict.accounts = accounts(&books);
    verdict
}

/// A run in which nothing happened proves nothing.
fn worth_something(books: &Books<'_>, verdict: &mut Verdict) {
    let history = books.history;
    let deaths = history.troubles.iter().filter(|trouble| trouble.may_repeat);
    if deaths.count() < 2
        || history.acknowledged.len() < 100
        || history.troubles.len() != history.plan.steps.len()
    {
        let what = format!(
            "{} of {} troubles, {} events",
            history.troubles.len(),
            history.plan.steps.len(),
            history.acknowledged.len()
        );
        verdict.add("the run counts: its plan was carried out, under load", what);
    }
}

fn acknowledged_is_stored(books: &Books<'_>, verdict: &mut Verdict) {
    let ids: Vec<i64> = books.history.acknowledged.clone();
    let unique: BTreeSet<i64> = ids.iter().copied().collect();
    if unique.len() != ids.len() {
        verdict.add(
            "each 202 names an event of its own",
            format!("{} of {}", unique.len(), ids.len()),
        );
    }
    for id in unique {
        if !books.events.contains_key(&id) {
            verdict.add("what was acknowledged is stored", format!("event {id}"));
        }
    }
}

/// The account: each delivery has exactly one end, and none waits or is lost.
fn each_delivery_ended(books: &Books<'_>, verdict: &mut Verdict) {
    for delivery in books.wanted() {
        let attempts = books.attempts(delivery);
        let mut ends: Vec<&&Attempt> = attempts.iter().filter(|attempt| attempt.is_final).collect();
        let name = format!("event {} for {}", delivery.0, delivery.1);
        if books.parked.contains(&delivery) {
            let rule = if ends.is_empty() {
                "nothing waits once all is calm"
            } else {
                "what has ended does not wait"
            };
            verdict.add(rule, name);
            continue;
        }
        ends.sort_by_key(|end| end.started_ms);
        let Some(first) = ends.first() else {
            verdict.add("each delivery ends", name);
            continue;
        };
        for again in &ends[1..] {
            let is_explained = books.explains(first.started_ms, again.started_ms);
            if first.outcome != again.outcome || !is_explained {
                let what = format!("{name}: {} and {}", first.outcome, again.outcome);
                verdict.add("a delivery ends once, or again after a loss", what);
            }
        }
        if ends.iter().any(|end| end.outcome == "accepted")
            && !books
                .receipts(delivery)
                .iter()
                .any(|receipt| receipt.is_accepted)
        {
            verdict.add("what is on record as delivered has arrived", name);
        }
    }
}

fn receipts_are_right(books: &Books<'_>, verdict: &mut Verdict) {
    for receipt in &books.history.receipts {
        let name = format!("event {} for {}", receipt.event, receipt.subscription);
        let Some(event) = books.events.get(&receipt.event) else {
            verdict.add("what arrives was stored", name);
            continue;
        };
        if !event.targets.contains(&receipt.subscription) {
            verdict.add("what arrives was wanted", name);
        } else if event.data != receipt.data {
            verdict.add(
                "what arrives is what was sent",
                format!("{name}: {}", receipt.data),
            );
        } else if !receipt.is_signed {
            verdict.add("what arrives is signed", name);
        }
    }
}

/// No repeat without a cause, and not more than a cause can explain.
fn repeats_are_explained(books: &Books<'_>, verdict: &mut Verdict) {
    let mut repeats = 0;
    for (delivery, receipts) in &books.receipts {
        let accepted: Vec<&&Receipt> = receipts
            .iter()
            .filter(|receipt| receipt.is_accepted)
            .collect();
        for pair in accepted.windows(2) {
            repeats += 1;
            if !books.explains(pair[0].at_ms, pair[1].at_ms) {
                let what = format!(
                    "event {} for {}: {} ms after it was taken",
                    delivery.0,
                    delivery.1,
                    pair[1].at_ms - pair[0].at_ms
                );
                verdict.add("a repeat has a cause", what);
            }
        }
    }
    let causes = books
        .history
        .troubles
        .iter()
        .filter(|trouble| trouble.may_repeat)
        .count();
    if repeats > causes * UNDER_WAY * books.history.gateways {
        let what = format!("{repeats} repeats for {causes} troubles");
        verdict.add("repeats are what was under way", what);
    }
}

fn attempts_are_in_order(books: &Books<'_>, verdict: &mut Verdict) {
    for (delivery, attempts) in &books.attempts {
        let name = format!("event {} for {}", delivery.0, delivery.1);
        if attempts
            .iter()
            .any(|attempt| !books.history.nodes.contains(&attempt.node))
        {
            verdict.add("each attempt names its node", name.clone());
        }
        let Some(subscription) = books.subscriptions.get(&delivery.1) else {
            verdict.add("attempts are made for somebody", name);
            continue;
        };
        numbers_are_in_order(books, (subscription, attempts), &name, verdict);
    }
}

fn numbers_are_in_order(
    books: &Books<'_>,
    (subscription, attempts): (&Subscription, &[&Attempt]),
    name: &str,
    verdict: &mut Verdict,
) {
    let last = i16::try_from(subscription.waits_ms.len()).unwrap_or(i16::MAX) + 1;
    for (index, attempt) in attempts.iter().enumerate() {
        let before = attempts[..index].iter().rev();
        let is_repeat = attempts[..index]
            .iter()
            .any(|other| other.number == attempt.number);
        if is_repeat && !books.explains(attempts[0].started_ms, attempt.started_ms) {
            verdict.add(
                "attempts are counted",
                format!("{name}: attempt {} twice", attempt.number),
            );
        }
        if attempt.number < 1 || attempt.number > last {
            let what = format!("{name}: attempt {} of {last}", attempt.number);
            verdict.add("no attempt beyond the schedule", what);
        }
        if attempt.is_final && attempt.outcome != "accepted" && attempt.number < last {
            let what = format!(
                "{name}: {} at attempt {} of {last}",
                attempt.outcome, attempt.number
            );
            verdict.add("nobody gives up before the schedule does", what);
        }
        if attempt.number == 1 {
            continue;
        }
        // The statement that lets a delivery wait is the one that records its attempt.
        let Some(earlier) = before
            .clone()
            .find(|other| other.number == attempt.number - 1)
        else {
            let what = format!("{name}: attempt {} without the one before", attempt.number);
            verdict.add("attempts are counted", what);
            continue;
        };
        let wait_ms = usize::try_from(attempt.number - 2)
            .ok()
            .and_then(|index| subscription.waits_ms.get(index))
            .copied()
            .unwrap_or_default();
        let after_ms = attempt.started_ms - earlier.started_ms;
        if after_ms + CLOCK_MS < wait_ms {
            let what = format!("{name}: attempt {} after {after_ms} ms", attempt.number);
            verdict.add("no attempt before its time", what);
        }
    }
    let ended = attempts.iter().filter(|attempt| attempt.is_final);
    let ended_ms = ended.map(|end| end.started_ms + end.duration_ms).min();
    for late in attempts
        .iter()
        .filter(|attempt| ended_ms.is_some_and(|at| attempt.started_ms > at + CLOCK_MS))
    {
        if !books.explains(ended_ms.unwrap_or_default(), late.started_ms) {
            let what = format!("{name}: attempt {}", late.number);
            verdict.add("nothing is tried after its end", what);
        }
    }
}

/// At rest a checkpoint is past everything on its lane.
fn lanes_are_passed(books: &Books<'_>, verdict: &mut Verdict) {
    let checkpoints: BTreeMap<i16, i64> = books
        .history
        .lanes
        .iter()
        .map(|lane| (lane.lane, lane.checkpoint))
        .collect();
    let mut above = BTreeMap::<i16, usize>::new();
    for event in &books.history.events {
        if checkpoints
            .get(&event.lane)
            .is_none_or(|checkpoint| *checkpoint < event.id)
        {
            *above.entry(event.lane).or_default() += 1;
        }
    }
    for (lane, count) in above {
        verdict.add(
            "checkpoints pass what has ended",
            format!("lane {lane}: {count} events above"),
        );
    }
}

fn accounts(books: &Books<'_>) -> Vec<Account> {
    let mut accounts = BTreeMap::<i32, Account>::new();
    for delivery in books.wanted() {
        let account = accounts.entry(delivery.1).or_default();
        account.subscription = delivery.1;
        account.wanted += 1;
        if let Some(end) = books
            .attempts(delivery)
            .iter()
            .find(|attempt| attempt.is_final)
        {
            *account.ended.entry(end.outcome.clone()).or_default() += 1;
        }
        let accepted = books
            .receipts(delivery)
            .iter()
            .filter(|receipt| receipt.is_accepted);
        account.repeats += accepted.count().saturating_sub(1);
    }
    accounts.into_values().collect()
}
