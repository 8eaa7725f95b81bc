//! Old days are dropped whole: only when nothing on them is open, and what still waits on them ends
//! as expired first.

use std::time::Duration;

use hookgate::domain::attempt::Outcome;
use hookgate::domain::clock::Timestamp;
use hookgate::domain::ids::{EventId, LaneId};
use hookgate::log::LogConfig;
use hookgate_tests::wait::until;
use hookgate_tests::{Database, fresh_database};
use sqlx::{AssertSqlSafe, PgPool};

use crate::log_node::{Node, clock, count, node_with, options};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Lanes that no node of this test takes by itself.
const FINISHED: i16 = 3;
const UNFINISHED: i16 = 4;

#[tokio::test]
async fn an_old_day_goes_and_what_waited_on_it_has_expired() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let (old, kept) = (OldDay::before_now(40), OldDay::before_now(39));
    old.make(&pool).await;
    kept.make(&pool).await;
    let settled = old.event(&pool, FINISHED, 1).await;
    let waiting = old.event(&pool, FINISHED, 2).await;
    let open = kept.event(&pool, UNFINISHED, 1).await;
    pass(&pool, FINISHED, waiting.get()).await;
    park(&pool, waiting).await;
    // A day of keys that nobody looks at any more.
    sqlx::raw_sql(
        "create table idempotency_2020_01_01 partition of idempotency for values in (18262)",
    )
    .execute(&pool)
    .await
    .unwrap();

    let node = start(&database).await;

    until("the old day is dropped", || async {
        (!exists(&pool, &old.partition()).await).then_some(())
    })
    .await;
    until("the old keys are dropped", || async {
        (!exists(&pool, "idempotency_2020_01_01").await).then_some(())
    })
    .await;
    assert!(
        exists(&pool, &kept.partition()).await,
        "an event of this day has no outcome yet"
    );
    assert_eq!(count(&pool, "select count(*) from parked").await, 0);
    let ends: Vec<(i64, i16, i16, bool)> =
        sqlx::query_as("select event_id, outcome, number, is_final from attempt")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(
        ends,
        [(waiting.get(), Outcome::Expired.code(), 4, true)],
        "{settled} had ended before"
    );

    // Once its lane has passed it, the other day goes too.
    node.log.drain(Duration::from_secs(10)).await;
    pass(&pool, UNFINISHED, open.get()).await;
    let node = start(&database).await;
    until("the other day is dropped", || async {
        (!exists(&pool, &kept.partition()).await).then_some(())
    })
    .await;
    node.log.drain(Duration::from_secs(10)).await;
}

/// Days stay for the tenant that keeps events longest.
#[tokio::test]
async fn each_tenant_keeps_its_events_for_a_time_of_its_own() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let (old, older) = (OldDay::before_now(5), OldDay::before_now(40));
    old.make(&pool).await;
    older.make(&pool).await;
    sqlx::raw_sql(
        "insert into tenant (name, v, retention_seconds)
         values ('shorter', 1, 3 * 86400), ('standard', 1, null), ('longer', 1, 50 * 86400)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut events = Vec::new();
    for (day, tenant, is_kept) in [
        (&old, 1, false),
        (&old, 2, true),
        (&older, 2, false),
        (&older, 3, true),
    ] {
        let event = day.event(&pool, FINISHED, 10 + events.len() as u64).await;
        sqlx::query("update event set tenant_id = $2 where id = $1")
            .bind(event.get())
            .bind(tenant)
            .execute(&pool)
            .await
            .unwrap();
        events.push((event.get(), is_kept));
    }
    pass(&pool, FINISHED, i64::MAX).await;
    let node = start(&database).await;
    until("what is too old is erased", || async {
        let erased = "select count(*) from event where erased_at is not null and payload = ''";
        (count(&pool, erased).await == 2).then_some(())
    })
    .await;
    node.log.drain(Duration::from_secs(10)).await;
    let kept: Vec<(i64, bool)> =
        sqlx::query_as("select id, erased_at is null from event order by lane, id")
            .fetch_all(&pool)
            .await
            .unwrap();
    events.sort_unstable();
    assert_eq!(kept, events, "the longest keeps the days");
}

/// A node that keeps events for 30 days.
async fn start(database: &Database) -> Node {
    let config = LogConfig {
        retention: 30 * DAY,
        ..LogConfig::default()
    };
    node_with((database, options(database)), 16, config).await
}

/// The lane's checkpoint stands here now.
async fn pass(pool: &PgPool, lane: i16, checkpoint: i64) {
    sqlx::query("update lane set checkpoint = $2 where lane = $1")
        .bind(lane)
        .bind(checkpoint)
        .execute(pool)
        .await
        .unwrap();
}

/// A day before anybody's retention.
struct OldDay {
    start: Timestamp,
}

impl OldDay {
    fn before_now(days: u32) -> Self {
        let day_ms = i64::try_from(DAY.as_millis()).unwrap();
        let today = clock().now().as_ms() / day_ms;
        Self {
            start: Timestamp::from_ms((today - i64::from(days)) * day_ms),
        }
    }

    fn partition(&self) -> String {
        let date = self.start.as_datetime().date();
        let (year, month, day) = date.to_calendar_date();
        format!("event_{year:04}_{:02}_{day:02}", u8::from(month))
    }

    async fn make(&self, pool: &PgPool) {
        let id = |at| EventId::first_at(at, LaneId::new(0)).get();
        let statement = format!(
            "create table {} partition of event for values from ({}) to ({})",
            self.partition(),
            id(self.start),
            id(self.start.plus(DAY))
        );
        sqlx::query(AssertSqlSafe(statement))
            .execute(pool)
            .await
            .unwrap();
    }

    /// An event of this day's first second, for one subscription.
    async fn event(&self, pool: &PgPool, lane: i16, second: u64) -> EventId {
        let lane = LaneId::try_from(lane).unwrap();
        let at = self.start.plus(Duration::from_secs(second));
        let id = EventId::first_at(at, lane);
        sqlx::query(
            "insert into event (id, lane, tenant_id, event_type, targets, attributes, payload)
             values ($1, $2, 1, 'a.b', '{1}', '{}', '{}')",
        )
        .bind(id.get())
        .bind(lane.get())
        .execute(pool)
        .await
        .unwrap();
        id
    }
}

/// Tried three times, and waiting for somebody to mend its plugin.
async fn park(pool: &PgPool, event: EventId) {
    sqlx::query(
        "insert into parked (bucket, event_id, subscription_id, lane, due_at, number, reason)
         values (7, $1, 1, $2, 'infinity', 3, 2)",
    )
    .bind(event.get())
    .bind(event.lane().get())
    .execute(pool)
    .await
    .unwrap();
}

async fn exists(pool: &PgPool, table: &str) -> bool {
    sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(table)
        .fetch_one(pool)
        .await
        .unwrap()
}
