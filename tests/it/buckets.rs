//! Nodes share the parked rows: who joins gets a share, who leaves gives its share back, and each
//! row is served once, by whoever holds its bucket.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hookgate::domain::ids::{EventId, NodeId, SubscriptionId};
use hookgate::log::work::Work;
use hookgate_tests::fresh_database;
use hookgate_tests::wait::until;
use parking_lot::Mutex;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::log_node::{Node, balanced, clock, count, deliver, event, node, refuse_until, store};

/// So many that either node owns the buckets of some.
const SUBSCRIPTIONS: usize = 128;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_rows_are_served_once_while_nodes_join_and_leave() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let mut first = node(&database, 256).await;

    // The second attempts of these are under way at the first node when another one joins.
    let under_way = store(&first.log, to_all()).await;
    let now = clock().now();
    for work in take(&mut first, SUBSCRIPTIONS).await {
        refuse_until(work, now);
    }
    let held = take(&mut first, SUBSCRIPTIONS).await;
    let mut second = node(&database, 256).await;
    until(
        "the second node has its share of the idle buckets",
        || async { (locks(&pool, second.id).await > 40).then_some(()) },
    )
    .await;
    let idle_share = locks(&pool, second.id).await;

    // Of these some belong to the second node; it has to wait until their buckets are idle.
    let waiting = store(&first.log, to_all()).await;
    let served = Served::default();
    let (first_id, second_id) = (first.id, second.id);
    let first_log = first.log.clone();
    let engines = [served.engine(first)];
    until("the first node has served what stays its own", || async {
        (served.of(waiting) > SUBSCRIPTIONS / 4).then_some(())
    })
    .await;
    assert!(
        second.ready.try_recv().is_err(),
        "a bucket with work under way has changed hands"
    );
    held.into_iter().for_each(deliver);
    let second_log = second.log.clone();
    let second_engine = served.engine(second);
    balanced(&pool).await;
    assert!(served.by(second_id) > 0, "the idle buckets changed hands");
    until("the second node has the rest of its share", || async {
        (locks(&pool, second_id).await > idle_share).then_some(())
    })
    .await;

    // Rows wait for their instant in the memory of both when the second one leaves.
    served.wait(Duration::from_secs(4));
    let left = store(&first_log, to_all()).await;
    until("all of it waits", || async {
        let rows = count(&pool, "select count(*) from parked").await;
        (rows == i64::try_from(SUBSCRIPTIONS).unwrap()).then_some(())
    })
    .await;
    second_log.drain(Duration::from_secs(10)).await;
    balanced(&pool).await;
    until("the first node has all buckets, and its lane", || async {
        (locks(&pool, first_id).await == 257).then_some(())
    })
    .await;

    served.assert_each_once(waiting);
    served.assert_each_once(left);
    assert_eq!(served.of(under_way), 0, "it was served by hand");
    assert_eq!(
        count(&pool, "select count(*) from attempt where is_final").await,
        3 * i64::try_from(SUBSCRIPTIONS).unwrap()
    );
    first_log.drain(Duration::from_secs(10)).await;
    for engine in engines.into_iter().chain([second_engine]) {
        engine.abort();
    }
}

fn to_all() -> hookgate::log::NewEvent {
    let targets: Vec<i32> = (1..).take(SUBSCRIPTIONS).collect();
    event(&targets)
}

async fn take(node: &mut Node, works: usize) -> Vec<Work> {
    let mut taken = Vec::new();
    while taken.len() < works {
        taken.extend(node.ready.recv().await.unwrap());
    }
    assert_eq!(taken.len(), works);
    taken
}

/// Advisory locks that a node's sessions hold: one for its lane, one for each of its buckets.
async fn locks(pool: &PgPool, node: NodeId) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_locks l join pg_stat_activity a using (pid)
         where l.locktype = 'advisory' and a.datname = current_database()
           and a.application_name = 'hookgate node ' || $1",
    )
    .bind(node.get().to_string())
    .fetch_one(pool)
    .await
    .unwrap()
}

/// Who made the second attempt of what.
#[derive(Clone, Default)]
struct Served(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// From a first attempt, which fails, to the second one, which does not.
    wait: Duration,
    by: HashMap<(EventId, SubscriptionId), Vec<NodeId>>,
}

impl Served {
    fn wait(&self, wait: Duration) {
        self.0.lock().wait = wait;
    }

    fn engine(&self, node: Node) -> JoinHandle<()> {
        let served = self.clone();
        let (id, mut ready): (NodeId, mpsc::Receiver<Vec<Work>>) = (node.id, node.ready);
        tokio::spawn(async move {
            while let Some(works) = ready.recv().await {
                works.into_iter().for_each(|work| served.serve(id, work));
            }
        })
    }

    fn serve(&self, node: NodeId, work: Work) {
        let mut book = self.0.lock();
        if work.number.get() == 1 {
            refuse_until(work, clock().now().plus(book.wait));
        } else {
            let served = book.by.entry((work.event.id, work.subscription));
            served.or_default().push(node);
            deliver(work);
        }
    }

    fn of(&self, event: EventId) -> usize {
        let book = self.0.lock();
        book.by.keys().filter(|(id, _)| *id == event).count()
    }

    fn by(&self, node: NodeId) -> usize {
        let book = self.0.lock();
        book.by
            .values()
            .filter(|nodes| nodes.contains(&node))
            .count()
    }

    fn assert_each_once(&self, event: EventId) {
        let book = self.0.lock();
        let mut of_event = book.by.iter().filter(|((id, _), _)| *id == event);
        assert_eq!(of_event.clone().count(), SUBSCRIPTIONS);
        let twice = of_event.find(|(_, nodes)| nodes.len() != 1);
        assert!(twice.is_none(), "{twice:?}");
    }
}
