//! A backup that was never restored is a hope. This one is restored.

use hookgate_tests::tool;
use hookgate_tests::{Cli, Cluster, Durability, Gateway, GatewayOptions, Receiver, Reply, event};
use tokio::process::Command;

/// 32 other bytes than those of the tests' gateways.
const OTHER_KEY: &str = "YW5vdGhlciBtYXN0ZXIga2V5LCBub3QgdGhhdCBvbmU=";

async fn postgres_tool(name: &str, arguments: &[&str]) {
    let program = hookgate_tests::postgres::program(name);
    let output = Command::new(program).args(arguments).output().await;
    let output = output.expect("it can be started");
    assert!(output.status.success(), "{name}: {}", tool::said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_dump_delivers_what_it_holds_with_the_secrets_and_ids_from_before() {
    let cluster = Cluster::start(Durability::None).await;
    let database = cluster.fresh_database().await;
    let retries = ("HOOKGATE_RETRY_SCHEDULE", "1s,1s,1s,1s,1s,1s,1s,1s");
    let mut gateway = Gateway::start(GatewayOptions::on(&database).set(retries)).await;
    let receiver = Receiver::accepting().await;
    let subscribed = gateway.subscribe("*", &receiver).await;
    let done = gateway.send(event("a.done")).await;
    receiver.verified(1).await;
    gateway.delivery_in((&done, &subscribed), "delivered").await;
    receiver.now_answers([Reply::Status(500)]);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(gateway.send(event("a.waits")).await);
    }
    receiver.received(4).await;

    // Taken while the node works.
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("hookgate.dump");
    let to = format!("--file={}", dump.display());
    postgres_tool("pg_dump", &["--format=custom", &to, &database.url]).await;
    gateway.kill_9().await;
    let before = receiver.count();

    // Restored into a database that knows nothing.
    let restored = cluster.empty_database().await;
    let into = format!("--dbname={}", restored.url);
    let from = dump.display().to_string();
    let restore = ["--exit-on-error", "--no-owner", &into, &from];
    postgres_tool("pg_restore", &restore).await;

    // With another master key nothing is signed with nonsense: it does not start.
    let refused = Cli::new()
        .set("DATABASE_URL", &restored.url)
        .set("HOOKGATE_MASTER_KEY", OTHER_KEY)
        .set("HOOKGATE_LISTEN", "127.0.0.1:0")
        .run(&["serve", "--allow-unsafe-postgres"])
        .await
        .refused();
    assert!(
        refused.contains("the master key does not open"),
        "{refused}"
    );

    receiver.now_answers([Reply::Status(200)]);
    let next = Gateway::start(GatewayOptions::on(&restored)).await;
    for id in &waiting {
        next.delivery_in((id, &subscribed), "delivered").await;
    }
    let all = receiver.receipts();
    for receipt in &all[before..] {
        receiver.verify(receipt);
        let earlier = &all[..before];
        assert!(
            earlier.iter().any(|one| one.id() == receipt.id()),
            "{} is a new id",
            receipt.id()
        );
    }
    assert_eq!(
        all.len() - before,
        waiting.len(),
        "what was done stays done"
    );
    let delivery = next.delivery_in((&done, &subscribed), "delivered").await;
    assert_eq!(Gateway::attempt_log(&delivery), "1 accepted 200");
}
