//! Orders in memory: of each at most one row is under way, and always the one with the lowest id.
//!
//! What is here is a cache and may be forgotten at any time: an order that is not known is read
//! again, all of it in one snapshot, and whatever was acknowledged before one of its rows was sent
//! stands before that row or is gone. Pure; reading and writing are the keeper's.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::domain::clock::Timestamp;
use crate::domain::ids::{BucketId, SubscriptionId};

use super::due::Row;

/// Due when somebody wakes it.
pub(super) const NEVER: Timestamp = Timestamp::from_ms(i64::MAX);

/// One order of one subscription.
pub(super) type Order = (BucketId, i64);

/// What became of a row that was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It left its order: it is final, or missed.
    Gone,
    /// It stays the first of its order, and is due then.
    Waits {
        due_at: Timestamp,
        blocks_until: Option<Timestamp>,
        /// Attempts made so far.
        made: u16,
    },
}

#[derive(Debug, Default)]
pub(super) struct Orders {
    orders: HashMap<Order, Known>,
    /// To be read: something about them is new.
    unread: BTreeSet<Order>,
    /// Orders whose first row is due later, or stops holding up the others then.
    timers: BTreeSet<(Timestamp, Order)>,
    /// Orders whose first row is due, by subscription, which take turns.
    lines: HashMap<SubscriptionId, Line>,
    ring: VecDeque<SubscriptionId>,
    under_way: HashMap<i64, Order>,
    /// First rows that hold up nobody any more.
    passed: Vec<Row>,
    /// Windows of one key: the first waits, and the second stands for both.
    outdated: Vec<(Row, Row)>,
}

#[derive(Debug, Default)]
struct Known {
    /// The first rows, in the order of their ids.
    rows: VecDeque<Row>,
    /// There may be others behind them.
    has_more: bool,
    under_way: Option<i64>,
    is_ready: bool,
    timer: Option<Timestamp>,
    /// Rows up to here are gone, except for some whose transaction may not have ended.
    gone_to: i64,
    /// The lowest row that was found since the order was read: it may stand before `gone_to`,
    /// because its transaction ended late.
    found: Option<i64>,
}

impl Known {
    /// Up to where nothing needs to be read again: what is gone, unless something that is here or
    /// was found stands before it.
    fn gone_before(&self) -> i64 {
        let here = self.rows.front().map(|row| row.id);
        let first = here.into_iter().chain(self.found).min();
        first.map_or(self.gone_to, |first| self.gone_to.min(first - 1))
    }
}

#[derive(Debug, Default)]
struct Line {
    ready: VecDeque<Order>,
    under_way: usize,
    is_listed: bool,
}

impl Orders {
    /// Rows of one order in memory.
    pub(super) const MAX_ROWS: usize = 16;
    /// Rows of one subscription under way.
    const MAX_UNDER_WAY: usize = 1024;
    const MAX_ORDERS: usize = 50_000;

    /// A row of an order was found. False where there is no room to look.
    pub(super) fn find(&mut self, order: Order, row: i64) -> bool {
        if let Some(known) = self.orders.get_mut(&order) {
            known.found = Some(known.found.map_or(row, |found| found.min(row)));
        }
        self.touch(order)
    }

    /// Something about an order is new. False where there is no room to look.
    pub(super) fn touch(&mut self, order: Order) -> bool {
        if let Some(known) = self.orders.get_mut(&order)
            && (known.under_way.is_some() || known.is_ready)
        {
            // It is read when those before it are gone.
            known.has_more = true;
            return true;
        }
        if self.orders.len() + self.unread.len() >= Self::MAX_ORDERS
            && !self.unread.contains(&order)
        {
            self.forget_idle();
            if self.orders.len() + self.unread.len() >= Self::MAX_ORDERS {
                return false;
            }
        }
        self.unread.insert(order);
        true
    }

    /// Looks again at all that waits: somebody may have cancelled what others wait for.
    pub(super) fn touch_waiting(&mut self) {
        let waiting: Vec<Order> = self.timers.iter().map(|(_, order)| *order).collect();
        let stuck = self.orders.iter().filter(|(_, known)| {
            known.under_way.is_none() && !known.is_ready && !known.rows.is_empty()
        });
        self.unread.extend(stuck.map(|(order, _)| *order));
        self.unread.extend(waiting);
    }

    /// Leaves out what is not to be read here: an order comes back to be read when its row does, and
    /// its bucket may be another node's by then.
    pub(super) fn keep_unread(&mut self, is_held: impl Fn(BucketId) -> bool) {
        self.unread.retain(|(bucket, _)| is_held(*bucket));
    }

    /// Orders that are to be read now, each with the id up to which its rows are gone as far as is known.
    pub(super) fn take_unread(&mut self, max: usize) -> Vec<(Order, i64)> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(order) = self.unread.pop_first()
        {
            let after = self.orders.get(&order).map_or(0, Known::gone_before);
            taken.push((order, after));
        }
        taken
    }

    /// What was read of an order: its first rows, at most [`Self::MAX_ROWS`] and one more.
    pub(super) fn read(&mut self, order: Order, rows: Vec<Row>, now: Timestamp) {
        let known = self.orders.entry(order).or_default();
        known.is_ready = false;
        known.found = None;
        known.has_more = rows.len() > Self::MAX_ROWS;
        known.rows = rows.into_iter().take(Self::MAX_ROWS).collect();
        self.settle(order, now);
    }

    /// Brings an order's lists up to date with its first row.
    fn settle(&mut self, order: Order, now: Timestamp) {
        let Some(known) = self.orders.get_mut(&order) else {
            return;
        };
        if let Some(at) = known.timer.take() {
            self.timers.remove(&(at, order));
        }
        if known.under_way.is_some() {
            return;
        }
        if known.rows.is_empty() {
            if known.has_more {
                self.unread.insert(order);
            }
            return;
        }
        if known.rows.len() > 1 && known.rows[0].is_replaced_by(&known.rows[1]) {
            self.outdated
                .push((known.rows[0].clone(), known.rows[1].clone()));
            return;
        }
        let first = &known.rows[0];
        if first.blocks_until().is_some_and(|until| until <= now) {
            self.passed.extend(known.rows.pop_front());
            return self.settle(order, now);
        }
        if first.due_at <= now {
            if !known.is_ready {
                known.is_ready = true;
                let subscription = first.subscription;
                self.line(subscription).ready.push_back(order);
                self.enlist(subscription);
            }
            return;
        }
        let at = first
            .blocks_until()
            .map_or(first.due_at, |until| until.min(first.due_at));
        if at < NEVER {
            known.timer = Some(at);
            self.timers.insert((at, order));
        }
    }

    /// Rows that stopped holding up those behind them: they are to leave their orders.
    pub(super) fn take_passed(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.passed)
    }

    /// Windows that wait, each with the newer one of its key that is to stand for it.
    pub(super) fn take_outdated(&mut self) -> Vec<(Row, Row)> {
        std::mem::take(&mut self.outdated)
    }

    /// Moves on to `now`: what was waiting may be due.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some((at, order)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            if let Some(known) = self.orders.get_mut(&order) {
                known.timer = None;
            }
            self.settle(order, now);
        }
    }

    /// When something can be done next; now where it can already.
    pub(super) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        let is_ready = !self.ring.is_empty()
            || !self.unread.is_empty()
            || !self.passed.is_empty()
            || !self.outdated.is_empty();
        if is_ready {
            return Some(now);
        }
        self.timers.first().map(|(at, _)| *at)
    }

    /// First rows that are due, at most `max`; they are under way from now on.
    pub(super) fn take(&mut self, max: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        while rows.len() < max
            && let Some(subscription) = self.ring.pop_front()
        {
            let line = self.line(subscription);
            line.is_listed = false;
            if let Some(order) = line.ready.pop_front() {
                rows.extend(self.start(order));
            }
            self.enlist(subscription);
        }
        rows
    }

    fn start(&mut self, order: Order) -> Option<Row> {
        let known = self.orders.get_mut(&order)?;
        // It may have been read again since it was listed.
        let is_ready = std::mem::take(&mut known.is_ready) && known.under_way.is_none();
        let row = known.rows.front().filter(|_| is_ready)?.clone();
        known.under_way = Some(row.id);
        self.under_way.insert(row.id, order);
        self.line(row.subscription).under_way += 1;
        Some(row)
    }

    pub(super) fn is_under_way(&self, row: i64) -> bool {
        self.under_way.contains_key(&row)
    }

    pub(super) fn under_way_of(&self, bucket: BucketId) -> usize {
        let of_bucket = self.under_way.values();
        of_bucket.filter(|(other, _)| *other == bucket).count()
    }

    /// What a row under way came to is written.
    pub(super) fn done(
        &mut self,
        row: i64,
        subscription: SubscriptionId,
        fate: Fate,
        now: Timestamp,
    ) {
        let Some(order) = self.under_way.remove(&row) else {
            return;
        };
        let line = self.line(subscription);
        line.under_way = line.under_way.saturating_sub(1);
        if let Some(known) = self.orders.get_mut(&order) {
            known.under_way = None;
            match fate {
                Fate::Gone => {
                    known.rows.retain(|other| other.id != row);
                    known.gone_to = known.gone_to.max(row);
                }
                Fate::Waits {
                    due_at,
                    blocks_until,
                    made,
                } => {
                    if let Some(first) = known.rows.iter_mut().find(|other| other.id == row) {
                        first.due_at = due_at;
                        if let Some(placed) = &mut first.order {
                            placed.blocks_until = placed.blocks_until.or(blocks_until);
                        }
                        first.made = made;
                    }
                    // Whether it was cancelled meanwhile, and what came behind it, is read.
                    if known.has_more || known.rows.len() < 2 {
                        self.unread.insert(order);
                    }
                }
            }
        }
        self.settle(order, now);
        self.enlist(subscription);
    }

    /// Drops what waits, of some buckets; what is under way stays so.
    pub(super) fn drop_waiting(&mut self, belongs: impl Fn(BucketId) -> bool) {
        self.unread.retain(|(bucket, _)| !belongs(*bucket));
        self.timers.retain(|(_, (bucket, _))| !belongs(*bucket));
        self.passed.retain(|row| !belongs(row.bucket));
        self.outdated.retain(|(row, _)| !belongs(row.bucket));
        for line in self.lines.values_mut() {
            line.ready.retain(|(bucket, _)| !belongs(*bucket));
        }
        self.orders.retain(|(bucket, _), known| {
            if !belongs(*bucket) {
                return true;
            }
            *known = Known {
                under_way: known.under_way,
                has_more: true,
                // What was found is forgotten: the next look is at all of it.
                found: Some(0),
                ..Known::default()
            };
            known.under_way.is_some()
        });
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Orders with something to do, or something to wait for.
    pub(super) fn waiting(&self) -> usize {
        self.unread.len() + self.orders.len()
    }

    /// Forgets orders that are empty; where that is not enough, those that wait: when they are due
    /// they are found by that.
    fn forget_idle(&mut self) {
        self.orders.retain(|_, known| {
            known.under_way.is_some() || known.is_ready || !known.rows.is_empty()
        });
        if self.orders.len() < Self::MAX_ORDERS / 2 {
            return;
        }
        let outdated: HashSet<i64> = self.outdated.iter().map(|(row, _)| row.id).collect();
        self.orders.retain(|_, known| {
            let is_busy = known
                .rows
                .front()
                .is_some_and(|row| outdated.contains(&row.id));
            known.under_way.is_some() || known.is_ready || is_busy
        });
        self.timers.clear();
    }

    fn line(&mut self, subscription: SubscriptionId) -> &mut Line {
        self.lines.entry(subscription).or_default()
    }

    fn enlist(&mut self, subscription: SubscriptionId) {
        let Some(line) = self.lines.get_mut(&subscription) else {
            return;
        };
        if line.ready.is_empty() {
            if line.under_way == 0 && !line.is_listed {
                self.lines.remove(&subscription);
            }
        } else if !line.is_listed && line.under_way < Self::MAX_UNDER_WAY {
            line.is_listed = true;
            self.ring.push_back(subscription);
        }
    }
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
