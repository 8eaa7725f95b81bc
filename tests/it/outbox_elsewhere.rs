//! Rows and databases of one's own: changes of rows that become events, and transactions of another
//! database that emit.

use hookgate_tests::{Cli, Database, Gateway, GatewayOptions, Receiver, fresh_database, wait};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::log_node::count;
use crate::outbox::run;

#[tokio::test]
async fn changes_of_rows_become_events_whatever_becomes_of_the_table() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let one_at_a_time = json!({"event_types": ["order.*"], "delivery": {"max_in_flight": 1}});
    gateway.subscribe_with(one_at_a_time, &receiver).await;
    let pool = gateway.database().pool().await;
    run(
        &pool,
        "create schema shop;
         create table shop.sale (id int primary key, status text, amount numeric, big text);
         select hookgate.watch('shop.sale', 'order');
         insert into shop.sale values (1, 'open', 1.50, 'x')",
    )
    .await;
    receiver.verified(1).await;
    // Without a change there is no event, and what is rolled back is none.
    run(
        &pool,
        "update shop.sale set status = status;
         begin; delete from shop.sale; rollback;
         update shop.sale set status = 'paid', amount = 2.50",
    )
    .await;
    receiver.verified(2).await;
    run(
        &pool,
        "alter table shop.sale add column extra int default 7, drop column amount;
         alter table shop.sale rename column id to number;
         update shop.sale set big = repeat('y', 1200000)",
    )
    .await;
    receiver.verified(3).await;
    run(&pool, "update shop.sale set big = 'z'").await;
    receiver.verified(4).await;
    run(&pool, "delete from shop.sale").await;
    let receipts = receiver.verified(5).await;

    let bodies: Vec<Value> = receipts.iter().map(hookgate_tests::Receipt::json).collect();
    let of = |index: usize, member: &str| bodies[index]["data"][member].clone();
    assert_eq!(bodies[0]["type"], "order.inserted");
    assert!(
        receipts[0].data().contains("\"amount\":1.50"),
        "numbers keep their digits"
    );
    assert_eq!(of(0, "before"), Value::Null);
    assert_eq!(of(0, "key"), "1");
    assert_eq!(bodies[1]["type"], "order.updated");
    assert_eq!(of(1, "changed"), json!(["status", "amount"]));
    assert_eq!(of(1, "before")["status"], "open");
    assert_eq!(of(1, "after")["status"], "paid");
    assert_eq!(of(2, "too_large"), true);
    assert_eq!(of(2, "changed"), json!(["big"]));
    assert_eq!(bodies[4]["type"], "order.deleted");
    assert_eq!(
        of(4, "before"),
        json!({"number": 1, "status": "paid", "big": "z", "extra": 7})
    );
    run(
        &pool,
        "select hookgate.unwatch('shop.sale'); insert into shop.sale values (2, 'open', 'x', 1)",
    )
    .await;
    assert_eq!(count(&pool, "select count(*) from outbox").await, 0);
}

#[tokio::test]
async fn a_watch_looks_at_some_columns_and_takes_the_tenant_from_one() {
    let pool = fresh_database().await.pool().await;
    run(
        &pool,
        "create table line (number int, part int, owner text, text text, primary key (part, number));
         select hookgate.watch('line', 'line', tenant_column => 'owner', columns => '{text}',
           operations => '{insert,update}');
         insert into line values (1, 2, 'acme', 'a');
         update line set owner = 'other';
         update line set text = 'b';
         delete from line",
    )
    .await;
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as("select tenant, event_type, key, data ->> 'after' from outbox order by id")
            .fetch_all(&pool)
            .await
            .unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (&*row.0, &*row.1, &*row.2)).collect();
    let key = "hookgate.line [\"2\", \"1\"]";
    assert_eq!(
        seen,
        [
            ("acme", "line.inserted", key),
            ("other", "line.updated", key)
        ]
    );
    assert_eq!(
        serde_json::from_str::<Value>(&rows[1].3).unwrap(),
        json!({"text": "b"})
    );
    for (call, said) in [
        ("'line', 'line', columns => '{nope}'", "has no column nope"),
        (
            "'line', 'line', tenant_column => 'nope'",
            "has no column nope",
        ),
        (
            "'line', 'line', operations => '{truncate}'",
            "truncate are not known",
        ),
        ("'line', 'line', operations => '{}'", "are not known"),
        ("'line', ''", "type is empty"),
        ("'line', 'hookgate.mine'", "begins with hookgate."),
        ("'nowhere', 'line'", "does not exist"),
    ] {
        let statement = AssertSqlSafe(format!("select hookgate.watch({call})"));
        let refused = sqlx::raw_sql(statement).execute(&pool).await;
        let error = refused.expect_err(said).to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// A database in the same cluster that knows nothing of Hookgate.
async fn plain_database(beside: &Database) -> (String, PgPool) {
    let (before, name) = beside.url.rsplit_once("test_").unwrap();
    let (number, socket) = name.split_once('?').unwrap();
    let shop = format!("shop_{number}");
    run(
        &beside.pool().await,
        &format!("create database {shop} template template0"),
    )
    .await;
    let url = format!("{before}{shop}?{socket}");
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    (url, pool)
}

#[tokio::test]
async fn a_database_of_ones_own_is_drained_and_each_row_is_one_event_after_kills() {
    let database = fresh_database().await;
    let (url, shop) = plain_database(&database).await;
    let installed = Cli::new().run(&["db", "install-outbox", &url]).await;
    assert_eq!(installed.code, Some(0), "{}", installed.err);
    let again = Cli::new()
        .run(&["db", "install-outbox", &url, "--json"])
        .await;
    assert_eq!(again.code, Some(0), "{}", again.err);
    let steps: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(
        steps["steps"]["before"], steps["steps"]["now"],
        "nothing is left to do"
    );

    let options = GatewayOptions::on(&database).set(("HOOKGATE_OUTBOX_URLS", &url));
    let mut gateway = Gateway::start(options).await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("shop.*", &receiver).await;
    let emits = "select hookgate.emit('shop.sold', json_build_object('n', n), key => 'k' || n % 7)
                 from generate_series(1, 1500) n";
    for round in 0..3 {
        run(&shop, emits).await;
        if round < 2 {
            // In the middle of it, on most machines.
            receiver.received(400 * (round + 1)).await;
            gateway.kill_9().await;
            gateway.restart().await;
        }
    }
    wait::until("the outbox is empty", || async {
        (count(&shop, "select count(*) from hookgate.outbox").await == 0).then_some(())
    })
    .await;
    gateway.settled().await;
    let pool = database.pool().await;
    let events = "select count(*) from event where event_type = 'shop.sold'";
    assert_eq!(count(&pool, events).await, 4500, "each row once");
    let refused = "select count(*) from hookgate.outbox_refused";
    assert_eq!(count(&shop, refused).await, 0);
    assert!(!gateway.log().contains(&url), "an address holds a password");
    let metrics = gateway.api().get("/metrics").await.text();
    assert!(
        metrics.contains("hookgate_outbox_waiting{outbox=\"own\"} 0"),
        "{metrics}"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn an_outbox_is_taken_away_once_it_is_drained_and_never_from_a_gateway() {
    let database = fresh_database().await;
    let (url, shop) = plain_database(&database).await;
    let outbox = |more: &[&str]| {
        let mut words = vec!["db", "install-outbox"];
        words.extend(more);
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        async move {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            Cli::new().run(&words).await
        }
    };
    let own = outbox(&[&database.url]).await;
    assert_ne!(own.code, Some(0));
    assert!(own.err.contains("a gateway's own database"), "{}", own.err);
    assert_eq!(outbox(&[&url]).await.code, Some(0));
    run(
        &shop,
        "create table public.t (id int primary key); select hookgate.watch('public.t', 't'); insert into public.t values (1)",
    )
    .await;
    let kept = outbox(&[&url, "--uninstall"]).await;
    assert!(kept.err.contains("1 events wait"), "{}", kept.err);
    assert_eq!(
        count(&shop, "select count(*) from hookgate.outbox").await,
        1
    );
    let gone = outbox(&[&url, "--uninstall", "--force"]).await;
    assert_eq!(gone.code, Some(0), "{}", gone.err);
    // The watch is gone with it: the table is as it was.
    run(&shop, "insert into public.t values (2)").await;
    let schemas = "select count(*) from pg_namespace where nspname = 'hookgate'";
    assert_eq!(count(&shop, schemas).await, 0);
    let nothing = outbox(&[&url, "--uninstall"]).await;
    assert!(
        nothing.out.contains("there was no outbox"),
        "{}",
        nothing.out
    );
}
