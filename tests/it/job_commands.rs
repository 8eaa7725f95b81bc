//! Jobs from the command line: a backtest as a gate, replays, verification, each as a person or a
//! pipeline meets it.

use hookgate_tests::cli::Cli;
use hookgate_tests::component::stamping;
use hookgate_tests::{Gateway, Receiver, Reply, event};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_requires_a_backtest_activates_only_what_holds() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let cli = Cli::of(&gateway);
    cli.write("stamp.wasm", stamping(1));
    cli.write("other.wasm", stamping(2));
    let gate = [
        "plugin",
        "push",
        "other.wasm",
        "--name",
        "stamp",
        "--require-backtest",
    ];
    let _ = cli.run(&["plugin", "push", "stamp.wasm"]).await.good();
    let body = json!({"event_types": ["*"], "plugins": [{"name": "stamp"}]});
    let subscribed = gateway.subscribe_with(body, &receiver).await;

    let unproven = cli.run(&gate).await;
    assert_eq!(unproven.code, Some(3), "{unproven}");
    assert!(unproven.err.contains("nothing is proven"), "{unproven}");

    for _ in 0..20 {
        gateway.send(event("a.b")).await;
    }
    receiver.verified(20).await;
    let closed = cli
        .run(&[&gate[..], &["--max-changed", "1%"]].concat())
        .await;
    assert_eq!(closed.code, Some(3), "{closed}");
    for part in ["changed         20  100 %", "/stamp  1 → 2", &subscribed.id] {
        assert!(closed.out.contains(part), "{part}: {closed}");
    }
    assert!(
        closed.err.contains("20 of 20 events come out otherwise"),
        "{closed}"
    );
    assert!(closed.err.contains("version 1 serves on"), "{closed}");
    gateway.send(event("a.b")).await;
    assert_eq!(receiver.verified(21).await[20].data(), "{\"stamp\":1}");

    let open = cli
        .run(&[&gate[..], &["--max-changed", "100%"]].concat())
        .await;
    assert!(open.good().contains("version 2 is active"));
    gateway.send(event("a.b")).await;
    assert_eq!(receiver.verified(22).await[21].data(), "{\"stamp\":2}");
    assert_eq!(receiver.count(), 22, "no backtest sends anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backtest_is_read_by_people_and_by_machines() {
    let gateway = Gateway::fresh().await;
    let cli = Cli::of(&gateway);
    cli.write("stamp.wasm", stamping(1));
    cli.write("config.json", "{}");
    let _ = cli.run(&["plugin", "push", "stamp.wasm"]).await.good();
    gateway.send(event("a.b")).await;
    let words = [
        "plugin",
        "backtest",
        "stamp",
        "--version",
        "1",
        "--config",
        "config.json",
    ];

    let said = cli.run(&words).await.good();
    assert!(
        said.starts_with("stamp  version 1 against 1: 1 events"),
        "{said}"
    );
    let said = cli.run(&[&words[..], &["--json"]].concat()).await.good();
    let job: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(job["result"]["equal"], 1);
    let id = job["id"].as_str().unwrap();
    let listed = cli.run(&["jobs", "list"]).await.good();
    assert!(
        listed.contains(id) && listed.contains("backtest"),
        "{listed}"
    );
    let watched = cli.run(&["jobs", "watch", id]).await;
    assert!(watched.err.contains("1 of 1  100 %"), "{watched}");
    let over = cli.run(&["jobs", "cancel", id]).await.refused();
    assert!(over.contains("has ended already"), "{over}");
    let refused = cli
        .run(&["plugin", "backtest", "stamp", "--version", "9"])
        .await;
    assert!(refused.refused().contains("#/version"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_are_replayed_retried_verified_and_erased_from_the_command_line() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::answering([Reply::Status(500)]).await;
    let body = json!({"event_types": ["*"], "delivery": {"retry_schedule": []}});
    let subscribed = gateway.subscribe_with(body, &receiver).await;
    let cli = Cli::of(&gateway);
    let id = gateway.send(event("a.b")).await;
    let dead = gateway.delivery_in((&id, &subscribed), "dead").await;
    let delivery = dead["id"].as_str().unwrap();
    receiver.now_answers([Reply::Status(200)]);

    let replay = ["subscriptions", "replay", &subscribed.id, "--since", "1h"];
    let counted = cli
        .run(&[&replay[..], &["--dry-run"]].concat())
        .await
        .good();
    assert!(counted.contains("dead: 1"), "{counted}");
    let replayed = cli.run(&[&replay[..], &["--state", "dead"]].concat()).await;
    assert!(replayed.err.contains("1 of 1  100 %"), "{replayed}");
    assert!(replayed.good().contains("parked: 1"));
    gateway.delivery_in((&id, &subscribed), "delivered").await;

    let verified = cli.run(&["deliveries", "verify", delivery]).await.good();
    assert!(verified.starts_with("same  attempt 2"), "{verified}");
    let none = cli
        .run(&["deliveries", "retry", "--state", "dead"])
        .await
        .good();
    assert!(none.contains("parked: 0"), "{none}");
    let both = ["deliveries", "retry", delivery, "--state", "dead"];
    assert!(
        cli.run(&both)
            .await
            .refused()
            .contains("cannot be used with")
    );

    let _ = cli.run(&["events", "erase", &id]).await.good();
    let gone = cli.run(&["deliveries", "verify", delivery]).await.refused();
    assert!(gone.contains("erased"), "{gone}");
    let slip = [
        "events",
        "erase",
        "--tenant",
        "default",
        "--confirm",
        "other",
    ];
    assert!(cli.run(&slip).await.refused().contains("#/confirm"));
}
