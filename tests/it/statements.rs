//! What the gateway asks of Postgres, counted by Postgres itself: statements and not transactions,
//! so that autovacuum's work is not among them.

use std::time::Instant;

use hookgate_tests::wait::until;
use hookgate_tests::{Cluster, Database, Durability, Gateway, GatewayOptions, Receiver, event};
use serde_json::json;
use sqlx::PgPool;

use hookgate_tests::load::Load;

/// A server that counts statements.
struct Counted {
    cluster: Cluster,
    database: Database,
    /// In another database, so that its own questions are counted elsewhere.
    beside: PgPool,
}

impl Counted {
    async fn start() -> Self {
        let counts = [
            "shared_preload_libraries=pg_stat_statements",
            "pg_stat_statements.track=top",
        ];
        let cluster = Cluster::start_with(Durability::None, &counts).await;
        let beside = cluster.fresh_database().await.pool().await;
        sqlx::raw_sql("create extension pg_stat_statements")
            .execute(&beside)
            .await
            .unwrap();
        let database = cluster.fresh_database().await;
        Self {
            cluster,
            database,
            beside,
        }
    }

    async fn forget(&self) {
        sqlx::raw_sql("select pg_stat_statements_reset()")
            .execute(&self.beside)
            .await
            .unwrap();
    }

    /// Calls by statement since [`Self::forget`], the most frequent first.
    async fn calls(&self) -> Vec<(i64, String)> {
        let (_, name) = self.database.url.split_once("localhost/").unwrap();
        let name = name.split('?').next().unwrap();
        sqlx::query_as(
            "select calls, regexp_replace(query, '\\s+', ' ', 'g') from pg_stat_statements s
             where s.dbid = (select oid from pg_database where datname = $1) order by calls desc",
        )
        .bind(name)
        .fetch_all(&self.beside)
        .await
        .unwrap()
    }
}

fn told(calls: &[(i64, String)]) -> String {
    let lines = calls
        .iter()
        .map(|(calls, query)| format!("{calls:6} {query:.100}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_gateway_asks_at_most_twice_a_second() {
    let counted = Counted::start().await;
    let gateway = Gateway::start(GatewayOptions::on(&counted.database)).await;
    let receiver = Receiver::accepting().await;
    let subscribed = gateway.subscribe("a.*", &receiver).await;
    let id = gateway.send(event("a.b")).await;
    gateway.delivery_in((&id, &subscribed), "delivered").await;

    let is_beat = |query: &str| query.contains("insert into node") && query.contains("next_due_at");
    counted.forget().await;
    let begun = Instant::now();
    let calls = until("the gateway has been idle for ten beats", || async {
        let calls = counted.calls().await;
        let beats = calls.iter().filter(|(_, query)| is_beat(query));
        (beats.map(|(calls, _)| calls).sum::<i64>() >= 10).then_some(calls)
    })
    .await;
    let seconds = begun.elapsed().as_secs_f64();
    let all: i64 = calls.iter().map(|(calls, _)| calls).sum();
    let per_second = all as f64 / seconds;
    println!(
        "{per_second:.2} statements/s over {seconds:.1} s\n{}",
        told(&calls)
    );
    assert!(per_second <= 2.0, "{per_second:.2}/s\n{}", told(&calls));
    drop(counted.cluster);
}

/// Look-ups come from memory: neither keys nor tenants, subscriptions or plugins cost a statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_ten_deliveries_cost_less_than_one_statement() {
    let counted = Counted::start().await;
    let gateway = Gateway::start(GatewayOptions::on(&counted.database)).await;
    let receiver = Receiver::accepting().await;
    // On a slow machine the deliveries must not fall behind: what is parked costs more.
    let wish = json!({"event_types": ["load.*"], "delivery": {"max_in_flight": 256}});
    gateway.subscribe_with(wish, &receiver).await;
    let load = Load::start(&[&gateway], 128);
    load.acknowledges(200).await;

    counted.forget().await;
    let before = receiver.count();
    load.acknowledges(3000).await;
    let acknowledged = load.finish().await;
    receiver.received(acknowledged.len()).await;
    gateway.settled().await;
    let delivered = receiver.count() - before;
    let calls = counted.calls().await;

    // What goes by the second, whatever is sent, is the idle gateway's account; and looking whether
    // all is settled is this test's own.
    let by_the_second = [
        "insert into node",
        "select v from config_version",
        "from delivery",
    ];
    let all: i64 = calls
        .iter()
        .filter(|(_, query)| !by_the_second.iter().any(|part| query.contains(part)))
        .map(|(calls, _)| calls)
        .sum();
    let per_delivery = all as f64 / delivered as f64;
    println!(
        "{per_delivery:.3} statements a delivery, {delivered} deliveries\n{}",
        told(&calls)
    );
    assert!(per_delivery < 0.1, "{per_delivery:.3}\n{}", told(&calls));
    for table in ["subscription", "tenant", "api_key", "plugin", "component"] {
        let asked: i64 = calls
            .iter()
            .filter(|(_, query)| query.contains(&format!("from {table} ")))
            .map(|(calls, _)| calls)
            .sum();
        assert_eq!(asked, 0, "{table} was asked\n{}", told(&calls));
    }
    drop(counted.cluster);
}
