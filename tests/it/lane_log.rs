//! The log by itself, without gateway and receivers: what is acknowledged stays, whatever happens
//! to sessions and nodes, and ends in exactly one outcome.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hookgate::domain::attempt::Outcome;
use hookgate::domain::ids::{DeliveryId, EventId, SubscriptionId};
use hookgate::log::work::{After, ParkReason, Work};
use hookgate::log::{AppendError, Appended, CancelError, Log, NewEvent, Retried};
use hookgate_tests::wait::until;
use hookgate_tests::{Cluster, Database, Durability, fresh_database};
use sqlx::{Connection as _, PgPool};
use tokio::sync::mpsc;

use crate::log_node::{
    attempt, balanced, clock, count, deliver, event, id_of, keyed, node, options, store,
};

async fn checkpoint_past(pool: &PgPool, event: EventId) {
    until("the checkpoint moves", || async {
        let query = sqlx::query_scalar("select checkpoint from lane where lane = $1");
        let checkpoint: i64 = query
            .bind(event.lane().get())
            .fetch_one(pool)
            .await
            .unwrap();
        (checkpoint >= event.get()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_event_is_stored_handed_out_recorded_and_passed_by_the_checkpoint() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let mut node = node(&database, 16).await;

    let mut new = event(&[1, 2]);
    new.parked = vec![(SubscriptionId::new(3), ParkReason::Paused.into())];
    let id = store(&node.log, new).await;

    let works = node.ready.recv().await.unwrap();
    assert_eq!(works.len(), 2);
    assert!(
        works
            .iter()
            .all(|work| work.event.id == id && work.ticket.is_current())
    );
    assert_eq!(&works[0].event.data[..], br#"{"a": 1}"#);
    works.into_iter().for_each(deliver);
    checkpoint_past(&pool, id).await;
    assert_eq!(
        count(&pool, "select count(*) from attempt where is_final").await,
        2
    );
    assert_eq!(
        count(
            &pool,
            "select count(*) from parked where due_at = 'infinity'"
        )
        .await,
        1
    );

    // Woken, it comes by itself.
    let woken = node
        .log
        .wake(SubscriptionId::new(3), &[ParkReason::Paused])
        .await;
    assert_eq!(woken.unwrap(), 1);
    let works = node.ready.recv().await.unwrap();
    assert_eq!(works[0].subscription, SubscriptionId::new(3));
    works.into_iter().for_each(deliver);
    balanced(&pool).await;

    node.log.drain(Duration::from_secs(10)).await;
    assert_eq!(
        count(&pool, "select count(*) from lane where not is_settled").await,
        0
    );
    assert_eq!(count(&pool, "select count(*) from node").await, 0);
    let refused = node.log.append(vec![event(&[1])]).await;
    assert!(matches!(refused, Err(AppendError::Stopping)));
}

#[tokio::test]
async fn a_key_stands_for_one_event() {
    let database = fresh_database().await;
    let first = node(&database, 4096).await;
    let second = node(&database, 4096).await;
    let stored = first
        .log
        .append(vec![keyed(1, 1), keyed(1, 1), keyed(1, 2)])
        .await
        .unwrap();
    let id = id_of(&stored[0]);
    assert!(matches!(stored[0], Appended::Stored { .. }));
    assert_eq!(
        stored[1..],
        [Appended::Duplicate { id }, Appended::OtherBody { id }]
    );
    let known = second
        .log
        .append(vec![keyed(1, 1), keyed(1, 2), keyed(2, 1)])
        .await
        .unwrap();
    assert_eq!(
        known[..2],
        [Appended::Duplicate { id }, Appended::OtherBody { id }]
    );
    assert!(matches!(known[2], Appended::Stored { .. }));

    for round in 10..30 {
        let asked = (0..100).map(|request| {
            let log = if request % 2 == 0 {
                &first.log
            } else {
                &second.log
            };
            log.append(vec![keyed(round, 1)])
        });
        let answers = futures_util::future::join_all(asked).await;
        let answers: Vec<Appended> = answers
            .into_iter()
            .map(|answer| answer.unwrap()[0])
            .collect();
        let ids: HashSet<EventId> = answers.iter().map(id_of).collect();
        assert_eq!(ids.len(), 1, "round {round}");
        let new = answers
            .iter()
            .filter(|answer| matches!(answer, Appended::Stored { .. }));
        assert_eq!(new.count(), 1, "round {round}");
    }
}

#[tokio::test]
async fn a_bad_event_is_refused_alone_and_a_batch_as_a_whole() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let node = node(&database, 4096).await;
    let bad = || NewEvent {
        event_type: "nul\0".into(),
        ..event(&[1])
    };
    let asked = (0..60).map(|request| {
        let events = match request {
            20 => vec![bad()],
            40 => vec![event(&[1]), bad(), event(&[1])],
            _ => vec![event(&[1]), event(&[2])],
        };
        node.log.append(events)
    });
    let answers = futures_util::future::join_all(asked).await;
    for (request, answer) in answers.iter().enumerate() {
        let refused = matches!(answer, Err(AppendError::Refused(_)));
        assert_eq!(
            refused,
            request == 20 || request == 40,
            "request {request}: {answer:?}"
        );
    }
    assert_eq!(count(&pool, "select count(*) from event").await, 58 * 2);

    // Larger than a flush, and still one transaction.
    let large = node.log.append(vec![event(&[1]); 2000]).await.unwrap();
    assert_eq!(large.len(), 2000);
    let query = "select count(distinct xmin::text) from event where id > (select max(id) from (select id from event order by id limit 116) s)";
    assert_eq!(count(&pool, query).await, 1);
}

#[tokio::test]
async fn what_waits_comes_at_its_time_and_can_be_cancelled_and_asked_for_again() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let mut node = node(&database, 64).await;
    let event_id = store(&node.log, event(&[1])).await;
    let work = node.ready.recv().await.unwrap().pop().unwrap();
    let delivery = work.ticket.delivery();
    assert!(matches!(
        node.log.cancel(delivery).await,
        Err(CancelError::UnderWay)
    ));
    assert_eq!(node.log.retry(delivery).await.unwrap(), Retried::UnderWay);

    let due_at = clock().now().plus(Duration::from_millis(2500));
    let failed = attempt(&work, Outcome::Refused);
    let waits = After::Park {
        reason: ParkReason::Retry,
        due_at: Some(due_at),
    };
    work.ticket.finish(failed, None, waits);
    let work = node.ready.recv().await.unwrap().pop().unwrap();
    let now = clock().now();
    assert!(now >= due_at, "{now} is before {due_at}");
    assert!(
        now.since(due_at) < Duration::from_secs(1),
        "{now} is long after {due_at}"
    );
    assert_eq!((work.number.get(), work.event.id), (2, event_id));

    // Parked until somebody comes; cancelled; asked for again.
    work.ticket.park(ParkReason::Plugin, None);
    until("it is parked", || async {
        let query =
            "select count(*) from parked where due_at = 'infinity' and reason = 2 and number = 1";
        (count(&pool, query).await == 1).then_some(())
    })
    .await;
    assert_eq!(node.log.retry(delivery).await.unwrap(), Retried::Waiting);
    node.log.cancel(delivery).await.unwrap();
    assert!(matches!(
        node.log.cancel(delivery).await,
        Err(CancelError::Ended)
    ));
    assert_eq!(node.log.retry(delivery).await.unwrap(), Retried::Parked);
    let work = node.ready.recv().await.unwrap().pop().unwrap();
    assert_eq!(work.number.get(), 2);
    deliver(work);
    balanced(&pool).await;

    let unknown = DeliveryId {
        event: event_id,
        subscription: SubscriptionId::new(99),
    };
    assert_eq!(node.log.retry(unknown).await.unwrap(), Retried::Unknown);
    node.log
        .park_late(event_id, &[1, 7].map(|id| (SubscriptionId::new(id), None)))
        .await
        .unwrap();
    let work = node.ready.recv().await.unwrap().pop().unwrap();
    assert_eq!(work.subscription.get(), 7);
    deliver(work);
    balanced(&pool).await;
}

#[tokio::test]
async fn what_finds_no_room_in_memory_is_parked_and_delivered() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let mut node = node(&database, 1).await;
    for _ in 0..20 {
        store(&node.log, event(&[1, 2, 3])).await;
    }
    until("the overflow is parked", || async {
        (count(&pool, "select count(*) from parked").await >= 30).then_some(())
    })
    .await;
    let engine = tokio::spawn(async move {
        while let Some(works) = node.ready.recv().await {
            works.into_iter().for_each(deliver);
        }
    });
    balanced(&pool).await;
    assert_eq!(count(&pool, "select count(*) from attempt").await, 60);
    engine.abort();
}

/// An engine that answers after a moment; some deliveries need a second attempt.
async fn engine(mut ready: mpsc::Receiver<Vec<Work>>, delivered: Arc<AtomicUsize>) {
    while let Some(works) = ready.recv().await {
        let delivered = Arc::clone(&delivered);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            for work in works {
                if !work.ticket.is_current() {
                    continue;
                }
                if work.number.get() == 1 && work.event.id.get() % 7 == 0 {
                    let failed = attempt(&work, Outcome::TimedOut);
                    let due_at = Some(clock().now());
                    let waits = After::Park {
                        reason: ParkReason::Retry,
                        due_at,
                    };
                    work.ticket.finish(failed, None, waits);
                } else {
                    delivered.fetch_add(1, Ordering::Relaxed);
                    deliver(work);
                }
            }
        });
    }
}

/// Appends until `until_count` were acknowledged; keeps their ids.
async fn produce(
    log: Log,
    until_count: usize,
    acknowledged: Arc<parking_lot::Mutex<Vec<EventId>>>,
) {
    static KEYS: AtomicU64 = AtomicU64::new(1_000_000);
    let producers = (0..16).map(|_| async {
        while acknowledged.lock().len() < until_count {
            let key = KEYS.fetch_add(1, Ordering::Relaxed);
            let mut new = keyed(key, 1);
            new.targets = vec![SubscriptionId::new(1), SubscriptionId::new(2)];
            match log.append(vec![new]).await {
                Ok(stored) => acknowledged.lock().push(id_of(&stored[0])),
                Err(AppendError::Unavailable) => {
                    tokio::time::sleep(Duration::from_millis(20)).await
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
    futures_util::future::join_all(producers).await;
}

async fn all_are_there(pool: &PgPool, acknowledged: &[EventId]) {
    let ids: Vec<i64> = acknowledged.iter().map(|id| id.get()).collect();
    let query = sqlx::query_scalar("select count(*) from event where id = any($1)");
    let there: i64 = query.bind(&ids).fetch_one(pool).await.unwrap();
    assert_eq!(usize::try_from(there).unwrap(), acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_ended_under_load_lose_nothing() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let node = node(&database, 64).await;
    let delivered = Arc::new(AtomicUsize::new(0));
    tokio::spawn(engine(node.ready, Arc::clone(&delivered)));
    let acknowledged = Arc::default();
    let producing = tokio::spawn(produce(node.log.clone(), 4000, Arc::clone(&acknowledged)));
    let mut rounds = 0;
    while !producing.is_finished() {
        rounds += 1;
        let seen = acknowledged.lock().len();
        until("some more were stored", || async {
            let more = acknowledged.lock().len() > seen + 400 || producing.is_finished();
            more.then_some(())
        })
        .await;
        sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'hookgate node %' and datname = current_database()")
            .execute(&pool)
            .await
            .unwrap();
    }
    producing.await.unwrap();
    balanced(&pool).await;
    let acknowledged = std::mem::take(&mut *acknowledged.lock());
    all_are_there(&pool, &acknowledged).await;
    let stored = usize::try_from(count(&pool, "select count(*) from event").await).unwrap();
    let repeats = delivered.load(Ordering::Relaxed) - 2 * stored;
    println!(
        "{rounds} rounds, {stored} stored, {} acknowledged, {repeats} repeats",
        acknowledged.len()
    );
    assert!(repeats < stored, "repeats are what was in flight");
    let epochs =
        usize::try_from(count(&pool, "select sum(epoch)::bigint from lane").await).unwrap();
    assert!(
        epochs >= rounds,
        "{epochs} epochs: the sessions were not ended"
    );
    node.log.drain(Duration::from_secs(10)).await;
    assert_eq!(
        count(&pool, "select count(*) from lane where not is_settled").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgres_heals_by_itself_and_loses_nothing() {
    let cluster = Cluster::start(Durability::Full).await;
    let database = cluster.fresh_database().await;
    let node = node(&database, 64).await;
    let delivered = Arc::new(AtomicUsize::new(0));
    tokio::spawn(engine(node.ready, Arc::clone(&delivered)));
    let acknowledged: Arc<parking_lot::Mutex<Vec<EventId>>> = Arc::default();
    let producing = tokio::spawn(produce(node.log.clone(), 3000, Arc::clone(&acknowledged)));
    for stored in [500, 1500, 2500] {
        until("some were stored", || async {
            (acknowledged.lock().len() > stored).then_some(())
        })
        .await;
        cluster.kill_9().await;
        cluster.start_again().await;
    }
    producing.await.unwrap();
    let pool = database.pool_when_up().await;
    balanced(&pool).await;
    let acknowledged = std::mem::take(&mut *acknowledged.lock());
    all_are_there(&pool, &acknowledged).await;
    node.log.drain(Duration::from_secs(10)).await;
    assert_eq!(
        count(&pool, "select count(*) from lane where not is_settled").await,
        0
    );
}

#[test]
fn a_node_that_dies_is_taken_over_and_loses_nothing() {
    let survivor = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let victim = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let acknowledged: Arc<parking_lot::Mutex<Vec<EventId>>> = Arc::default();
    let delivered = Arc::new(AtomicUsize::new(0));

    let database = survivor.block_on(fresh_database());
    let first = survivor.block_on(node(&database, 64));
    survivor.spawn(engine(first.ready, Arc::clone(&delivered)));
    let dying = victim.block_on(node(&database, 64));
    assert_ne!(first.id, dying.id);
    victim.spawn(engine(dying.ready, Arc::clone(&delivered)));
    let log = dying.log.clone();
    let acknowledged_there = Arc::clone(&acknowledged);
    victim.spawn(produce(log, usize::MAX, acknowledged_there));
    survivor.block_on(until("the second node is busy", || async {
        (acknowledged.lock().len() > 1500).then_some(())
    }));
    // Neither drained nor said goodbye: its tasks are dropped and its sockets close.
    victim.shutdown_background();
    drop(dying.log);

    survivor.block_on(async {
        let pool = database.pool().await;
        balanced(&pool).await;
        until("its lane is settled", || async {
            (count(&pool, "select count(*) from lane where not is_settled").await == 1)
                .then_some(())
        })
        .await;
        let acknowledged = acknowledged.lock().clone();
        all_are_there(&pool, &acknowledged).await;
        let stored = usize::try_from(count(&pool, "select count(*) from event").await).unwrap();
        println!(
            "{stored} stored, {} acknowledged, {} repeats",
            acknowledged.len(),
            delivered.load(Ordering::Relaxed) - 2 * stored
        );
        first.log.drain(Duration::from_secs(10)).await;
    });
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of statements")]
async fn the_hot_statements_stay_on_their_indexes() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let mut node = node(&database, 64).await;
    for target in 0..50 {
        store(&node.log, event(&[target])).await;
        node.ready
            .recv()
            .await
            .unwrap()
            .into_iter()
            .for_each(deliver);
    }
    sqlx::raw_sql("analyze").execute(&pool).await.unwrap();
    for (name, statement, parameters) in [
        (
            "append",
            include_str!("../../gateway/queries/append.sql"),
            31,
        ),
        (
            "known_keys",
            include_str!("../../gateway/queries/known_keys.sql"),
            2,
        ),
        (
            "complete_lane",
            include_str!("../../gateway/queries/complete_lane.sql"),
            20,
        ),
        (
            "complete_parked",
            include_str!("../../gateway/queries/complete_parked.sql"),
            25,
        ),
        (
            "recover",
            include_str!("../../gateway/queries/recover.sql"),
            4,
        ),
        (
            "scan_due",
            include_str!("../../gateway/queries/scan_due.sql"),
            5,
        ),
        (
            "scan_subscription",
            include_str!("../../gateway/queries/scan_subscription.sql"),
            4,
        ),
        (
            "load_events",
            include_str!("../../gateway/queries/load_events.sql"),
            2,
        ),
        (
            "scan_orders",
            include_str!("../../gateway/queries/scan_orders.sql"),
            3,
        ),
        (
            "load_orders",
            include_str!("../../gateway/queries/load_orders.sql"),
            4,
        ),
        (
            "due_windows",
            include_str!("../../gateway/queries/due_windows.sql"),
            2,
        ),
        (
            "move_windows",
            include_str!("../../gateway/queries/move_windows.sql"),
            15,
        ),
        (
            "replace_windows",
            include_str!("../../gateway/queries/replace_windows.sql"),
            6,
        ),
        ("beat", include_str!("../../gateway/queries/beat.sql"), 6),
        (
            "take_lane",
            include_str!("../../gateway/queries/take_lane.sql"),
            1,
        ),
    ] {
        let plan = plan(&database, statement, parameters).await;
        let tables = [
            "event",
            "attempt",
            "parked",
            "idempotency",
            "pending_key",
            "outbox ",
        ];
        for table in tables {
            let scans = plan.lines().filter(|line| {
                line.contains(&format!("Seq Scan on {table}")) && !line.contains("_seq ")
            });
            assert_eq!(scans.count(), 0, "{name} scans {table}:\n{plan}");
        }
    }
}

/// As the log's own sessions plan it: without looking at parameters.
pub(crate) async fn plan(database: &Database, statement: &str, parameters: usize) -> String {
    use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
    let options = options(database).options([
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("jit", "off"),
    ]);
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    let prepare = format!("prepare hot as {statement}");
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(prepare)))
        .await
        .unwrap();
    let nulls = vec!["null"; parameters].join(", ");
    let explain = format!("explain execute hot ({nulls})");
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    lines.join("\n")
}
