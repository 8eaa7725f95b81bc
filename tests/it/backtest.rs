//! Backtests: another version over stored events beside the one that serves, nothing sent.

use hookgate_tests::component::{component, stamping, stamping_all};
use hookgate_tests::{Gateway, Receiver, event};
use serde_json::{Value, json};

use crate::replay::ended;

async fn put(gateway: &Gateway, name: &str, component: bytes::Bytes, activate: bool) -> Value {
    let path = format!("/v1/plugins/{name}?activate={activate}");
    let api = gateway.api();
    api.put_bytes(&path, "application/wasm", component)
        .await
        .expect(201)
}

async fn backtest(gateway: &Gateway, name: &str, body: Value) -> Value {
    let path = format!("/v1/plugins/{name}/backtest");
    let job = gateway.api().post(&path, &body).await.expect(202);
    assert_eq!(job["kind"], "backtest");
    let job = ended(gateway.api(), &job).await;
    assert_eq!(job["state"], "done", "{job}");
    job["result"].clone()
}

async fn send_many(gateway: &Gateway, count: usize) {
    let events: Vec<_> = (0..count)
        .map(|n| json!({"type": "invoice.paid", "data": {"n": n}}))
        .collect();
    let api = gateway.api();
    api.post("/v1/events/batch", &events).await.expect(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_is_compared_with_what_serves_and_nothing_is_sent() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    put(&gateway, "stamp", stamping(1), true).await;
    let body = json!({"event_types": ["invoice.*"], "plugins": [{"name": "stamp"}]});
    let subscribed = gateway.subscribe_with(body, &receiver).await;
    send_many(&gateway, 250).await;
    gateway.send(event("contact.added")).await;
    receiver.received(250).await;
    gateway.settled().await;
    put(&gateway, "stamp", stamping(2), false).await;

    let changed = backtest(&gateway, "stamp", json!({"version": 2})).await;
    assert_eq!(
        (&changed["compared"], &changed["changed"]),
        (&json!(250), &json!(250))
    );
    assert_eq!(changed["changed_percent"], 100.0);
    assert_eq!(changed["against"], 1);
    assert_eq!(changed["subscriptions"], json!([subscribed.id]));
    assert_eq!(changed["transitions"], json!({"replace → replace": 250}));
    let samples = changed["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 5, "so many of one kind");
    assert_eq!(
        samples[0]["changes"],
        json!([{"path": "/stamp", "before": 1, "after": 2}])
    );
    assert_eq!(samples[0]["subscription"], json!(subscribed.id));
    assert!(
        changed["after"]["mean_us"].as_f64() > Some(0.0),
        "{changed}"
    );
    assert_eq!(changed["after"]["bytes_out"], 250 * 11);

    let equal = backtest(&gateway, "stamp", json!({"version": 1, "last": 100})).await;
    assert_eq!(
        (&equal["compared"], &equal["equal"]),
        (&json!(100), &json!(100))
    );
    assert_eq!(equal["samples"], json!([]));
    assert_eq!(receiver.count(), 250, "nothing was sent");
    let plugin = gateway.api().get("/v1/plugins/stamp").await.expect(200);
    assert_eq!(plugin["calls"], 250, "it counts as nobody's call: {plugin}");
}

#[tokio::test]
async fn failures_of_either_version_are_told_apart() {
    let gateway = Gateway::fresh().await;
    put(&gateway, "stamp", stamping(1), true).await;
    put(&gateway, "stamp", stamping_all(1), false).await;
    for data in [json!(2), json!({"n": 1}), json!({"n": 2})] {
        gateway.send(event("a.b").data(&data)).await;
    }

    let mended = json!({"version": 2, "config": {}, "since": "1h"});
    let mended = backtest(&gateway, "stamp", mended).await;

    assert_eq!(
        (&mended["compared"], &mended["changed"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(mended["before"]["errors"]["trap"]["count"], 1, "{mended}");
    assert_eq!(mended["after"]["errors"], json!({}));
    assert_eq!(mended["transitions"]["failed → replace"], 1);
    let sample = &mended["samples"][0];
    assert!(
        sample["before_reason"]
            .as_str()
            .unwrap()
            .starts_with("trap"),
        "{sample}"
    );
}

#[tokio::test]
async fn only_what_the_subscription_gets_is_compared() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    put(&gateway, "stamp", stamping(1), true).await;
    put(&gateway, "stamp", stamping(2), false).await;
    let filters = json!([{"data": {"pointer": "/n", "gte": 10}}]);
    let body = json!({"event_types": ["*"], "filters": filters, "plugins": [{"name": "stamp"}]});
    gateway.subscribe_with(body, &receiver).await;
    send_many(&gateway, 30).await;

    let result = backtest(&gateway, "stamp", json!({"version": 2, "last": 5})).await;
    assert_eq!(result["compared"], 5, "{result}");
    let result = backtest(&gateway, "stamp", json!({"version": 2, "since": "1h"})).await;
    assert_eq!(result["compared"], 20, "{result}");
}

#[tokio::test]
async fn the_plugins_before_it_run_first() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    put(&gateway, "stamp", stamping(1), true).await;
    put(&gateway, "echo", component("remembers"), true).await;
    put(&gateway, "echo", stamping(2), false).await;
    // What crashes in front of it never reaches it.
    let plugins = json!([{"name": "stamp", "on_error": "drop"}, {"name": "echo"}]);
    let body = json!({"event_types": ["*"], "plugins": plugins});
    gateway.subscribe_with(body, &receiver).await;
    for data in [json!(2), json!({"n": 1})] {
        gateway.send(event("a.b").data(&data)).await;
    }

    let result = backtest(&gateway, "echo", json!({"version": 2})).await;

    assert_eq!(
        (&result["compared"], &result["skipped"]),
        (&json!(1), &json!(1)),
        "{result}"
    );
}

#[tokio::test]
async fn what_a_backtest_cannot_do_is_told_with_its_field() {
    let gateway = Gateway::fresh().await;
    put(&gateway, "stamp", stamping(1), true).await;
    gateway.send(event("a.b")).await;
    let path = "/v1/plugins/stamp/backtest";
    for (body, pointers) in [
        (json!({}), vec!["#/version", "#/config"]),
        (
            json!({"version": 9, "against": 8, "last": 0, "config": {}}),
            vec!["#/version", "#/against", "#/last"],
        ),
        (
            json!({"digest": "xyz", "last": 1, "since": "1h", "config": {}, "samples": 99}),
            vec!["#/digest", "#/since", "#/samples"],
        ),
        (
            json!({"version": 1, "subscription": "sub_000000g"}),
            vec!["#/subscription"],
        ),
    ] {
        let refused = gateway.api().post(path, &body).await.expect(422);
        let errors = refused["errors"].as_array().unwrap();
        let found: Vec<_> = errors
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        assert_eq!(found, pointers, "{body}: {refused}");
    }
    let any = json!({"version": 1});
    let unknown = gateway.api().post("/v1/plugins/none/backtest", &any).await;
    assert_eq!(unknown.status, 404);
}
