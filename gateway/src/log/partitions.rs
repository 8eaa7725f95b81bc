//! Partitions: days of events, of attempts and of idempotency keys. Made ahead, dropped whole.
//!
//! Nothing here deletes rows of big tables. A day of events goes when it is older than what is
//! kept, nothing of it is above its own lane's checkpoint, and what was parked on it has been
//! recorded as expired.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use time::{Date, OffsetDateTime};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::domain::attempt::Outcome;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{EventId, LaneId};

use super::aging;
use super::context::{Context, Shared};
use super::error::LogError;
use super::session::in_time;

const EVERY: Duration = Duration::from_secs(3600);
const RETRY: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Days beyond today for which there is room.
const AHEAD_DAYS: i64 = 3;
/// Today's keys, yesterday's, and what the minute around midnight still looks at.
const KEPT_KEY_DAYS: i64 = 3;

/// Makes the next days' partitions, now and each hour, and drops what is older than `retention`.
pub(super) async fn run(pool: PgPool, shared: Arc<Shared>, retention: Duration) {
    loop {
        let mut wait = EVERY;
        if let Err(error) = keep(&pool, &shared.ctx, retention).await {
            warn!(%error, "partitions were not kept up");
            wait = RETRY;
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = shared.stop.soft.cancelled() => return,
        }
    }
}

async fn keep(pool: &PgPool, ctx: &Context, retention: Duration) -> Result<(), LogError> {
    ensure(pool, ctx).await?;
    let today = day_of(ctx.clock.now());
    // Days go whole, so they stay for whoever keeps events longest; the others' are erased first.
    let retention = aging::keep(pool, ctx, retention).await?;
    let kept_days = i64::try_from(retention.as_secs() / DAY.as_secs()).unwrap_or(i64::MAX);
    for (table, kept_days) in [
        (Table::Event, kept_days),
        (Table::Attempt, kept_days),
        (Table::Idempotency, KEPT_KEY_DAYS),
    ] {
        for day in days(pool, table).await? {
            if day.0 < today.0.saturating_sub(kept_days) {
                drop_day(pool, ctx, table, day).await?;
            }
        }
    }
    Ok(())
}

/// Makes what is missing. One node at a time; the others find it done.
pub(super) async fn ensure(pool: &PgPool, ctx: &Context) -> Result<(), LogError> {
    let today = day_of(ctx.clock.now());
    for table in [Table::Event, Table::Attempt, Table::Idempotency] {
        let there = days(pool, table).await?;
        for day in (-1..=AHEAD_DAYS).map(|ahead| Day(today.0 + ahead)) {
            if !there.contains(&day)
                && let Err(error) = in_time(make(pool, ctx, table, day)).await
            {
                // Rows of that day go to the default partition: nothing stops.
                warn!(table = table.name(), day = day.0, %error, "a partition was not made");
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Event,
    Attempt,
    Idempotency,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Attempt => "attempt",
            Self::Idempotency => "idempotency",
        }
    }

    fn bounds(self, day: Day) -> String {
        match self {
            Self::Event => {
                let id = |day: Day| EventId::first_at(day.start(), LaneId::new(0)).get();
                format!("from ({}) to ({})", id(day), id(day.next()))
            }
            Self::Attempt => {
                let (from, to) = (day.start(), day.next().start());
                format!("from ('{from}') to ('{to}')")
            }
            Self::Idempotency => format!("in ({})", day.0),
        }
    }
}

/// Days since 1970-01-01, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day(i64);

impl Day {
    fn start(self) -> Timestamp {
        Timestamp::from_ms(self.0 * 86_400_000)
    }

    fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// A partition's name says which day it holds.
    fn partition(self, table: Table) -> String {
        let date: Date = self.start().as_datetime().date();
        let (year, month, day) = date.to_calendar_date();
        format!("{}_{year:04}_{:02}_{day:02}", table.name(), u8::from(month))
    }

    fn of_partition(name: &str, table: Table) -> Option<Self> {
        let date = name.strip_prefix(table.name())?.strip_prefix('_')?;
        let mut parts = date.split('_');
        let year = parts.next()?.parse().ok()?;
        let month: u8 = parts.next()?.parse().ok()?;
        let day = parts.next()?.parse().ok()?;
        let month = time::Month::try_from(month).ok()?;
        let date = Date::from_calendar_date(year, month, day).ok()?;
        let start = OffsetDateTime::new_utc(date, time::Time::MIDNIGHT);
        Some(day_of(Timestamp::from(start)))
    }
}

fn day_of(at: Timestamp) -> Day {
    Day(at.as_ms().div_euclid(86_400_000))
}

async fn days(pool: &PgPool, table: Table) -> Result<Vec<Day>, LogError> {
    let query = sqlx::query_scalar!(
        r#"select c.relname::text as "name!" from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = to_regclass($1)"#,
        table.name()
    );
    let names = in_time(query.fetch_all(pool)).await?;
    Ok(names
        .iter()
        .filter_map(|name| Day::of_partition(name, table))
        .collect())
}

async fn make(pool: &PgPool, ctx: &Context, table: Table, day: Day) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    one_at_a_time(&mut tx, ctx).await?;
    let (parent, name, bounds) = (table.name(), day.partition(table), table.bounds(day));
    let statement =
        format!("create table if not exists {name} partition of {parent} for values {bounds}");
    sqlx::query(AssertSqlSafe(statement))
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Others wait for the lock a moment, not for ever: appends stand behind whoever waits for a table.
async fn one_at_a_time(connection: &mut PgConnection, ctx: &Context) -> Result<(), sqlx::Error> {
    sqlx::query("set local lock_timeout = '2s'")
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "select pg_advisory_xact_lock($1, 0)",
        ctx.locks.upkeep.key()
    )
    .fetch_one(connection)
    .await
    .map(drop)
}

async fn drop_day(pool: &PgPool, ctx: &Context, table: Table, day: Day) -> Result<(), LogError> {
    let name = day.partition(table);
    if table == Table::Event {
        if has_unfinished(pool, day).await? {
            warn!(
                partition = name,
                "an old partition is kept: not all of it has an outcome"
            );
            return Ok(());
        }
        expire_parked(pool, ctx, day).await?;
    }
    let mut tx = pool.begin().await?;
    one_at_a_time(&mut tx, ctx).await?;
    let statement = format!("drop table if exists {name}");
    sqlx::query(AssertSqlSafe(statement))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    info!(partition = name, "an old partition was dropped");
    Ok(())
}

fn ids(day: Day) -> (i64, i64) {
    let id = |day: Day| EventId::first_at(day.start(), LaneId::new(0)).get();
    (id(day), id(day.next()))
}

async fn has_unfinished(pool: &PgPool, day: Day) -> Result<bool, LogError> {
    let (from, to) = ids(day);
    let query = sqlx::query_scalar!(
        r#"select exists (
             select from lane l cross join lateral (
               select 1 from event e where e.lane = l.lane and e.id > l.checkpoint and e.id >= $1 and e.id < $2 limit 1
             ) unfinished) as "unfinished!""#,
        from,
        to
    );
    in_time(query.fetch_one(pool)).await
}

async fn expire_parked(pool: &PgPool, ctx: &Context, day: Day) -> Result<(), LogError> {
    let (from, to) = ids(day);
    let query = sqlx::query!(
        "with gone as (
           delete from parked p using lane l where p.lane = l.lane and p.event_id >= $1 and p.event_id < $2
           returning p.event_id, p.subscription_id, p.lane, p.number)
         insert into attempt (event_id, subscription_id, lane, number, outcome, duration_ms, node_id, is_final)
         select event_id, subscription_id, lane, number + 1, $3, 0, $4, true from gone",
        from,
        to,
        Outcome::Expired.code(),
        ctx.node.get()
    );
    in_time(query.execute(pool)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partitions_name_says_its_day() {
        for days in [0, 19_999, 20_781] {
            let name = Day(days).partition(Table::Event);
            assert_eq!(
                Day::of_partition(&name, Table::Event),
                Some(Day(days)),
                "{name}"
            );
        }
        assert_eq!(Day(0).partition(Table::Attempt), "attempt_1970_01_01");
        assert_eq!(Day::of_partition("event_default", Table::Event), None);
    }
}
