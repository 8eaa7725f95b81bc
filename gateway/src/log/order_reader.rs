//! Finds rows that are new in some order, and reads the orders that have something new.
//!
//! Looks from a mark that no late commit can fall behind: ids are drawn before they are committed,
//! so the mark passes an id only when every transaction that may have drawn it has ended.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::domain::clock::Timestamp;
use crate::domain::ids::{BucketId, EventId, SubscriptionId};
use crate::domain::queueing::Grouping;

use super::due::{Placed, Row};
use super::error::LogError;
use super::orders::{NEVER, Order, Orders};
use super::session::{Session, in_time};
use super::work::Group;

const PAGE_ROWS: i64 = 4_000;
const MAX_ORDERS: usize = 512;

#[derive(Debug, Default)]
pub(super) struct OrderReader {
    mark: Mark,
    /// How far the pass under way has come.
    cursor: Option<i64>,
    is_wanted: bool,
}

/// Up to which id nothing can appear any more.
#[derive(Debug, Default)]
struct Mark {
    /// Where the next pass begins.
    from: i64,
    settled: i64,
    /// The newest id that the last statement saw.
    newest: Option<i64>,
    /// Ids, and the transaction below which all must have ended.
    open: VecDeque<(i64, i64)>,
    /// What was settled when the pass began.
    pass: i64,
}

impl Mark {
    const MAX_OPEN: usize = 64;

    /// Takes in what a statement said of the transactions of its snapshot.
    fn observe(&mut self, oldest_tx: i64, next_tx: i64, newest: i64) {
        if let Some(before) = self.newest.replace(newest) {
            // Drawn before this snapshot, hence by a transaction below its next one.
            if self.open.len() >= Self::MAX_OPEN {
                self.open.pop_back();
            }
            self.open.push_back((before, next_tx));
        }
        while let Some((id, below)) = self.open.front().copied()
            && below <= oldest_tx
        {
            self.settled = self.settled.max(id);
            self.open.pop_front();
        }
    }
}

impl OrderReader {
    /// Begins at the left edge: buckets were added, or it is time.
    pub(super) fn sweep(&mut self) {
        self.mark.from = 0;
        self.cursor = None;
        self.is_wanted = true;
    }

    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// The newest parked row there is, as a beat saw it.
    pub(super) fn hear_of(&mut self, newest: i64) {
        self.is_wanted |= self.mark.newest.is_none_or(|known| newest > known);
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// One page of what is new.
    pub(super) async fn scan(
        &mut self,
        session: &mut Session,
        (orders, buckets): (&mut Orders, &[i16]),
    ) -> Result<(), LogError> {
        self.is_wanted = false;
        let from = self.cursor.unwrap_or(self.mark.from);
        let query = sqlx::query_file!("queries/scan_orders.sql", buckets, from, PAGE_ROWS);
        let rows = in_time(query.fetch_all(session.connection())).await?;
        let Some(first) = rows.first() else {
            return Ok(());
        };
        self.mark
            .observe(first.oldest_tx, first.next_tx, first.newest);
        if self.cursor.is_none() {
            self.mark.pass = self.mark.settled;
        }
        let is_last = rows.len() < usize::try_from(PAGE_ROWS).expect("it is small");
        for row in rows {
            let (Some(id), Some(subscription), Some(key)) =
                (row.id, row.subscription_id, row.order_key)
            else {
                continue;
            };
            let bucket = BucketId::of(SubscriptionId::new(subscription));
            if !orders.find((bucket, key), id) {
                // No room: the rest is looked at when there is.
                self.is_wanted = true;
                return Ok(());
            }
            self.cursor = Some(id);
        }
        if is_last {
            self.cursor = None;
            self.mark.from = self.mark.pass;
        } else {
            self.is_wanted = true;
        }
        Ok(())
    }

    /// Reads the first rows of orders that have something new.
    pub(super) async fn read(
        &self,
        session: &mut Session,
        orders: &mut Orders,
        now: Timestamp,
    ) -> Result<(), LogError> {
        let wanted = orders.take_unread(MAX_ORDERS);
        if wanted.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = wanted.iter().map(|((bucket, _), _)| bucket.get()).collect();
        let keys: Vec<i64> = wanted.iter().map(|((_, key), _)| *key).collect();
        let settled = self.mark.settled;
        let after: Vec<i64> = wanted.iter().map(|(_, gone)| settled.min(*gone)).collect();
        let limit = i64::try_from(Orders::MAX_ROWS + 1).expect("it is small");
        let query = sqlx::query_file!("queries/load_orders.sql", &buckets, &keys, &after, limit);
        let found = match in_time(query.fetch_all(session.connection())).await {
            Ok(found) => found,
            Err(error) => {
                for (order, _) in wanted {
                    orders.touch(order);
                }
                return Err(error);
            }
        };
        let mut rows: HashMap<Order, Vec<Row>> = HashMap::new();
        for row in found {
            let subscription = SubscriptionId::new(row.subscription_id);
            let bucket = BucketId::of(subscription);
            let placed = Placed {
                key: row.order_key,
                blocks_until: row.blocks_until.map(Timestamp::from),
            };
            rows.entry((bucket, row.order_key)).or_default().push(Row {
                id: row.id,
                bucket,
                event: EventId::new(row.event_id),
                subscription,
                due_at: row.due_ms.map_or(NEVER, Timestamp::from_ms),
                made: u16::try_from(row.number).unwrap_or_default(),
                order: Some(placed),
                sequence: row.sequence.or(Some(row.id)),
                group: group(row.members, row.grouping_code),
            });
        }
        for (order, _) in wanted {
            orders.read(order, rows.remove(&order).unwrap_or_default(), now);
        }
        Ok(())
    }
}

/// What a row stands for, as the table says it.
pub(super) fn group(members: Option<Vec<i64>>, grouping: Option<i16>) -> Option<Group> {
    let members: Arc<[EventId]> = members?.into_iter().map(EventId::new).collect();
    Some(Group {
        grouping: Grouping::from_code(grouping?)?,
        members,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_passes_an_id_when_all_that_may_have_drawn_it_have_ended() {
        let mut mark = Mark::default();
        mark.observe(100, 105, 10);
        assert_eq!(mark.settled, 0);
        // 10 was drawn before this snapshot, by a transaction below 107.
        mark.observe(100, 107, 12);
        mark.observe(106, 108, 12);
        assert_eq!(mark.settled, 0, "106 may hold it");
        mark.observe(107, 109, 15);
        assert_eq!(mark.settled, 10);
        mark.observe(109, 109, 15);
        assert_eq!(mark.settled, 15);
    }

    #[test]
    fn behind_a_long_transaction_the_mark_stays_and_memory_is_bounded() {
        let mut mark = Mark::default();
        for step in 0..1_000 {
            mark.observe(50, 100 + step, step);
        }
        assert_eq!((mark.settled, mark.open.len()), (0, Mark::MAX_OPEN));
        mark.observe(2_000, 2_000, 1_000);
        assert_eq!(mark.settled, 999);
    }
}
