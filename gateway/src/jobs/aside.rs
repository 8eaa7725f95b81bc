//! Deliveries on the side: to another URL than the subscription's, for debugging.
//!
//! Made and signed like the real ones, but no attempt of theirs: nothing is recorded but how they
//! went, in the job's result.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::domain::event::Event;
use crate::domain::ids::EventId;
use crate::domain::subscription::Subscription;
use crate::domain::target_url::TargetUrl;

/// Failures that are told one by one.
const MAX_FAILURES: usize = 20;

/// How one delivery on the side went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsideReport {
    /// As attempts name it: `accepted`, `refused`, `dropped`, …
    pub outcome: &'static str,
    pub status: Option<u16>,
    pub reason: Option<String>,
}

/// Sends one delivery to a URL.
pub type SendAside = Arc<
    dyn Fn(Arc<Subscription>, Arc<Event>, TargetUrl) -> BoxFuture<'static, AsideReport>
        + Send
        + Sync,
>;

/// How many went how, and the first that did not arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AsideTally {
    pub(super) outcomes: BTreeMap<String, u64>,
    pub(super) failures: Vec<AsideFailure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AsideFailure {
    event: EventId,
    outcome: String,
    status: Option<u16>,
    reason: Option<String>,
}

impl AsideTally {
    pub(super) fn add(&mut self, event: EventId, report: AsideReport) {
        *self.outcomes.entry(report.outcome.to_owned()).or_default() += 1;
        let is_good = matches!(report.outcome, "accepted" | "dropped");
        if !is_good && self.failures.len() < MAX_FAILURES {
            self.failures.push(AsideFailure {
                event,
                outcome: report.outcome.to_owned(),
                status: report.status,
                reason: report.reason,
            });
        }
    }
}
