//! Corners of the log's protocol that ordinary traffic does not reach: a database that stalls,
//! clocks that step, notices that get lost, rows that nobody was told of.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hookgate::domain::clock::{Clock, Timestamp};
use hookgate::domain::ids::EventId;
use hookgate::log::{AppendError, LogConfig};
use hookgate_tests::wait::until;
use hookgate_tests::{Gateway, GatewayOptions, Receiver, event as new_event, fresh_database};
use serde_json::json;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::log_node::{
    balanced, clock, count, deliver, event, node, node_by, node_with, options, store,
};

/// Holds a table, so that every statement on it waits.
async fn hold(
    pool: &PgPool,
    statement: &'static str,
) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut tx = pool.begin().await.unwrap();
    sqlx::raw_sql(statement).execute(&mut *tx).await.unwrap();
    tx
}

const LANES: &str = "select count(*) from lane where not is_settled";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_takes_more_lanes_only_while_its_queue_is_long_and_refuses_what_it_cannot_hold() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let config = LogConfig {
        max_lanes: 3,
        max_queued_bytes: 4 << 20,
        ..LogConfig::default()
    };
    let mut node = node_with((&database, options(&database)), 4096, config).await;
    tokio::spawn(async move {
        while let Some(works) = node.ready.recv().await {
            works.into_iter().for_each(deliver);
        }
    });
    for _ in 0..10 {
        store(&node.log, event(&[1])).await;
    }
    assert_eq!(count(&pool, LANES).await, 1, "one is enough for a few");

    let held = hold(&pool, "lock table event in share row exclusive mode").await;
    let asked: Vec<_> = (0..300)
        .map(|_| {
            let log = node.log.clone();
            tokio::spawn(async move { log.append(vec![event(&[1]); 50]).await })
        })
        .collect();
    until("some are refused at once", || async {
        asked
            .iter()
            .any(|append| append.is_finished())
            .then_some(())
    })
    .await;
    until("there are as many lanes as allowed", || async {
        (count(&pool, LANES).await == 3).then_some(())
    })
    .await;
    held.rollback().await.unwrap();
    let (mut stored, mut refused) = (10, 0);
    for append in asked {
        match append.await.unwrap() {
            Ok(events) => stored += events.len(),
            Err(AppendError::Busy) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        (50..250).contains(&refused),
        "{refused} of 300 found no room"
    );
    balanced(&pool).await;
    let events = count(&pool, "select count(*) from event").await;
    assert_eq!(usize::try_from(events).unwrap(), stored);
    node.log.drain(Duration::from_secs(10)).await;
    assert_eq!(count(&pool, LANES).await, 0, "all are given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_given_up_because_the_database_stalled() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let nodes = [node(&database, 64).await, node(&database, 64).await];
    let beats = |index: usize| nodes[index].log.beats().borrow().number;
    until("both have beaten", || async {
        (beats(0) > 3 && beats(1) > 3).then_some(())
    })
    .await;
    assert!(nodes.iter().all(|node| node.log.pulse().is_fresh()));
    let epochs = "select sum(epoch)::bigint from lane";
    let before = count(&pool, epochs).await;

    let mut held = hold(&pool, "lock table node in access exclusive mode").await;
    until(
        "no beat got through for longer than anybody's patience",
        || async {
            let stale = nodes.iter().all(|node| !node.log.pulse().is_fresh());
            stale.then_some(())
        },
    )
    .await;
    let age = "select extract(epoch from clock_timestamp() - max(beat_at))::float8 from node";
    while sqlx::query_scalar::<_, f64>(age)
        .fetch_one(&mut *held)
        .await
        .unwrap()
        < 11.0
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    held.rollback().await.unwrap();
    let then = [beats(0), beats(1)];
    until("both have beaten again for a while", || async {
        (beats(0) > then[0] + 4 && beats(1) > then[1] + 4).then_some(())
    })
    .await;
    assert!(nodes.iter().all(|node| node.log.pulse().is_fresh()));
    assert_eq!(
        count(&pool, epochs).await,
        before,
        "both have kept their lanes"
    );
    for node in nodes {
        node.log.drain(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn ids_grow_and_follow_the_database_whatever_the_machines_clock_does() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let off_ms = Arc::new(AtomicI64::new(7_200_000));
    let shared = Arc::clone(&off_ms);
    let stepping = Clock::new(move || {
        Timestamp::from_ms(clock().now().as_ms() + shared.load(Ordering::Relaxed))
    });
    let mut node = node_by(stepping, &database).await;
    let first = store(&node.log, event(&[1])).await;
    let ahead = first.received_at().as_ms() - clock().now().as_ms();
    assert!(
        ahead.abs() < 5_000,
        "two hours fast, and {ahead} ms ahead in its first id"
    );

    let mut last = first;
    for step_ms in [-7_200_000, 7_200_000, 90_000, -90_000, -1] {
        off_ms.fetch_add(step_ms, Ordering::Relaxed);
        for _ in 0..20 {
            let id = store(&node.log, event(&[1])).await;
            assert!(id > last, "after a step of {step_ms} ms");
            last = id;
        }
        let beats = node.log.beats().borrow().number;
        until("the next beat", || async {
            (node.log.beats().borrow().number > beats + 1).then_some(())
        })
        .await;
    }
    for _ in 0..101 {
        deliver(node.ready.recv().await.unwrap().pop().unwrap());
    }
    balanced(&pool).await;
    node.log.drain(Duration::from_secs(10)).await;

    // A lane whose last id lies in the future is taken over by somebody with a sound clock.
    let lane = last.lane();
    let far = EventId::first_at(clock().now().plus(Duration::from_secs(7200)), lane);
    sqlx::query("update event set id = $1 where id = $2")
        .bind(far.get())
        .bind(last.get())
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("update lane set is_settled = false where lane = $1")
        .bind(lane.get())
        .execute(&pool)
        .await
        .unwrap();
    let mut heir = node_by(clock(), &database).await;
    tokio::spawn(async move {
        while let Some(works) = heir.ready.recv().await {
            works.into_iter().for_each(deliver);
        }
    });
    let id = store(&heir.log, event(&[])).await;
    assert_eq!(id.lane(), lane, "work that was left is taken first");
    assert!(id > far, "an id is never used twice");
    heir.log.drain(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_parked_row_that_nobody_was_told_of_is_found_by_the_overlap_or_by_the_sweep() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let config = LogConfig {
        sweep_every: Duration::from_secs(3),
        ..LogConfig::default()
    };
    let mut node = node_with((&database, options(&database)), 64, config).await;
    let id = store(&node.log, event(&[1, 2])).await;
    node.ready
        .recv()
        .await
        .unwrap()
        .into_iter()
        .for_each(deliver);
    until("it has looked at its buckets", || async {
        (node.log.beats().borrow().number > 3).then_some(())
    })
    .await;
    // The first one is due a little before the mark that is remembered, the second one long before.
    for (subscription, due) in [(11, "5 seconds"), (12, "1 hour")] {
        let id_of = hookgate::domain::ids::SubscriptionId::new(subscription);
        sqlx::query(
            "insert into parked (bucket, event_id, subscription_id, lane, due_at, reason)
             values ($1, $2, $3, $4, now() - $5::text::interval, 6)",
        )
        .bind(hookgate::domain::ids::BucketId::of(id_of).get())
        .bind(id.get())
        .bind(subscription)
        .bind(id.lane().get())
        .bind(due)
        .execute(&pool)
        .await
        .unwrap();
    }
    let mut found = Vec::new();
    while found.len() < 2 {
        let works = node.ready.recv().await.unwrap();
        found.extend(works.iter().map(|work| work.subscription.get()));
        works.into_iter().for_each(deliver);
    }
    found.sort_unstable();
    assert_eq!(found, [11, 12]);
    balanced(&pool).await;
    node.log.drain(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn an_event_finds_a_subscription_of_which_its_node_was_never_told() {
    let database = fresh_database().await;
    let gateway = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    let wish = json!({"event_types": ["elsewhere.*"]});
    let subscribed = gateway.subscribe_with(wish, &receiver).await;
    let id: i32 = subscribed
        .id
        .parse()
        .map(hookgate::domain::ids::SubscriptionId::get)
        .unwrap();
    let mut beside = PgConnection::connect_with(&options(&database))
        .await
        .unwrap();
    for round in 0..4 {
        // As another node's change would commit, but without a word to anybody.
        let mut tx = beside.begin().await.unwrap();
        let version: i64 = sqlx::query_scalar("update config_version set v = v + 1 returning v")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        sqlx::query("update subscription set event_types = $2, v = $3 where id = $1")
            .bind(id)
            .bind([format!("round{round}.*")])
            .bind(version)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let event = gateway.send(new_event(&format!("round{round}.sent"))).await;
        gateway
            .delivery_in((&event, &subscribed), "delivered")
            .await;
    }
    assert_eq!(receiver.count(), 4);
}
