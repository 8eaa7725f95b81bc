//! Parked rows in memory: waiting for their instant, or under way. Bounded by subscription and in all.

use std::collections::{BTreeMap, HashMap};

use crate::domain::clock::Timestamp;
use crate::domain::ids::{BucketId, EventId, SubscriptionId};
use crate::domain::queueing::Grouping;

use super::orders::Orders;
use super::work::Group;

/// A parked row without its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) bucket: BucketId,
    pub(super) event: EventId,
    pub(super) subscription: SubscriptionId,
    pub(super) due_at: Timestamp,
    /// Attempts made so far.
    pub(super) made: u16,
    /// Where it stands in an order.
    pub(super) order: Option<Placed>,
    /// Its number in an order, where it has or had one.
    pub(super) sequence: Option<i64>,
    /// Where it stands for several events.
    pub(super) group: Option<Group>,
}

/// A row's place in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) key: i64,
    /// From then on it holds up nobody.
    pub(super) blocks_until: Option<Timestamp>,
}

impl Row {
    /// Most events that one window may come to stand for by replacing older ones.
    const MAX_MEMBERS: usize = 2_000;

    pub(super) fn blocks_until(&self) -> Option<Timestamp> {
        self.order.and_then(|placed| placed.blocks_until)
    }

    /// Whether `newer` of the same order stands for this one too.
    pub(super) fn is_replaced_by(&self, newer: &Self) -> bool {
        let (Some(own), Some(other)) = (&self.group, &newer.group) else {
            return false;
        };
        let is_window = |group: &Group| group.grouping != Grouping::Batch;
        is_window(own)
            && is_window(other)
            && own.members.len() + other.members.len() <= Self::MAX_MEMBERS
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    Yes,
    Known,
    /// This subscription has as many as it may.
    SubscriptionFull,
    /// There is no room for anybody's.
    Full,
}

#[derive(Debug, Default)]
pub(super) struct Due {
    waiting: BTreeMap<(Timestamp, i64), Row>,
    /// Handed out, and those that wait: whose they are.
    known: HashMap<i64, SubscriptionId>,
    by_subscription: HashMap<SubscriptionId, usize>,
    under_way: HashMap<BucketId, usize>,
    pub(super) orders: Orders,
}

impl Due {
    /// Rows of one subscription in memory.
    pub(super) const MAX_OF_SUBSCRIPTION: usize = 1024;
    const MAX: usize = 32_768;

    /// A row of an order is not kept itself: its order is looked at.
    pub(super) fn add(&mut self, row: Row) -> Added {
        if let Some(placed) = row.order {
            let has_room = self.orders.touch((row.bucket, placed.key));
            return if has_room { Added::Known } else { Added::Full };
        }
        if self.known.contains_key(&row.id) {
            return Added::Known;
        }
        if self.known.len() >= Self::MAX {
            return Added::Full;
        }
        let of_subscription = self.by_subscription.entry(row.subscription).or_default();
        if *of_subscription >= Self::MAX_OF_SUBSCRIPTION {
            return Added::SubscriptionFull;
        }
        *of_subscription += 1;
        self.known.insert(row.id, row.subscription);
        self.waiting.insert((row.due_at, row.id), row);
        Added::Yes
    }

    pub(super) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        let plain = self.waiting.first_key_value().map(|((at, _), _)| *at);
        let ordered = self.orders.next_at(now);
        plain.into_iter().chain(ordered).min()
    }

    /// Rows that are due, at most `max`; they are under way from now on.
    pub(super) fn take(&mut self, now: Timestamp, max: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        while rows.len() < max
            && let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            let row = first.remove();
            *self.under_way.entry(row.bucket).or_default() += 1;
            rows.push(row);
        }
        // Both have waited; neither is to wait for the other.
        let ordered = self
            .orders
            .take(max.saturating_sub(rows.len()).max(max / 2));
        rows.extend(ordered);
        rows
    }

    /// What a row's delivery came to is written.
    pub(super) fn done(&mut self, id: i64, bucket: BucketId) {
        if self.forget(id)
            && let Some(under_way) = self.under_way.get_mut(&bucket)
        {
            *under_way = under_way.saturating_sub(1);
        }
    }

    /// Drops what waits, of some buckets; what is under way stays known.
    pub(super) fn drop_waiting(&mut self, belongs: impl Fn(BucketId) -> bool) {
        let gone: Vec<_> = self
            .waiting
            .iter()
            .filter(|(_, row)| belongs(row.bucket))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.waiting.remove(&key);
            self.forget(key.1);
        }
        self.orders.drop_waiting(belongs);
    }

    pub(super) fn under_way_of(&self, bucket: BucketId) -> usize {
        let plain = self.under_way.get(&bucket).copied().unwrap_or_default();
        plain + self.orders.under_way_of(bucket)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.known.is_empty() && self.orders.is_idle()
    }

    pub(super) fn len_of(&self, subscription: SubscriptionId) -> usize {
        self.by_subscription
            .get(&subscription)
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() + self.orders.waiting()
    }

    fn forget(&mut self, id: i64) -> bool {
        let Some(subscription) = self.known.remove(&id) else {
            return false;
        };
        if let Some(rows) = self.by_subscription.get_mut(&subscription) {
            *rows -= 1;
            if *rows == 0 {
                self.by_subscription.remove(&subscription);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, due_ms: i64) -> Row {
        Row {
            id,
            bucket: BucketId::new(1),
            event: EventId::new(id),
            subscription: SubscriptionId::new(1),
            due_at: Timestamp::from_ms(due_ms),
            made: 0,
            order: None,
            sequence: None,
            group: None,
        }
    }

    #[test]
    fn rows_are_taken_in_the_order_they_are_due_and_never_twice() {
        let mut due = Due::default();
        assert_eq!(due.add(row(1, 30)), Added::Yes);
        assert_eq!(due.add(row(2, 10)), Added::Yes);
        assert_eq!(due.add(row(2, 10)), Added::Known);
        assert_eq!(
            due.next_at(Timestamp::from_ms(0)),
            Some(Timestamp::from_ms(10))
        );
        assert_eq!(due.take(Timestamp::from_ms(20), 9), [row(2, 10)]);
        assert_eq!(due.add(row(2, 10)), Added::Known, "it is under way");
        due.drop_waiting(|_| true);
        assert_eq!(due.waiting(), 0);
        due.done(2, BucketId::new(1));
        assert!(due.is_idle());
        assert_eq!(due.under_way_of(BucketId::new(1)), 0);
    }

    #[test]
    fn one_subscription_cannot_fill_the_memory() {
        let mut due = Due::default();
        let max = i64::try_from(Due::MAX_OF_SUBSCRIPTION).unwrap();
        for id in 0..max {
            assert_eq!(due.add(row(id, 0)), Added::Yes);
        }
        assert_eq!(due.add(row(max, 0)), Added::SubscriptionFull);
    }
}
