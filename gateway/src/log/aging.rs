//! Events of tenants that keep them shorter than others do: erased one by one, because their days stay.
//!
//! The exception beside dropping days whole. What is erased keeps its row; deliveries of it that still
//! wait end as cancelled. One node at a time does it, a few hundred events a transaction, each of
//! which remembers how far it came.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection, PgPool};
use tracing::info;

use crate::domain::ids::{EventId, LaneId};

use super::context::Context;
use super::erase::erase;
use super::error::LogError;
use super::session::in_time;

/// Events of one transaction, and transactions of one round for a tenant; the next hour goes on.
const CHUNK_EVENTS: i64 = 200;
const MAX_CHUNKS: usize = 2000;

struct Aging {
    id: i32,
    retention_seconds: i64,
}

/// Erases what is older than its tenant keeps it. Returns how long days have to stay: as long as the
/// tenant that keeps events longest.
pub(super) async fn keep(
    pool: &PgPool,
    ctx: &Context,
    standard: Duration,
) -> Result<Duration, LogError> {
    let standard_seconds = i64::try_from(standard.as_secs()).unwrap_or(i64::MAX);
    let query = sqlx::query_scalar!("select max(retention_seconds) from tenant");
    let longest = in_time(query.fetch_one(pool)).await?;
    let longest = longest.unwrap_or(0).max(standard_seconds);
    let query = sqlx::query_as!(
        Aging,
        r#"select id, coalesce(retention_seconds, $1) as "retention_seconds!" from tenant
           where coalesce(retention_seconds, $1) < $2 order by id"#,
        standard_seconds,
        longest
    );
    let tenants = in_time(query.fetch_all(pool)).await?;
    if !tenants.is_empty() {
        let mut connection = pool.acquire().await?;
        let query = sqlx::query_scalar!(
            r#"select pg_try_advisory_lock($1, 1) as "held!""#,
            ctx.locks.upkeep.key()
        );
        if in_time(query.fetch_one(&mut *connection)).await? {
            let aged = age_all(&mut connection, ctx, &tenants).await;
            let query = sqlx::query!("select pg_advisory_unlock($1, 1)", ctx.locks.upkeep.key());
            in_time(query.fetch_one(&mut *connection)).await?;
            aged?;
        }
    }
    Ok(Duration::from_secs(
        u64::try_from(longest).unwrap_or_default(),
    ))
}

async fn age_all(
    connection: &mut PgConnection,
    ctx: &Context,
    tenants: &[Aging],
) -> Result<(), LogError> {
    for tenant in tenants {
        let mut erased = 0;
        for _ in 0..MAX_CHUNKS {
            match age(connection, ctx, tenant).await? {
                Some(count) => erased += count,
                None => break,
            }
        }
        if erased > 0 {
            info!(
                tenant.id = tenant.id,
                events = erased,
                "old events were erased"
            );
        }
    }
    Ok(())
}

/// One step; None where nothing is left.
async fn age(
    connection: &mut PgConnection,
    ctx: &Context,
    tenant: &Aging,
) -> Result<Option<u64>, LogError> {
    let now = ctx.clock.now().as_ms();
    let before = now.saturating_sub(tenant.retention_seconds.saturating_mul(1000));
    let end = EventId::first_at(
        crate::domain::clock::Timestamp::from_ms(before.max(0)),
        LaneId::new(0),
    );
    let mut tx = connection.begin().await?;
    let query = sqlx::query!(
        "select e.id from event e
         where e.tenant_id = $1 and e.id > (select aged_until from tenant where id = $1) and e.id < $2
         order by e.id limit $3",
        tenant.id,
        end.get(),
        CHUNK_EVENTS
    );
    let rows = in_time(query.fetch_all(&mut *tx)).await?;
    let events: Vec<EventId> = rows.iter().map(|row| EventId::new(row.id)).collect();
    let Some(last) = events.last() else {
        return Ok(None);
    };
    let erased = erase(&mut tx, &events, ctx.node).await?;
    let query = sqlx::query!(
        "update tenant set aged_until = $2 where id = $1",
        tenant.id,
        last.get()
    );
    in_time(query.execute(&mut *tx)).await?;
    tx.commit().await?;
    Ok(Some(erased))
}
