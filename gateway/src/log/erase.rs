//! Erases the data of events: what was sent, its attributes, and what receivers and plugins said
//! about it. That the events existed, and what became of them, stays.
//!
//! Deliveries that wait end as cancelled in the same transaction. What is under way on some node at
//! that moment may still arrive. A batch, or a window that is folded, goes on without it; what stood for
//! others by being their latest ends with it. The old bytes leave the disk when Postgres vacuums.

use sqlx::PgConnection;

use crate::domain::attempt::Outcome;
use crate::domain::ids::{EventId, NodeId};

use super::Log;
use super::error::LogError;
use super::session::in_time;

impl Log {
    /// Erases one event; false where it is not there or was erased before.
    ///
    /// # Errors
    /// Where the database cannot be asked; nothing has changed then.
    pub async fn erase(&self, event: EventId) -> Result<bool, LogError> {
        let mut tx = self.pool.begin().await?;
        let erased = erase(&mut tx, &[event], self.shared.ctx.node).await?;
        tx.commit().await?;
        Ok(erased > 0)
    }
}

/// Erases `events`, in the caller's transaction. Returns how many had data until now.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn erase(
    connection: &mut PgConnection,
    events: &[EventId],
    node: NodeId,
) -> Result<u64, LogError> {
    let ids: Vec<i64> = events.iter().map(|event| event.get()).collect();
    let lanes: Vec<i16> = events.iter().map(|event| event.lane().get()).collect();
    // First of all, so that nothing is parked with the data of an event that is gone: whoever loads
    // it from now on finds it erased.
    let query = sqlx::query!(
        "update event e set payload = '', attributes = '{}', encoding = 0, erased_at = now()
         from unnest($1::smallint[], $2::bigint[]) as w (lane, id)
         where e.lane = w.lane and e.id = w.id and e.erased_at is null",
        &lanes,
        &ids
    );
    let erased = in_time(query.execute(&mut *connection))
        .await?
        .rows_affected();
    let query = sqlx::query!(
        "update attempt a set note = null
         from unnest($1::smallint[], $2::bigint[]) as w (lane, id)
         where a.lane = w.lane and a.event_id = w.id and a.note is not null",
        &lanes,
        &ids
    );
    in_time(query.execute(&mut *connection)).await?;
    let query = sqlx::query!(
        "insert into attempt (event_id, subscription_id, lane, number, outcome, duration_ms, node_id, is_final)
         select d.event_id, d.subscription_id, d.lane,
           1 + coalesce((select max(a.number) from attempt a
             where a.lane = d.lane and a.event_id = d.event_id
               and a.subscription_id = d.subscription_id and a.outcome <= 6), 0),
           $3, 0, $4, true
         from unnest($1::smallint[], $2::bigint[]) as w (lane, id)
         join delivery d on d.lane = w.lane and d.event_id = w.id
         where (d.state = 'pending' or d.park_reason is not null)
           and not exists (select from parked p where p.subscription_id = d.subscription_id and p.event_id = d.event_id
             and p.grouping_code in (2, 3) and cardinality(p.members) > 1)",
        &lanes,
        &ids,
        Outcome::Cancelled.code(),
        node.get()
    );
    in_time(query.execute(&mut *connection)).await?;
    let query = sqlx::query!(
        "delete from parked p using unnest($1::smallint[], $2::bigint[]) as w (lane, id)
         where p.lane = w.lane and p.event_id = w.id
           and not coalesce(p.grouping_code in (2, 3) and cardinality(p.members) > 1, false)",
        &lanes,
        &ids
    );
    in_time(query.execute(&mut *connection)).await?;
    // What has not been sent goes without it.
    let query = sqlx::query!(
        "update pending_key w set members = kept.members, sizes = kept.sizes, bytes = kept.bytes
         from (
           select o.bucket, o.subscription_id, o.key,
                  coalesce(array_agg(m.id order by m.id) filter (where m.id <> all($1)), '{}') as members,
                  coalesce(array_agg(m.size order by m.id) filter (where m.id <> all($1)), '{}') as sizes,
                  coalesce(sum(m.size) filter (where m.id <> all($1)), 0) as bytes
           from pending_key o cross join lateral unnest(o.members, o.sizes) as m (id, size)
           where o.members && $1::bigint[]
           group by o.bucket, o.subscription_id, o.key
         ) kept
         where w.bucket = kept.bucket and w.subscription_id = kept.subscription_id and w.key = kept.key",
        &ids
    );
    in_time(query.execute(connection)).await?;
    Ok(erased)
}
