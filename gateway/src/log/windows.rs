//! Open windows: closes those whose time has come, and lets newer ones take the place of older ones.
//!
//! When a window closes is decided by the database's clock, in the statement that finds it. What is
//! in it, and how a batch is cut, is decided here; what is made of it is the engine's business.

use sqlx::{Acquire as _, PgConnection};

use crate::domain::attempt::{Note, Outcome};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{BucketId, DeliveryId, EventId, NodeId, SubscriptionId};
use crate::domain::queueing::{Grouping, OrderKey, cut};

use super::due::Row;
use super::error::LogError;
use super::outcomes::array;
use super::session::{Session, in_time};
use super::work::ParkReason;

/// Windows of one statement.
const MAX_WINDOWS: i64 = 100;

/// Closes windows of `buckets` that are due. Returns how many deliveries they came to, and when the
/// next one closes.
pub(super) async fn close(
    session: &mut Session,
    buckets: &[i16],
    node: NodeId,
) -> Result<(usize, Option<Timestamp>), LogError> {
    let mut deliveries = 0;
    loop {
        let mut moved = Moved::default();
        let mut tx = session.connection().begin().await?;
        let query = sqlx::query_file!("queries/due_windows.sql", buckets, MAX_WINDOWS);
        let windows = in_time(query.fetch_all(&mut *tx)).await?;
        let is_last = windows.len() < usize::try_from(MAX_WINDOWS).expect("it is small");
        for window in windows {
            // What a newer release wrote waits for it.
            let Some(grouping) = Grouping::from_code(window.grouping_code) else {
                continue;
            };
            moved.add(Closed {
                subscription: SubscriptionId::new(window.subscription_id),
                key: window.key,
                grouping,
                members: window.members,
                sizes: window.sizes,
                max_events: window.max_events,
                max_bytes: window.max_bytes,
            });
        }
        // Where all are a newer release's, the next look would find the same.
        if moved.gone_keys.is_empty() {
            break;
        }
        moved.write(&mut tx, node).await?;
        in_time(tx.commit()).await?;
        deliveries += moved.events.len();
        if is_last {
            break;
        }
    }
    let query = sqlx::query_scalar!(
        "select min(due_at) from pending_key where bucket = any($1::smallint[])",
        buckets
    );
    let next = in_time(query.fetch_one(session.connection())).await?;
    Ok((deliveries, next.map(Timestamp::from)))
}

/// A window that closes.
struct Closed {
    subscription: SubscriptionId,
    key: String,
    grouping: Grouping,
    members: Vec<i64>,
    sizes: Vec<i32>,
    max_events: i32,
    max_bytes: i32,
}

impl Closed {
    /// The members of each delivery that it comes to.
    fn deliveries(&mut self) -> Vec<Vec<i64>> {
        let mut pairs: Vec<(i64, i32)> = self.members.drain(..).zip(self.sizes.drain(..)).collect();
        pairs.sort_unstable();
        let (members, sizes): (Vec<i64>, Vec<i32>) = pairs.into_iter().unzip();
        if self.grouping != Grouping::Batch {
            return vec![members];
        }
        let size = |size: &i32| u32::try_from(*size).unwrap_or(0);
        let sizes: Vec<u32> = sizes.iter().map(size).collect();
        let mut rest = &members[..];
        let parts = cut(&sizes, size(&self.max_events), size(&self.max_bytes));
        let parts = parts.into_iter().map(|count| {
            let (these, others) = rest.split_at(count);
            rest = others;
            these.to_vec()
        });
        parts.collect()
    }
}

/// The parameters of `queries/move_windows.sql`.
#[derive(Default)]
struct Moved {
    gone_buckets: Vec<i16>,
    gone_subscriptions: Vec<i32>,
    gone_keys: Vec<String>,
    merged: Vec<i64>,
    merged_subscriptions: Vec<i32>,
    notes: Vec<Vec<u8>>,
    buckets: Vec<i16>,
    events: Vec<i64>,
    subscriptions: Vec<i32>,
    orders: Vec<Option<i64>>,
    members: Vec<String>,
    groupings: Vec<i16>,
}

impl Moved {
    fn add(&mut self, mut closed: Closed) {
        let subscription = closed.subscription;
        let bucket = BucketId::of(subscription).get();
        for members in closed.deliveries() {
            let Some((last, others)) = members.split_last() else {
                continue;
            };
            let delivery = DeliveryId {
                event: EventId::new(*last),
                subscription,
            };
            for event in others {
                self.merged.push(*event);
                self.merged_subscriptions.push(subscription.get());
                self.notes.push(note_of(delivery));
            }
            self.buckets.push(bucket);
            self.events.push(*last);
            self.subscriptions.push(subscription.get());
            // Windows of one key are delivered one after the other; batches need no order.
            let order = OrderKey::of(subscription, Some(&closed.key)).get();
            self.orders
                .push((closed.grouping != Grouping::Batch).then_some(order));
            self.members.push(array(members.iter().copied()));
            self.groupings.push(closed.grouping.code());
        }
        self.gone_buckets.push(bucket);
        self.gone_subscriptions.push(subscription.get());
        self.gone_keys.push(closed.key);
    }

    async fn write(&self, connection: &mut PgConnection, node: NodeId) -> Result<(), LogError> {
        let query = sqlx::query_file!(
            "queries/move_windows.sql",
            &self.gone_buckets,
            &self.gone_subscriptions,
            &self.gone_keys,
            node.get(),
            Outcome::Merged.code(),
            &self.merged,
            &self.merged_subscriptions,
            &self.notes as _,
            ParkReason::Window.code(),
            &self.buckets,
            &self.events,
            &self.subscriptions,
            &self.orders as _,
            &self.members,
            &self.groupings
        );
        in_time(query.execute(connection)).await.map(drop)
    }
}

/// The record of an event for which another delivery stands.
fn note_of(delivery: DeliveryId) -> Vec<u8> {
    let note = Note {
        reason: Some(format!("{delivery} stands for it")),
        into: Some(delivery),
        ..Note::default()
    };
    serde_json::to_vec(&note).expect("a note is plain data")
}

/// Lets newer windows stand for older ones of their keys that wait.
pub(super) async fn replace(
    session: &mut Session,
    pairs: &[(Row, Row)],
    node: NodeId,
) -> Result<(), LogError> {
    let column = |part: fn(&(Row, Row)) -> i64| pairs.iter().map(part).collect::<Vec<_>>();
    let buckets: Vec<i16> = pairs.iter().map(|(older, _)| older.bucket.get()).collect();
    let notes: Vec<Vec<u8>> = pairs
        .iter()
        .map(|(_, newer)| {
            note_of(DeliveryId {
                event: newer.event,
                subscription: newer.subscription,
            })
        })
        .collect();
    let query = sqlx::query_file!(
        "queries/replace_windows.sql",
        &buckets,
        &column(|(older, _)| older.id),
        &column(|(_, newer)| newer.id),
        &notes as _,
        node.get(),
        Outcome::Merged.code()
    );
    in_time(query.execute(session.connection())).await.map(drop)
}

/// Lets rows leave their orders: they have held up the others for long enough.
pub(super) async fn pass_by(session: &mut Session, rows: &[Row]) -> Result<(), LogError> {
    let buckets: Vec<i16> = rows.iter().map(|row| row.bucket.get()).collect();
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let query = sqlx::query!(
        "update parked p set order_key = null, sequence = coalesce(p.sequence, p.id)
         from unnest($1::smallint[], $2::bigint[]) as w (bucket, id)
         where p.bucket = w.bucket and p.id = w.id",
        &buckets,
        &ids
    );
    in_time(query.execute(session.connection())).await.map(drop)
}
