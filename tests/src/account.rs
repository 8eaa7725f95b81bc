//! The account of one subscription, which must balance after whatever happened:
//! accepted = delivered + dropped + merged + cancelled + expired + dead + waiting.
//!
//! It is drawn up from the database and from what the receiver holds, and never from what the
//! gateway says about itself.

use std::collections::{BTreeMap, BTreeSet};

use hookgate::domain::attempt::Outcome;
use hookgate::domain::ids::{DeliveryId, EventId, SubscriptionId};

use crate::gateway::Subscribed;
use crate::postgres::Database;
use crate::receiver::Receiver;
use crate::wait;

/// Whose account it is, and where its deliveries went.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    pub subscribed: &'a Subscribed,
    pub receiver: &'a Receiver,
}

/// Numbers of deliveries, unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Events that this subscription must get, whatever became of them.
    pub accepted: usize,
    /// By how each one ended.
    pub ended: BTreeMap<&'static str, usize>,
    /// In a parked row.
    pub waiting: usize,
    /// Neither ended nor parked: in memory while a gateway runs, lost when none does.
    pub unsettled: BTreeSet<EventId>,
    /// Ended more than once in the records: repeats.
    pub ended_twice: usize,
    /// Recorded as delivered, but never seen by the receiver: must be empty.
    pub never_arrived: BTreeSet<EventId>,
    /// Seen by the receiver, but not among the accepted: must be empty.
    pub out_of_nowhere: BTreeSet<EventId>,
    /// Requests that the receiver accepted beyond the first of each delivery.
    pub accepted_again: usize,
    ids: BTreeSet<EventId>,
}

impl Account {
    /// # Panics
    /// Where the database cannot be read.
    pub async fn of(database: &Database, party: Party<'_>) -> Self {
        let id: SubscriptionId = party.subscribed.id.parse().expect("a subscription's id");
        let pool = database.pool_when_up().await;
        // One snapshot: a delivery on its way from one place to the next is counted once.
        let mut tx = pool
            .begin_with("begin isolation level repeatable read read only")
            .await
            .expect("a transaction");
        let events: Vec<i64> = sqlx::query_scalar(
            "select id from event where $1 = any (targets) or $1 = any (keyed)
             union select event_id from parked where subscription_id = $1
             union select event_id from attempt where subscription_id = $1",
        )
        .bind(id.get())
        .fetch_all(&mut *tx)
        .await
        .expect("the events can be read");
        let finals: Vec<(i64, i16)> = sqlx::query_as(
            "select event_id, outcome from attempt where subscription_id = $1 and is_final",
        )
        .bind(id.get())
        .fetch_all(&mut *tx)
        .await
        .expect("the attempts can be read");
        let parked: Vec<i64> =
            sqlx::query_scalar("select event_id from parked where subscription_id = $1")
                .bind(id.get())
                .fetch_all(&mut *tx)
                .await
                .expect("the parked rows can be read");
        tx.rollback().await.expect("it only read");

        let mut account = Self {
            ids: events.into_iter().map(EventId::new).collect(),
            ..Self::default()
        };
        account.accepted = account.ids.len();
        account.enter_records(&finals, &parked);
        account.enter_receipts(&party, &finals);
        account
    }

    /// The same, once nothing is in memory or waiting any more.
    ///
    /// # Panics
    /// Where that is waited for in vain, or the database cannot be read.
    pub async fn settled(database: &Database, party: Party<'_>) -> Self {
        let what = format!("all deliveries of {} have ended", party.subscribed.id);
        wait::until(&what, || async {
            let account = Self::of(database, party).await;
            (account.unsettled.is_empty() && account.waiting == 0).then_some(account)
        })
        .await
    }

    fn enter_records(&mut self, finals: &[(i64, i16)], parked: &[i64]) {
        let mut settled = BTreeSet::new();
        for &(event, outcome) in finals {
            if settled.insert(EventId::new(event)) {
                let outcome = Outcome::from_code(outcome).expect("outcomes have names");
                *self.ended.entry(name(outcome)).or_default() += 1;
            } else {
                self.ended_twice += 1;
            }
        }
        for &event in parked {
            if settled.insert(EventId::new(event)) {
                self.waiting += 1;
            }
        }
        self.unsettled = self.ids.difference(&settled).copied().collect();
    }

    fn enter_receipts(&mut self, party: &Party<'_>, finals: &[(i64, i16)]) {
        let mut arrived = BTreeSet::new();
        for receipt in party.receiver.receipts() {
            if receipt.path != party.subscribed.path {
                continue;
            }
            party.receiver.verify(&receipt);
            let delivery: DeliveryId = receipt.id().parse().expect("ids of deliveries");
            if !arrived.insert(delivery.event) && receipt.was_accepted() {
                self.accepted_again += 1;
            }
        }
        self.never_arrived = finals
            .iter()
            .filter(|(_, outcome)| *outcome == Outcome::Accepted.code())
            .map(|(event, _)| EventId::new(*event))
            .filter(|event| !arrived.contains(event))
            .collect();
        self.out_of_nowhere = arrived.difference(&self.ids).copied().collect();
    }

    /// How many ended so: `delivered`, `dropped`, `merged`, `cancelled`, `expired`, `dead`.
    #[must_use]
    pub fn ended(&self, state: &str) -> usize {
        self.ended.get(state).copied().unwrap_or(0)
    }

    /// # Panics
    /// Where something is missing or came from nowhere, or where an event that was `acknowledged`
    /// is not in the account. Repeats are allowed up to `max_repeats`.
    pub fn assert_balanced(&self, acknowledged: &[String], max_repeats: usize) {
        let ended: usize = self.ended.values().sum();
        assert_eq!(self.accepted, ended + self.waiting, "{self:?}");
        assert!(self.unsettled.is_empty(), "lost: {:?}", self.unsettled);
        assert!(
            self.never_arrived.is_empty(),
            "recorded as delivered, never received: {:?}",
            self.never_arrived
        );
        assert!(
            self.out_of_nowhere.is_empty(),
            "received, never stored: {:?}",
            self.out_of_nowhere
        );
        let missing: Vec<&String> = acknowledged
            .iter()
            .filter(|id| !self.ids.contains(&id.parse().expect("ids of events")))
            .collect();
        assert!(missing.is_empty(), "acknowledged, not stored: {missing:?}");
        assert!(
            self.accepted_again <= max_repeats,
            "{} repeats, {max_repeats} can be explained",
            self.accepted_again
        );
    }
}

/// The state of a delivery that ended so, in the words of the API.
fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "delivered",
        // The last attempt of a schedule that is used up may be the record of its end.
        Outcome::Refused
        | Outcome::TimedOut
        | Outcome::Unreachable
        | Outcome::Blocked
        | Outcome::PluginFailed => "dead",
        verdict => verdict.as_str(),
    }
}
