//! Events straight from SQL: what a transaction emits is delivered if and only if it commits, once,
//! in the order of each key, whoever is killed.

use std::time::{Duration, Instant};

use hookgate_tests::account::Party;
use hookgate_tests::{
    Account, Cluster, Database, Durability, Gateway, GatewayOptions, Receiver, event,
    fresh_database, wait,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgExecutor, PgPool};

use crate::lane_log::plan;
use crate::log_node::count;

async fn waiting(pool: &PgPool) -> i64 {
    count(pool, "select count(*) from outbox").await
}

async fn drained(pool: &PgPool) {
    wait::until("the outbox is empty", || async {
        (waiting(pool).await == 0).then_some(())
    })
    .await;
}

async fn emit(pool: &PgPool, event_type: &str) {
    sqlx::query("select hookgate.emit($1, '{}')")
        .bind(event_type)
        .execute(pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_event_is_delivered_if_and_only_if_its_transaction_commits() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("invoice.*", &receiver).await;
    let pool = gateway.database().pool().await;
    let data = "{\"amount\" : 1.50, \"amount\":1e2}";

    let mut tx = pool.begin().await.unwrap();
    sqlx::query("select hookgate.emit('invoice.undone', '1')")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.rollback().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("select hookgate.emit('invoice.paid', $1::text::json, key => 'inv_1')")
        .bind(data)
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::raw_sql("savepoint s; select hookgate.emit('invoice.undone', '2'); rollback to s")
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(receiver.count(), 0, "not before it commits");
    tx.commit().await.unwrap();

    let receipts = receiver.verified(1).await;
    assert_eq!(receipts[0].data(), data, "byte for byte");
    assert_eq!(receipts[0].json()["type"], "invoice.paid");
    gateway.settled().await;
    assert_eq!(receiver.count(), 1);
    assert_eq!(waiting(&pool).await, 0);
    let event = gateway.api().get("/v1/events").await.expect(200)["data"][0].clone();
    assert_eq!(event["key"], "inv_1");
}

#[tokio::test]
async fn what_could_never_be_an_event_is_refused_to_its_author_at_once() {
    let pool = fresh_database().await.pool().await;
    let large = format!("'\"{}\"'", "x".repeat(1_048_576));
    for (call, said) in [
        ("'', '1'", "type must have 1 to 255 bytes"),
        ("null, '1'", "type must have 1 to 255 bytes"),
        ("E'a\\nb', '1'", "without control characters"),
        ("U&'a\\FFFF', '1'", "without control characters"),
        ("repeat('é', 128), '1'", "type must have 1 to 255 bytes"),
        ("'hookgate.mine', '1'", "begins with hookgate."),
        ("'a', null", "data is null"),
        ("'a', '{'", "invalid input syntax for type json"),
        ("'a', '1', 'no name'", "tenant 'no name' is no name"),
        ("'a', '1', null", "tenant null is no name"),
        ("'a', '1', key => ''", "key must have 1 to 255 bytes"),
        (
            &format!("'a', {large}"),
            "data has 1048578 bytes, 1048576 are allowed",
        ),
    ] {
        let statement = format!("select hookgate.emit({call})");
        let refused = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&pool).await;
        let error = refused.expect_err(said).to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    for fine in ["'a', 'null'", "'a.b/c d', '1', 'T_0.-', repeat('é', 127)"] {
        run(&pool, &format!("select hookgate.emit({fine})")).await;
    }
    assert_eq!(waiting(&pool).await, 2);
}

#[tokio::test]
async fn a_role_with_the_documented_grants_can_emit_and_nothing_else() {
    let database = fresh_database().await;
    let pool = database.pool().await;
    let page = include_str!("../../gateway/OUTBOX.md");
    let grants: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("grant ") && line.contains("emit"))
        .collect();
    assert_eq!(grants.len(), 1, "{grants:?}");
    let role = &role_of(&database, &pool).await;
    let mut connection = pool.acquire().await.unwrap();
    let as_app = format!("set role {role}");
    let emit = "select hookgate.emit('a', '1')";

    run(&mut *connection, &as_app).await;
    let denied = sqlx::raw_sql(emit).execute(&mut *connection).await;
    assert!(denied.is_err(), "without the grants");
    run(&mut *connection, "reset role").await;
    for grant in ["grant usage on schema hookgate to app;", grants[0]] {
        assert!(page.contains(grant));
        let grant = grant.replace(" app;", &format!(" {role};"));
        run(&mut *connection, &grant).await;
    }
    run(&mut *connection, &as_app).await;
    run(&mut *connection, emit).await;
    for statement in [
        "select * from hookgate.outbox",
        "insert into hookgate.outbox (tenant, event_type, data, data_bytes) values ('t', 'a', '1', 1)",
        "delete from hookgate.outbox",
        "select * from hookgate.event",
        "select * from hookgate.api_key",
        "select hookgate.enqueue('a', '1', 't', null, null)",
        "update hookgate.outbox_drainer set sleeps = true",
        "create table hookgate.mine ()",
    ] {
        let denied = sqlx::raw_sql(statement).execute(&mut *connection).await;
        let error = denied.expect_err(statement).to_string();
        assert!(error.contains("permission denied"), "{statement}: {error}");
    }
    run(&mut *connection, "reset role").await;
    assert_eq!(waiting(&pool).await, 1);
    run(&pool, &format!("drop owned by {role}; drop role {role}")).await;
}

/// A role of the test's own: roles belong to the server, which other tests use too.
async fn role_of(database: &Database, pool: &PgPool) -> String {
    let (_, name) = database.url.rsplit_once("test_").unwrap();
    let role = format!("app_{}", name.split('?').next().unwrap());
    let statement = format!("drop role if exists {role}; create role {role} login");
    run(pool, &statement).await;
    role
}

pub(crate) async fn run(pool: impl PgExecutor<'_>, statements: &str) {
    let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
    statements.execute(pool).await.unwrap();
}

#[tokio::test]
async fn the_statements_of_the_outbox_stay_on_its_index() {
    let database = fresh_database().await;
    for (name, statement, parameters) in [
        (
            "waiting",
            include_str!("../../gateway/queries/outbox_waiting.sql"),
            2,
        ),
        (
            "rows",
            include_str!("../../gateway/queries/outbox_rows.sql"),
            1,
        ),
        (
            "append",
            include_str!("../../gateway/queries/append.sql"),
            31,
        ),
    ] {
        let plan = plan(&database, statement, parameters).await;
        assert!(!plan.contains("Seq Scan on outbox "), "{name}: {plan}");
        assert!(plan.contains("outbox_pkey"), "{name}: {plan}");
    }
}

#[tokio::test]
async fn a_row_that_can_become_no_event_is_set_aside_and_holds_up_nobody() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("a.*", &receiver).await;
    let pool = gateway.database().pool().await;
    let mut tx = pool.begin().await.unwrap();
    // Half of a surrogate pair: Postgres takes it for JSON.
    for data in ["1", "\"\\ud800\"", "2"] {
        sqlx::query("select hookgate.emit('a.b', $1::text::json)")
            .bind(data)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    // Written by somebody who may, past `emit`.
    sqlx::raw_sql(
        "insert into outbox (tenant, event_type, data, data_bytes)
         values ('no name', 'a.b', '3', 1), ('t', 'hookgate.x', '4', 1)",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();

    let receipts = receiver.verified(2).await;
    let mut data: Vec<String> = receipts.iter().map(hookgate_tests::Receipt::data).collect();
    data.sort();
    assert_eq!(data, ["1", "2"]);
    drained(&pool).await;
    let reasons: Vec<(String, String)> =
        sqlx::query_as("select data::text, reason from outbox_refused order by id")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(
        reasons[0].1.starts_with("/data has half of a surrogate"),
        "{reasons:?}"
    );
    assert!(reasons[1].1.starts_with("/tenant"), "{reasons:?}");
    assert!(reasons[2].1.starts_with("/type"), "{reasons:?}");
    let metrics = gateway.api().get("/metrics").await.text();
    assert!(
        metrics.contains("hookgate_outbox_refused_total 3"),
        "{metrics}"
    );
    assert!(
        metrics.contains("hookgate_outbox_events_total 2"),
        "{metrics}"
    );
}

/// The figure is printed; what is asserted tells being woken from being polled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_gateway_is_woken_by_what_is_emitted() {
    const EVENTS: usize = 60;
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("a.*", &receiver).await;
    let pool = gateway.database().pool().await;
    emit(&pool, "a.first").await;
    receiver.received(1).await;
    gateway.send(event("a.first")).await;
    receiver.received(2).await;

    let mut from_sql = Vec::new();
    let mut by_http = Vec::new();
    for _ in 0..EVENTS {
        sleeps(&pool).await;
        from_sql.push(after(&receiver, emit(&pool, "a.sql")).await);
        sleeps(&pool).await;
        by_http.push(
            after(&receiver, async {
                drop(gateway.send(event("a.http")).await)
            })
            .await,
        );
    }
    let (sql, http) = (quantiles(from_sql), quantiles(by_http));
    println!("from commit to the receiver, p50 and p99: SQL {sql:?}, HTTP {http:?}");
    assert!(sql.0 < Duration::from_millis(250), "{sql:?}");
}

/// Until whoever drains has asked to be woken.
async fn sleeps(pool: &PgPool) {
    wait::until("the drainer sleeps", || async {
        let query = sqlx::query_scalar("select sleeps from outbox_drainer");
        query.fetch_one(pool).await.unwrap_or(false).then_some(())
    })
    .await;
}

/// From the end of `sends` to the arrival of what it sent; zero where it had arrived before.
async fn after(receiver: &Receiver, sends: impl Future<Output = ()>) -> Duration {
    let count = receiver.count();
    sends.await;
    let sent_at = Instant::now();
    let receipts = receiver.received(count + 1).await;
    receipts[count]
        .arrived_at
        .saturating_duration_since(sent_at)
}

fn quantiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

#[tokio::test]
async fn a_row_that_commits_late_is_found_and_keeps_nobody_waiting() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("a.*", &receiver).await;
    let pool = gateway.database().pool().await;
    let mut late = pool.begin().await.unwrap();
    sqlx::query("select hookgate.emit('a.late', '1')")
        .execute(&mut *late)
        .await
        .unwrap();
    for _ in 0..20 {
        emit(&pool, "a.early").await;
    }
    receiver.received(20).await;
    let same = "set local lock_timeout = '50ms'; select hookgate.emit('a.same', '1', key => 'one')";
    let other = "select hookgate.emit('a.other', '1', key => 'other')";
    sqlx::query("select hookgate.emit('a.late', '2', key => 'one')")
        .execute(&mut *late)
        .await
        .unwrap();
    let waits = sqlx::raw_sql(same).execute(&pool).await;
    assert!(
        waits.unwrap_err().to_string().contains("lock timeout"),
        "one key, one after the other"
    );
    sqlx::raw_sql(other).execute(&pool).await.unwrap();
    receiver.received(21).await;
    late.commit().await.unwrap();
    let receipts = receiver.verified(23).await;
    assert!(
        receipts[21..]
            .iter()
            .all(|late| late.json()["type"] == "a.late")
    );
    gateway.settled().await;
    assert_eq!(receiver.count(), 23);
}

/// The one that drains may not have heard of the subscription; it sees that in the statement.
#[tokio::test]
async fn a_subscription_that_was_confirmed_before_gets_what_is_emitted() {
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    let other = Gateway::start(GatewayOptions::on(&database)).await;
    let pool = database.pool().await;
    let receiver = Receiver::accepting().await;
    for round in 0..20 {
        let gateway = if round % 2 == 0 { &one } else { &other };
        let event_type = format!("round.{round}");
        gateway.subscribe(&event_type, &receiver).await;
        emit(&pool, &event_type).await;
        receiver.verified(round + 1).await;
    }
}

#[tokio::test]
async fn what_comes_by_sql_counts_towards_the_quota() {
    let gateway = Gateway::fresh().await;
    let quota = json!({"quota": {"events_per_second": 2}});
    gateway
        .api()
        .put("/v1/tenants/acme", &quota)
        .await
        .expect(200);
    let receiver = Receiver::accepting().await;
    let wish = json!({"tenant": "acme", "event_types": ["*"]});
    gateway.subscribe_with(wish, &receiver).await;
    let pool = gateway.database().pool().await;
    sqlx::query("select hookgate.emit('a', '1', 'acme') from generate_series(1, 100)")
        .execute(&pool)
        .await
        .unwrap();
    receiver.received(100).await;
    let body = event("a.b").with("tenant", "acme").to_body();
    let answer = gateway
        .api()
        .post_bytes("/v1/events", "application/json", body)
        .await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    let wait: u64 = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((10..=50).contains(&wait), "{wait}");
}

#[tokio::test]
async fn another_node_drains_when_the_one_that_did_is_killed() {
    let database = fresh_database().await;
    let mut one = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    one.subscribe("a.*", &receiver).await;
    let mut other = Gateway::start(GatewayOptions::on(&database)).await;
    let pool = database.pool().await;
    emit(&pool, "a.b").await;
    receiver.received(1).await;
    one.kill_9().await;
    emit(&pool, "a.b").await;
    receiver.received(2).await;
    other.stop().await;
    assert_eq!(receiver.count(), 2);
}

/// Accounts, each with its own key: the balance and the event change in one transaction.
const ACCOUNTS: i32 = 5;
const WRITERS: i32 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balances_and_their_events_agree_after_kills_in_the_order_of_each_account() {
    let cluster = Cluster::start(Durability::Full).await;
    let database = cluster.fresh_database().await;
    let mut gateway = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    let subscribed = gateway.subscribe("account.*", &receiver).await;
    let pool = database.pool().await;
    let statement = format!(
        "create table account (id int primary key, number int not null default 0, balance int not null default 0);
         insert into account (id) select generate_series(1, {ACCOUNTS})"
    );
    run(&pool, &statement).await;
    drop(pool);
    under_kills(&cluster, &database, &mut gateway).await;

    let pool = database.pool_when_up().await;
    drained(&pool).await;
    let accounts: Vec<(i32, i32, i32)> =
        sqlx::query_as("select id, number, balance from account order by id")
            .fetch_all(&pool)
            .await
            .unwrap();
    let events: Vec<(i64, String)> =
        sqlx::query_as("select id, convert_from(payload, 'utf8') from event order by id")
            .fetch_all(&pool)
            .await
            .unwrap();
    let total: i32 = accounts.iter().map(|(_, number, _)| number).sum();
    println!(
        "{total} changes of {ACCOUNTS} accounts, {} events",
        events.len()
    );
    for (id, number, balance) in accounts {
        let of_account: Vec<Value> = events
            .iter()
            .map(|(_, data)| serde_json::from_str::<Value>(data).unwrap())
            .filter(|data| data["account"] == id)
            .collect();
        let numbers: Vec<i64> = of_account
            .iter()
            .map(|data| data["number"].as_i64().unwrap())
            .collect();
        let expected: Vec<i64> = (1..=i64::from(number)).collect();
        assert_eq!(numbers, expected, "account {id}: each once, in order");
        assert_eq!(of_account.last().unwrap()["balance"], balance);
    }
    let party = Party {
        subscribed: &subscribed,
        receiver: &receiver,
    };
    let account = Account::settled(&database, party).await;
    account.assert_balanced(&[], 2000);
    assert_eq!(account.accepted, events.len());
}

/// Changes balances while the gateway and its Postgres are killed in turn.
async fn under_kills(cluster: &Cluster, database: &Database, gateway: &mut Gateway) {
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(transfer(database.clone(), writer, stopped.clone()));
    }
    for round in 0..4 {
        changes(database, 150).await;
        if round % 2 == 0 {
            gateway.kill_9().await;
            changes(database, 20).await;
            gateway.restart().await;
        } else {
            cluster.kill_9().await;
            cluster.start_again().await;
        }
    }
    changes(database, 50).await;
    stop.send(true).unwrap();
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
}

/// Waits until so many further changes have committed.
async fn changes(database: &Database, more: i64) {
    let count = || async {
        let pool = database.pool_when_up().await;
        let sum = sqlx::query_scalar::<_, i64>("select sum(number) from account")
            .fetch_one(&pool)
            .await
            .ok();
        pool.close().await;
        sum
    };
    let before = wait::until("accounts can be read", count).await;
    wait::until(&format!("{more} more changes"), || async {
        count().await.filter(|sum| *sum >= before + more)
    })
    .await;
}

/// Changes balances until it is told to stop; every fifth transaction is undone, and a connection
/// that is lost is opened again.
async fn transfer(database: Database, writer: i32, stopped: tokio::sync::watch::Receiver<bool>) {
    let mut connection: Option<PgConnection> = None;
    for number in 0.. {
        if *stopped.borrow() {
            return;
        }
        let Some(open) = &mut connection else {
            connection = PgConnection::connect(&database.url).await.ok();
            tokio::task::yield_now().await;
            continue;
        };
        let account = (writer + number) % ACCOUNTS + 1;
        let end = if number % 5 == 4 {
            "rollback"
        } else {
            "commit"
        };
        let change = (number * 7) % 13 - 6;
        let statement = format!(
            "begin;
             update hookgate.account set number = number + 1, balance = balance + {change} where id = {account};
             select hookgate.emit('account.changed',
               json_build_object('account', id, 'number', number, 'balance', balance), key => 'account ' || id)
             from hookgate.account where id = {account};
             {end}"
        );
        if open.execute(AssertSqlSafe(statement)).await.is_err() {
            connection = None;
        }
    }
}
