//! Parks deliveries anew that have ended: replays, retries by filter, the release of what was missed.
//!
//! The attempt count goes on, and what waits already stays as it is, so an order that is given twice
//! does nothing twice. Runs on a connection that is handed in: a job parks and writes down how far
//! it is in one transaction.

use sqlx::PgConnection;

use crate::domain::ids::{BucketId, DeliveryId, EventId, SubscriptionId};

use super::error::LogError;
use super::session::in_time;
use super::work::ParkReason;

/// Makes deliveries due now that have ended, that were missed, or that never were. Returns how many
/// that was; what waits for something else is left alone.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn park_again(
    connection: &mut PgConnection,
    deliveries: &[DeliveryId],
) -> Result<u64, LogError> {
    let column = |part: fn(&DeliveryId) -> i32| deliveries.iter().map(part).collect::<Vec<_>>();
    let subscriptions = column(|id| id.subscription.get());
    let events: Vec<i64> = deliveries.iter().map(|id| id.event.get()).collect();
    let buckets: Vec<i16> = deliveries
        .iter()
        .map(|id| BucketId::of(id.subscription).get())
        .collect();
    let query = sqlx::query!(
        "insert into parked (bucket, event_id, subscription_id, lane, due_at, number, reason, sequence, members, grouping_code)
         select w.bucket, w.event_id, w.subscription_id, ((w.event_id >> 13) & 255)::smallint, now(), made.number, $4,
           made.sequence, kept.members, kept.grouping_code
         from unnest($1::smallint[], $2::bigint[], $3::int[]) as w (bucket, event_id, subscription_id)
         cross join lateral (
           select coalesce(max(a.number) filter (where a.outcome <= 6), 0) as number, max(a.sequence) as sequence from attempt a
           where a.lane = ((w.event_id >> 13) & 255)::smallint and a.event_id = w.event_id and a.subscription_id = w.subscription_id) made
         left join lateral (
           select a.members, a.grouping_code from attempt a
           where a.lane = ((w.event_id >> 13) & 255)::smallint and a.event_id = w.event_id and a.subscription_id = w.subscription_id
             and a.members is not null order by a.at desc limit 1) kept on true
         order by w.event_id, w.subscription_id
         on conflict (subscription_id, event_id) do update
           set due_at = excluded.due_at, reason = excluded.reason
           where parked.reason = $5",
        &buckets,
        &events,
        &subscriptions,
        ParkReason::Replay.code(),
        ParkReason::Missed.code()
    );
    Ok(in_time(query.execute(connection)).await?.rows_affected())
}

/// Makes the next `limit` deliveries due that a subscription missed, after `after` in the order of
/// events. Returns how many, and the last of them.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn release_missed(
    connection: &mut PgConnection,
    of: SubscriptionId,
    after: EventId,
    limit: u32,
) -> Result<(u64, Option<EventId>), LogError> {
    let query = sqlx::query_scalar!(
        "update parked set due_at = now(), reason = $5
         where subscription_id = $1 and bucket = $2 and id in (
           select id from parked
           where subscription_id = $1 and event_id > $3 and reason = $4
           order by event_id limit $6)
         returning event_id",
        of.get(),
        BucketId::of(of).get(),
        after.get(),
        ParkReason::Missed.code(),
        ParkReason::Replay.code(),
        i64::from(limit)
    );
    let released = in_time(query.fetch_all(connection)).await?;
    let last = released.iter().max().copied().map(EventId::new);
    Ok((released.len() as u64, last))
}
