//! One key, one event, also while the day changes: keys live in days of the database's clock, and
//! two nodes may be on either side of midnight at the same moment.
//!
//! The day is moved in the database: a function `now` in front of the server's own answers the two
//! statements that deal with keys with the instant that the test names for each node.

use std::collections::HashSet;
use std::time::Duration;

use hookgate::domain::ids::EventId;
use hookgate::log::{Appended, Log, LogConfig};
use hookgate_tests::{Database, fresh_database};
use sqlx::PgPool;
use time::OffsetDateTime;
use time::macros::datetime;

use crate::log_node::{Node, id_of, keyed, node_with, options};

const MIDNIGHT: OffsetDateTime = datetime!(2031-05-04 00:00 UTC);

/// Everything else of the log goes on with the server's clock.
const CLOCK: &str = "
    create table test_clock (application text primary key, reads timestamptz not null);
    create function hookgate.now() returns timestamptz stable language sql as $$
      select coalesce(
        (select reads from hookgate.test_clock
         where application = current_setting('application_name') and current_query() like '%idempotency%'),
        pg_catalog.now())
    $$";

struct Nodes {
    pool: PgPool,
    first: Node,
    second: Node,
}

impl Nodes {
    async fn start(database: &Database) -> Self {
        let pool = database.pool().await;
        sqlx::raw_sql(CLOCK).execute(&pool).await.unwrap();
        let shifted = || options(database).options([("search_path", "hookgate,pg_catalog")]);
        let first = node_with((database, shifted()), 4096, LogConfig::default()).await;
        let second = node_with((database, shifted()), 4096, LogConfig::default()).await;
        Self {
            pool,
            first,
            second,
        }
    }

    /// Seconds after midnight, on each node's clock.
    async fn clocks_read(&self, first: i64, second: i64) {
        for (node, seconds) in [(&self.first, first), (&self.second, second)] {
            sqlx::query(
                "insert into test_clock values ('hookgate node ' || $1, $2)
                 on conflict (application) do update set reads = excluded.reads",
            )
            .bind(node.id.get().to_string())
            .bind(MIDNIGHT + time::Duration::seconds(seconds))
            .execute(&self.pool)
            .await
            .unwrap();
        }
    }

    async fn days_of(&self, event: EventId) -> Vec<i32> {
        sqlx::query_scalar("select day from idempotency where event_id = $1 order by day")
            .bind(event.get())
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    async fn stop(self) {
        for node in [self.first, self.second] {
            node.log.drain(Duration::from_secs(10)).await;
        }
    }
}

async fn append(log: &Log, key: u64, body: u8) -> Appended {
    log.append(vec![keyed(key, body)]).await.unwrap()[0]
}

#[tokio::test]
async fn a_key_is_known_for_a_day_whatever_the_calendar_says() {
    let database = fresh_database().await;
    let nodes = Nodes::start(&database).await;
    let after = i32::try_from(MIDNIGHT.unix_timestamp() / 86_400).unwrap();
    let before = after - 1;
    let mut key = 0;
    for (stored_at, days) in [
        (-3600, vec![before]),
        (-61, vec![before]),
        (-59, vec![before, after]),
        (-1, vec![before, after]),
        (0, vec![before, after]),
        (59, vec![before, after]),
        (60, vec![after]),
        (3600, vec![after]),
    ] {
        for later in [0, 1, 30, 120, 3600, 86_399] {
            key += 1;
            nodes.clocks_read(stored_at, stored_at + later).await;
            let stored = append(&nodes.first.log, key, 1).await;
            assert!(matches!(stored, Appended::Stored { .. }), "at {stored_at}");
            let id = id_of(&stored);
            assert_eq!(nodes.days_of(id).await, days, "at {stored_at}");

            let again = append(&nodes.second.log, key, 1).await;
            let case = format!("stored at {stored_at}, again {later} s later");
            assert_eq!(again, Appended::Duplicate { id }, "{case}");
            let other = append(&nodes.second.log, key, 2).await;
            assert_eq!(other, Appended::OtherBody { id }, "{case}");
        }
        // The window ends: days later the key is a new one.
        nodes.clocks_read(stored_at, stored_at + 3 * 86_400).await;
        let new = append(&nodes.second.log, key, 1).await;
        assert!(matches!(new, Appended::Stored { .. }), "from {stored_at}");
    }
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_requests_at_once_on_both_sides_of_midnight_one_is_stored() {
    let database = fresh_database().await;
    let nodes = Nodes::start(&database).await;
    for (round, (first, second)) in (0_u64..).zip([
        (-61, -59),
        (-70, -55),
        (-59, -61),
        (-1, 1),
        (-5, 5),
        (59, 61),
        (55, 70),
        (61, 59),
        (-59, 59),
    ]) {
        nodes.clocks_read(first, second).await;
        for key in (round * 10..).take(5) {
            let asked = (0..40).map(|request| {
                let node = [&nodes.first, &nodes.second][request % 2];
                append(&node.log, key, 1)
            });
            let answers = futures_util::future::join_all(asked).await;
            let ids: HashSet<EventId> = answers.iter().map(id_of).collect();
            assert_eq!(ids.len(), 1, "clocks at {first} and {second}");
            let stored = answers
                .iter()
                .filter(|answer| matches!(answer, Appended::Stored { .. }));
            assert_eq!(stored.count(), 1, "clocks at {first} and {second}");
        }
    }
    nodes.stop().await;
}
