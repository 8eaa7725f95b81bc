//! What a run looked like from outside: what publishers were told, what receivers got, what the
//! tables held in the end, and what was done to the processes meanwhile.
//!
//! Plain data, kept as JSON, so that a run can be checked again, or by somebody else.

use serde::{Deserialize, Serialize};

use super::plan::Plan;

/// Instants are milliseconds of the machine's clock since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    pub plan: Plan,
    pub gateways: usize,
    /// Ids of the events for which somebody got a 202.
    pub acknowledged: Vec<i64>,
    pub subscriptions: Vec<Subscription>,
    pub troubles: Vec<Injected>,
    pub receipts: Vec<Receipt>,
    pub events: Vec<Event>,
    pub attempts: Vec<Attempt>,
    pub parked: Vec<Parked>,
    pub lanes: Vec<Lane>,
    /// Ids of all nodes that there ever were.
    pub nodes: Vec<i32>,
}

/// A standing wish, and when its deliveries may be tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    pub id: i32,
    /// Least wait before the second, third, … attempt.
    pub waits_ms: Vec<i64>,
}

/// From the first signal until the process, or the database, was there again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injected {
    pub what: String,
    pub may_repeat: bool,
    pub from_ms: i64,
    pub to_ms: i64,
}

/// One request at a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub subscription: i32,
    pub event: i64,
    pub at_ms: i64,
    /// By the reference library.
    pub is_signed: bool,
    /// The event's data as it arrived.
    pub data: String,
    /// Answered with a 2xx.
    pub is_accepted: bool,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub id: i64,
    pub lane: i16,
    pub targets: Vec<i32>,
    pub data: String,
}

/// A row of the attempts, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub event: i64,
    pub subscription: i32,
    pub number: i16,
    /// As the API calls it.
    pub outcome: String,
    pub is_final: bool,
    pub started_ms: i64,
    pub duration_ms: i64,
    pub node: i32,
}

/// A delivery that still waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    pub event: i64,
    pub subscription: i32,
}

/// Where a lane's checkpoint stood in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    pub lane: i16,
    pub checkpoint: i64,
}
