//! One subscription's line, and what a tenant has in memory: the parts that the queue keeps in turn.
//!
//! Pure, and without a view of the whole: what a line may do is decided here, whose turn it is in
//! [`super::queue`].

use std::collections::VecDeque;

use super::pace::Pace;
use super::queue::{Limits, Waiting};
use crate::domain::ids::{SubscriptionId, TenantId};

/// Bytes that one turn pays for, beside the delivery itself.
const BYTES_A_TURN: usize = 16 * 1024;

/// Turns that somebody has saved up (deficit round robin): whoever sends large events has to save
/// for them, so that turns are worth the same to all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Savings(usize);

impl Savings {
    pub(super) fn add_turn(&mut self) {
        self.0 += 1;
    }

    pub(super) fn pay_for(self, turns: usize) -> bool {
        self.0 >= turns
    }

    /// What was left over is not kept: nobody saves for a burst.
    pub(super) fn spend(&mut self) {
        self.0 = 0;
    }
}

/// How many turns an item of this weight costs.
pub(super) fn turns(weight_bytes: usize) -> usize {
    1 + weight_bytes / BYTES_A_TURN
}

/// What one tenant, or all of them, have in memory and under way.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// Its lines with something to do, the next one first.
    pub(super) ring: VecDeque<SubscriptionId>,
    pub(super) is_listed: bool,
    pub(super) savings: Savings,
    pub(super) waiting: usize,
    pub(super) waiting_bytes: usize,
    pub(super) in_flight: usize,
    /// Batches that are with the plugins.
    pub(super) preparing: usize,
}

impl Share {
    /// Nothing waits, and nothing is under way.
    pub(super) fn has_nothing_to_do(&self) -> bool {
        self.waiting == 0 && self.in_flight == 0 && self.preparing == 0
    }

    pub(super) fn is_idle(&self) -> bool {
        self.has_nothing_to_do() && !self.is_listed && self.ring.is_empty()
    }
}

#[derive(Debug)]
pub(super) struct Line<T> {
    pub(super) tenant: TenantId,
    pub(super) fresh: VecDeque<Waiting<T>>,
    /// Has been through the plugins.
    pub(super) prepared: VecDeque<Waiting<T>>,
    pub(super) in_flight: usize,
    pub(super) is_preparing: bool,
    pub(super) is_listed: bool,
    pub(super) savings: Savings,
    pub(super) pace: Pace,
}

/// What a line could do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Send {
        turns: usize,
    },
    Prepare,
    /// Nothing, until something of it comes back.
    Wait,
}

impl<T> Line<T> {
    pub(super) fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            fresh: VecDeque::new(),
            prepared: VecDeque::new(),
            in_flight: 0,
            is_preparing: false,
            is_listed: false,
            savings: Savings::default(),
            pace: Pace::default(),
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.fresh.len() + self.prepared.len()
    }

    /// Whether nothing of it waits or is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting() == 0 && self.in_flight == 0 && !self.is_preparing && !self.is_listed
    }

    pub(super) fn next_step(&self, limits: Limits) -> Step {
        let head = self
            .prepared
            .front()
            .or_else(|| self.fresh.front().filter(|_| !limits.has_plugins));
        match head {
            Some(head) if self.in_flight < limits.max_in_flight => Step::Send {
                turns: turns(head.weight_bytes),
            },
            _ if self.may_prepare(limits) => Step::Prepare,
            _ => Step::Wait,
        }
    }

    fn may_prepare(&self, limits: Limits) -> bool {
        limits.has_plugins
            && !self.is_preparing
            && !self.fresh.is_empty()
            && self.prepared.len() < limits.max_in_flight
    }

    /// The item that [`Step::Send`] was about.
    pub(super) fn take_head(&mut self) -> Option<Waiting<T>> {
        self.prepared.pop_front().or_else(|| self.fresh.pop_front())
    }
}
