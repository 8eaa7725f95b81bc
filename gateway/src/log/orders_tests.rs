//! Whatever happens to an order, its rows go out one by one, the lowest id first.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::ids::EventId;
use crate::domain::queueing::Grouping;
use crate::log::due::Placed;
use crate::log::work::Group;

const BUCKET: BucketId = BucketId::new(1);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::new(1);

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn row(id: i64, key: i64) -> Row {
    Row {
        id,
        bucket: BUCKET,
        event: EventId::new(id),
        subscription: SUBSCRIPTION,
        due_at: at(0),
        made: 0,
        order: Some(Placed {
            key,
            blocks_until: None,
        }),
        sequence: Some(id),
        group: None,
    }
}

fn window(id: i64, key: i64) -> Row {
    let group = Group {
        grouping: Grouping::Latest,
        members: [EventId::new(id)].into(),
    };
    Row {
        group: Some(group),
        ..row(id, key)
    }
}

fn ids(rows: &[Row]) -> Vec<i64> {
    rows.iter().map(|row| row.id).collect()
}

fn waits(due_ms: i64, blocks_ms: Option<i64>) -> Fate {
    Fate::Waits {
        due_at: at(due_ms),
        blocks_until: blocks_ms.map(at),
        made: 1,
    }
}

#[test]
fn one_row_of_an_order_is_under_way_and_the_next_follows_when_it_is_gone() {
    let mut orders = Orders::default();
    orders.read((BUCKET, 1), vec![row(1, 1), row(2, 1)], at(0));
    orders.read((BUCKET, 2), vec![row(3, 2)], at(0));
    assert_eq!(ids(&orders.take(9)), [1, 3]);
    assert!(orders.take(9).is_empty());
    orders.done(1, SUBSCRIPTION, Fate::Gone, at(0));
    assert_eq!(ids(&orders.take(9)), [2]);
    orders.done(2, SUBSCRIPTION, Fate::Gone, at(0));
    orders.done(3, SUBSCRIPTION, Fate::Gone, at(0));
    assert!(orders.is_idle() && orders.take(9).is_empty());
}

#[test]
fn a_first_row_that_waits_holds_up_its_order_and_no_other() {
    let mut orders = Orders::default();
    orders.read((BUCKET, 1), vec![row(1, 1), row(2, 1)], at(0));
    assert_eq!(ids(&orders.take(9)), [1]);
    orders.done(1, SUBSCRIPTION, waits(50, None), at(0));
    orders.read((BUCKET, 2), vec![row(3, 2)], at(0));
    assert_eq!(ids(&orders.take(9)), [3]);
    assert_eq!(orders.next_at(at(0)), Some(at(50)));
    orders.advance(at(49));
    assert!(orders.take(9).is_empty());
    orders.advance(at(50));
    assert_eq!(ids(&orders.take(9)), [1]);
}

#[test]
fn after_its_time_a_first_row_is_passed_by() {
    let mut orders = Orders::default();
    orders.read((BUCKET, 1), vec![row(1, 1), row(2, 1)], at(0));
    orders.take(9);
    orders.done(1, SUBSCRIPTION, waits(500, Some(100)), at(0));
    assert_eq!(orders.next_at(at(0)), Some(at(100)));
    orders.advance(at(100));
    assert_eq!(ids(&orders.take_passed()), [1]);
    assert_eq!(ids(&orders.take(9)), [2]);
}

#[test]
fn a_newer_window_stands_for_the_older_one_that_waits() {
    let mut orders = Orders::default();
    orders.read((BUCKET, 1), vec![window(1, 1)], at(0));
    assert_eq!(ids(&orders.take(9)), [1]);
    // While it is under way it goes on.
    assert!(orders.touch((BUCKET, 1)));
    assert!(orders.take_unread(9).is_empty());
    orders.done(1, SUBSCRIPTION, waits(500, None), at(0));
    assert_eq!(orders.take_unread(9), [((BUCKET, 1), 0)]);
    let mut first = window(1, 1);
    first.due_at = at(500);
    orders.read((BUCKET, 1), vec![first, window(2, 1)], at(0));
    let outdated = orders.take_outdated();
    assert_eq!(outdated.len(), 1);
    assert_eq!((outdated[0].0.id, outdated[0].1.id), (1, 2));
    assert!(orders.take(9).is_empty());
}

#[test]
fn what_is_given_up_is_read_again() {
    let mut orders = Orders::default();
    orders.read((BUCKET, 1), vec![row(1, 1), row(2, 1)], at(0));
    orders.take(9);
    orders.drop_waiting(|_| true);
    assert_eq!(orders.under_way_of(BUCKET), 1);
    // It is ours again before the old attempt has come back: not twice at once.
    orders.touch((BUCKET, 1));
    assert!(orders.take_unread(9).is_empty() && orders.take(9).is_empty());
    orders.done(1, SUBSCRIPTION, Fate::Gone, at(0));
    assert_eq!(orders.take_unread(9), [((BUCKET, 1), -1)]);
}

#[test]
fn a_row_whose_transaction_ended_late_is_read_though_later_ones_are_gone() {
    let mut orders = Orders::default();
    orders.read((BUCKET, 1), vec![row(2, 1)], at(0));
    assert_eq!(ids(&orders.take(9)), [2]);
    orders.find((BUCKET, 1), 1);
    orders.done(2, SUBSCRIPTION, Fate::Gone, at(0));
    assert_eq!(orders.take_unread(9), [((BUCKET, 1), 0)]);
    orders.read((BUCKET, 1), vec![row(1, 1)], at(0));
    assert_eq!(ids(&orders.take(9)), [1]);
    orders.done(1, SUBSCRIPTION, Fate::Gone, at(0));
    orders.find((BUCKET, 1), 3);
    assert_eq!(orders.take_unread(9), [((BUCKET, 1), 2)]);
}

/// The table, and when each row was sent and committed.
#[derive(Default)]
struct World {
    table: BTreeMap<i64, (Row, u64)>,
    sent: BTreeMap<i64, u64>,
    drawn: Vec<(i64, i64)>,
    next_id: i64,
    time: u64,
}

#[derive(Clone, Debug)]
enum Act {
    /// A transaction draws an id for a key.
    Draw(i64),
    /// One of those that have drawn commits.
    Commit(usize),
    Read,
    Take,
    /// One under way is over: gone, or it waits.
    Done(usize, bool),
    /// Somebody cancels what waits.
    Cancel(usize),
    LoseBucket,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0_i64..4).prop_map(Act::Draw),
        4 => any::<usize>().prop_map(Act::Commit),
        3 => Just(Act::Read),
        3 => Just(Act::Take),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, gone)| Act::Done(which, gone)),
        1 => any::<usize>().prop_map(Act::Cancel),
        1 => Just(Act::LoseBucket),
    ];
    prop::collection::vec(act, 0..200)
}

impl World {
    fn read_all(&self, orders: &mut Orders, now: Timestamp) {
        // What a late commit may still put before others is not behind us.
        let oldest = self.drawn.iter().map(|(id, _)| *id).min();
        let settled = oldest.map_or(self.next_id, |id| id - 1);
        for (order, gone_to) in orders.take_unread(usize::MAX) {
            let after = gone_to.min(settled);
            let rows = self.table.range(after + 1..).map(|(_, (row, _))| row);
            let rows = rows.filter(|row| row.order.unwrap().key == order.1);
            let rows = rows.take(Orders::MAX_ROWS + 1).cloned().collect();
            orders.read(order, rows, now);
        }
    }

    /// What was acknowledged before `row` was sent is gone.
    fn may_start(&self, row: &Row) -> bool {
        let sent_at = self.sent[&row.id];
        self.table.values().all(|(other, committed_at)| {
            other.order.unwrap().key != row.order.unwrap().key
                || other.id == row.id
                || *committed_at > sent_at
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_happens_the_order_holds_and_nothing_is_left(acts in acts()) {
        let mut orders = Orders::default();
        let mut world = World::default();
        let mut under_way: Vec<Row> = Vec::new();
        let all = [Act::Read, Act::Take, Act::Done(0, true)];
        // What is left is committed, read, sent and done with.
        let rest = (0..1000).map(Act::Commit).chain(all.into_iter().cycle().take(3000));
        for act in acts.into_iter().chain([Act::Draw(0)]).chain(rest) {
            world.time += 1;
            let now = at(i64::try_from(world.time).unwrap());
            orders.advance(now);
            match act {
                Act::Draw(key) => {
                    world.next_id += 1;
                    world.sent.insert(world.next_id, world.time);
                    world.drawn.push((world.next_id, key));
                }
                Act::Commit(which) if !world.drawn.is_empty() => {
                    let (id, key) = world.drawn.swap_remove(which % world.drawn.len());
                    world.table.insert(id, (row(id, key), world.time));
                    orders.find((BUCKET, key), id);
                }
                Act::Read => world.read_all(&mut orders, now),
                Act::Take => {
                    for row in orders.take(2) {
                        prop_assert!(world.may_start(&row), "{} came too early", row.id);
                        let key = |row: &Row| row.order.unwrap().key;
                        prop_assert!(under_way.iter().all(|other| key(other) != key(&row)));
                        under_way.push(row);
                    }
                }
                Act::Done(which, is_gone) if !under_way.is_empty() => {
                    let row = under_way.swap_remove(which % under_way.len());
                    let fate = if is_gone {
                        world.table.remove(&row.id);
                        Fate::Gone
                    } else {
                        waits(now.as_ms() + 3, None)
                    };
                    orders.done(row.id, SUBSCRIPTION, fate, now);
                }
                Act::Cancel(which) if !world.table.is_empty() => {
                    let id = *world.table.keys().nth(which % world.table.len()).unwrap();
                    let (row, _) = world.table.remove(&id).unwrap();
                    orders.touch((BUCKET, row.order.unwrap().key));
                }
                Act::LoseBucket => {
                    orders.drop_waiting(|_| true);
                    for key in 0..4 {
                        orders.touch((BUCKET, key));
                    }
                }
                _ => {}
            }
        }
        prop_assert!(world.table.is_empty(), "{:?} are left", world.table.keys());
    }
}

#[test]
fn an_order_of_a_lost_bucket_is_not_read_when_its_row_comes_back() {
    let mut orders = Orders::default();
    let order = (BUCKET, 7);
    assert!(orders.find(order, 1));
    orders.take_unread(10);
    orders.read(order, vec![row(1, 7), row(2, 7)], at(0));
    assert_eq!(ids(&orders.take(10)), [1]);

    orders.drop_waiting(|bucket| bucket == BUCKET);
    orders.done(1, SUBSCRIPTION, Fate::Gone, at(0));
    orders.keep_unread(|bucket| bucket != BUCKET);

    assert_eq!(orders.take_unread(10), []);
    assert_eq!(orders.next_at(at(0)), None);
}
