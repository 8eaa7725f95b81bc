//! A log without a gateway: the test is the engine, takes the work itself and says what came of it.

use std::str::FromStr;
use std::time::Duration;

use hookgate::domain::attempt::{Attempt, Outcome};
use hookgate::domain::clock::{Clock, Timestamp};
use hookgate::domain::ids::{ConfigVersion, EventId, NodeId, SubscriptionId, TenantId};
use hookgate::log::work::{After, ParkReason, Work};
use hookgate::log::{Appended, Idempotency, Log, LogConfig, LogParts, NewEvent};
use hookgate::telemetry::metrics::Metrics;
use hookgate_tests::Database;
use hookgate_tests::wait::until;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{mpsc, watch};

pub(crate) fn clock() -> Clock {
    Clock::new(|| Timestamp::from(time::OffsetDateTime::now_utc()))
}

pub(crate) fn options(database: &Database) -> PgConnectOptions {
    PgConnectOptions::from_str(&database.url)
        .unwrap()
        .options([("search_path", "hookgate")])
}

/// A log without an engine: the test takes the work itself.
pub(crate) struct Node {
    pub(crate) log: Log,
    pub(crate) id: NodeId,
    pub(crate) ready: mpsc::Receiver<Vec<Work>>,
    _config: watch::Sender<ConfigVersion>,
}

pub(crate) async fn node(database: &Database, ready_batches: usize) -> Node {
    node_with(
        (database, options(database)),
        ready_batches,
        LogConfig::default(),
    )
    .await
}

/// The same with options of its own for its sessions, or other limits.
pub(crate) async fn node_with(
    (database, sessions): (&Database, PgConnectOptions),
    ready_batches: usize,
    config: LogConfig,
) -> Node {
    start((database, sessions, clock()), ready_batches, config).await
}

/// The same on a machine whose clock is `clock`.
pub(crate) async fn node_by(clock: Clock, database: &Database) -> Node {
    let parts = (database, options(database), clock);
    start(parts, 4096, LogConfig::default()).await
}

async fn start(
    (database, sessions, clock): (&Database, PgConnectOptions, Clock),
    ready_batches: usize,
    config: LogConfig,
) -> Node {
    let pool = database.pool().await;
    let id = hookgate::log::join(&pool, "test").await.unwrap();
    let (sender, ready) = mpsc::channel(ready_batches);
    let (seen, config_seen) = watch::channel(ConfigVersion::new(0));
    let log = Log::start(LogParts {
        database: sessions,
        pool,
        clock,
        metrics: Metrics::new(),
        node: id,
        config_seen,
        ready: sender,
        config,
    })
    .await
    .unwrap();
    Node {
        log,
        id,
        ready,
        _config: seen,
    }
}

pub(crate) fn event(targets: &[i32]) -> NewEvent {
    NewEvent {
        tenant: TenantId::new(1),
        event_type: "a.b".into(),
        attributes: Default::default(),
        data: r#"{"a": 1}"#.into(),
        targets: targets.iter().copied().map(SubscriptionId::new).collect(),
        parked: Vec::new(),
        idempotency: None,
        outbox: None,
    }
}

pub(crate) fn keyed(key: u64, body: u8) -> NewEvent {
    let mut key_hash = [0; 32];
    key_hash[..8].copy_from_slice(&key.to_be_bytes());
    NewEvent {
        idempotency: Some(Idempotency {
            key_hash,
            body_hash: [body; 32],
        }),
        ..event(&[1])
    }
}

pub(crate) fn attempt(work: &Work, outcome: Outcome) -> Attempt {
    Attempt {
        number: work.number,
        started_at: clock().now(),
        duration: Duration::from_millis(3),
        outcome,
        status: Some(200),
        address: Some([127, 0, 0, 1].into()),
        body_hash: None,
        note: None,
    }
}

pub(crate) fn deliver(work: Work) {
    let made = attempt(&work, Outcome::Accepted);
    work.ticket.finish(made, None, After::Final);
}

pub(crate) fn id_of(appended: &Appended) -> EventId {
    match appended {
        Appended::Stored { id, .. } | Appended::Duplicate { id } | Appended::OtherBody { id } => {
            *id
        }
        Appended::NotTaken => panic!("it came by no outbox"),
    }
}

pub(crate) async fn store(log: &Log, event: NewEvent) -> EventId {
    id_of(&log.append(vec![event]).await.unwrap()[0])
}

pub(crate) async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

const UNBALANCED: &str = "select count(*) from event e cross join lateral unnest(e.targets || e.keyed) as t (id)
    where not exists (select from attempt a where a.lane = e.lane and a.event_id = e.id and a.subscription_id = t.id and a.is_final)";

/// Every delivery has its final outcome and nothing waits.
pub(crate) async fn balanced(pool: &PgPool) {
    until("the account balances", || async {
        let open = count(pool, UNBALANCED).await + count(pool, "select count(*) from parked").await;
        (open == 0).then_some(())
    })
    .await;
}

/// A failed attempt, to be made again at `due_at`.
pub(crate) fn refuse_until(work: Work, due_at: Timestamp) {
    let failed = attempt(&work, Outcome::Refused);
    let waits = After::Park {
        reason: ParkReason::Retry,
        due_at: Some(due_at),
    };
    work.ticket.finish(failed, None, waits);
}
