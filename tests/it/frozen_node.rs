//! A node that hangs keeps its connections, and the kernel goes on answering for it. Its peers end
//! its sessions and take over; when it wakes up, what it still wants to write changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hookgate::domain::ids::{DeliveryId, EventId};
use hookgate_tests::wait::until;
use hookgate_tests::{Gateway, GatewayOptions, Receiver, Reply, event, fresh_database};
use parking_lot::Mutex;
use serde_json::json;
use sqlx::PgPool;
use tokio::task::JoinHandle;

/// The refusal arrives while the node is frozen, long before anybody notices that it is.
const REFUSED_LATER: Reply = Reply::Late(500, Duration::from_secs(6));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_writes_after_it_was_given_up_changes_nothing() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let sleeper = Gateway::start(GatewayOptions::on(&database)).await;
    // One delivery is held by the node's lane, the other one by its buckets.
    let fresh = Receiver::answering([REFUSED_LATER, Reply::Status(200)]).await;
    let script = [Reply::Status(500), REFUSED_LATER, Reply::Status(200)];
    let retried = Receiver::answering(script).await;
    let wish =
        json!({"event_types": ["load.*"], "delivery": {"retry_schedule": ["1s", "1s", "1s"]}});
    let by_lane = sleeper.subscribe_with(wish.clone(), &fresh).await;
    let by_bucket = sleeper.subscribe_with(wish, &retried).await;
    let id = sleeper.send(event("load.sent")).await;
    fresh.received(1).await;
    retried.received(2).await;

    sleeper.freeze().await;
    let history = History::watch(&pool);
    let frozen: i32 = scalar(&pool, "select id from node").await;
    let survivor = Gateway::start(GatewayOptions::on(&database)).await;
    until("the frozen node's sessions are ended", || async {
        (sessions(&pool, frozen).await == 0).then_some(())
    })
    .await;
    for subscribed in [&by_lane, &by_bucket] {
        survivor.delivery_in((&id, subscribed), "delivered").await;
    }

    sleeper.thaw().await;
    until("its late attempt is on record", || async {
        let query =
            "select count(*) from attempt where outcome = 2 and number = 1 and not is_final";
        (scalar::<i64>(&pool, query).await == 2).then_some(())
    })
    .await;
    // It is a node like any other again.
    let later = sleeper.send(event("load.sent")).await;
    for subscribed in [&by_lane, &by_bucket] {
        survivor
            .delivery_in((&later, subscribed), "delivered")
            .await;
    }
    until("it holds sessions again", || async {
        (sessions(&pool, frozen).await > 0).then_some(())
    })
    .await;

    assert_eq!(scalar::<i64>(&pool, "select count(*) from parked").await, 0);
    let event: EventId = id.parse().unwrap();
    let of_first = |receiver: &Receiver| {
        let receipts = receiver.receipts().into_iter();
        let deliveries = receipts.map(|receipt| receipt.id().parse::<DeliveryId>().unwrap());
        deliveries
            .filter(|delivery| delivery.event == event)
            .count()
    };
    assert_eq!(
        (of_first(&fresh), of_first(&retried)),
        (2, 3),
        "one repeat for each delivery that the frozen node held"
    );
    history.assert_only_forward();
}

async fn scalar<T>(pool: &PgPool, query: &'static str) -> T
where
    T: for<'row> sqlx::Decode<'row, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

async fn sessions(pool: &PgPool, node: i32) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname = current_database() and application_name = 'hookgate node ' || $1",
    )
    .bind(node.to_string())
    .fetch_one(pool)
    .await
    .unwrap()
}

/// Looks again and again at what must only move forward.
struct History {
    seen: Arc<Mutex<Seen>>,
    watching: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    looks: usize,
    lanes: BTreeMap<i16, (i32, i64)>,
    ended: BTreeMap<(i64, i32), String>,
    backward: Vec<String>,
}

impl History {
    fn watch(pool: &PgPool) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let (pool, shared) = (pool.clone(), Arc::clone(&seen));
        let watching = tokio::spawn(async move {
            loop {
                let lanes: Vec<(i16, i32, i64)> =
                    sqlx::query_as("select lane, epoch, checkpoint from lane where epoch > 0")
                        .fetch_all(&pool)
                        .await
                        .unwrap();
                let deliveries: Vec<(i64, i32, String)> =
                    sqlx::query_as("select event_id, subscription_id, state from delivery")
                        .fetch_all(&pool)
                        .await
                        .unwrap();
                shared.lock().enter(lanes, deliveries);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { seen, watching }
    }

    fn assert_only_forward(self) {
        self.watching.abort();
        let seen = self.seen.lock();
        assert!(seen.looks > 50, "{} looks", seen.looks);
        assert!(seen.backward.is_empty(), "{:#?}", seen.backward);
    }
}

impl Seen {
    fn enter(&mut self, lanes: Vec<(i16, i32, i64)>, deliveries: Vec<(i64, i32, String)>) {
        self.looks += 1;
        for (lane, epoch, checkpoint) in lanes {
            let now = (epoch, checkpoint);
            let before = self.lanes.insert(lane, now).unwrap_or(now);
            if now.0 < before.0 || now.1 < before.1 {
                self.backward
                    .push(format!("lane {lane}: {before:?}, then {now:?}"));
            }
        }
        for (event, subscription, state) in deliveries {
            let ended = self.ended.get(&(event, subscription));
            if let Some(ended) = ended
                && *ended != state
            {
                self.backward
                    .push(format!("{event} for {subscription}: {ended}, then {state}"));
            } else if state != "pending" {
                self.ended.insert((event, subscription), state);
            }
        }
    }
}
