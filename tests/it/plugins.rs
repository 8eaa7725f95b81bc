//! Plugins over REST: what is uploaded serves at once, what fails harms nobody, and nothing ever
//! goes out as it was because a plugin failed.

use hookgate_tests::component::{component, stamping, stamping_all};
use hookgate_tests::{Gateway, GatewayOptions, Receiver, Subscribed, event, fresh_database, wait};
use serde_json::{Value, json};

async fn subscribe(gateway: &Gateway, plugin: &str, receiver: &Receiver) -> Subscribed {
    let body = json!({"event_types": ["*"], "plugins": [{"name": plugin}]});
    gateway.subscribe_with(body, receiver).await
}

/// The delivery, once a plugin has failed it.
async fn failed(gateway: &Gateway, event: &str, subscribed: &Subscribed) -> Value {
    wait::until("a plugin failed the delivery", || async {
        let delivery = gateway.delivery_in((event, subscribed), "pending").await;
        let attempts = delivery["attempts"].as_array()?;
        let has_failed = |attempt: &Value| attempt["outcome"] == "plugin_failed";
        attempts.iter().any(has_failed).then_some(delivery)
    })
    .await
}

#[tokio::test]
async fn a_version_serves_from_its_upload_on_until_another_is_activated() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;

    let first = gateway.push("stamp", stamping(1)).await.expect(201);
    assert_eq!(
        (&first["version"], &first["active"]),
        (&json!(1), &json!(true))
    );
    let again = gateway.push("stamp", stamping(1)).await.expect(200);
    assert_eq!(again["digest"], first["digest"]);
    let subscribed = subscribe(&gateway, "stamp", &receiver).await;
    gateway.send(event("a.b")).await;
    assert_eq!(receiver.verified(1).await[0].data(), "{\"stamp\":1}");

    gateway.push("stamp", stamping(2)).await.expect(201);
    gateway.send(event("a.b")).await;
    assert_eq!(receiver.verified(2).await[1].data(), "{\"stamp\":2}");

    let api = gateway.api();
    let back = json!({"digest": first["digest"]});
    let back = api
        .post("/v1/plugins/stamp/activate", &back)
        .await
        .expect(200);
    assert_eq!(back["previous_version"], 2);
    gateway.send(event("a.b")).await;
    assert_eq!(receiver.verified(3).await[2].data(), "{\"stamp\":1}");

    let kept = api.delete("/v1/plugins/stamp").await;
    assert_eq!(kept.status, 409, "{}", kept.text());
    assert!(kept.text().contains(&subscribed.id), "{}", kept.text());
    let path = format!("/v1/subscriptions/{}", subscribed.id);
    assert!(api.delete(&path).await.status < 300);
    api.delete("/v1/plugins/stamp").await.expect(200);
    assert_eq!(api.get("/v1/plugins/stamp").await.status, 404);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_come_of_an_event() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    gateway.push("stamp", stamping(1)).await.expect(201);
    let run = |data: Value| {
        let event = json!({"type": "a.b", "data": data});
        let body = json!({"event": event, "config": {}});
        async move { api.post("/v1/plugins/stamp/run", &body).await.expect(200) }
    };

    let replaced = run(json!({"id": 1})).await;
    assert_eq!(replaced["verdict"], "replace");
    assert_eq!(replaced["message"]["body"], "{\"stamp\":1}");
    assert_eq!(run(json!({"id": 1})).await["fuel"], replaced["fuel"]);

    let crashed = run(json!(2)).await;
    assert_eq!(crashed["verdict"], "failed");
    assert!(crashed["reason"].as_str().unwrap().starts_with("trap"));
    let looped = run(json!(3)).await;
    assert!(looped["reason"].as_str().unwrap().starts_with("timeout"));
}

#[tokio::test]
async fn a_plugin_that_fails_parks_its_deliveries_and_harms_nobody() {
    let gateway = Gateway::fresh().await;
    let (slimmed, plain) = (Receiver::accepting().await, Receiver::accepting().await);
    gateway.push("stamp", stamping(1)).await.expect(201);
    let subscribed = subscribe(&gateway, "stamp", &slimmed).await;
    gateway.subscribe("*", &plain).await;

    let crashing = gateway.send(event("a.b").data(&json!(2))).await;
    let looping = gateway.send(event("a.b").data(&json!(3))).await;
    gateway.send(event("a.b").data(&json!(1))).await;

    plain.verified(3).await;
    assert_eq!(slimmed.verified(1).await[0].data(), "{\"stamp\":1}");
    for (id, kind) in [(&crashing, "crashed"), (&looping, "stopped")] {
        let delivery = failed(&gateway, id, &subscribed).await;
        assert_eq!(Gateway::attempt_log(&delivery), "1 plugin_failed");
        assert!(delivery.to_string().contains(kind), "{delivery}");
    }
    let plugin = gateway.api().get("/v1/plugins/stamp").await.expect(200);
    assert_eq!(plugin["last_failures"].as_array().unwrap().len(), 2);
    assert_eq!(slimmed.count(), 1, "nothing went out as it was");

    // Mended, it takes up what waited for it.
    gateway.push("stamp", stamping_all(2)).await.expect(201);
    let receipts = slimmed.verified(3).await;
    assert_eq!(receipts[1].data(), "{\"stamp\":2}");
    assert_eq!(receipts[2].data(), "{\"stamp\":2}");
    let delivery = gateway
        .delivery_in((&crashing, &subscribed), "delivered")
        .await;
    let log = Gateway::attempt_log(&delivery);
    assert_eq!(log, "1 plugin_failed\n2 accepted 200");
}

#[tokio::test]
async fn a_subscription_says_what_happens_when_its_plugin_fails() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.push("stamp", stamping(1)).await.expect(201);
    let plugins = json!([{"name": "stamp", "on_error": "drop"}]);
    let body = json!({"event_types": ["*"], "plugins": plugins});
    let dropping = gateway.subscribe_with(body, &receiver).await;

    let id = gateway.send(event("a.b").data(&json!(2))).await;

    let delivery = gateway.delivery_in((&id, &dropping), "dropped").await;
    assert!(delivery.to_string().contains("crashed"), "{delivery}");
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn versions_change_under_load_without_a_failed_delivery() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.push("stamp", stamping(0)).await.expect(201);
    subscribe(&gateway, "stamp", &receiver).await;
    let events: Vec<_> = (0..100)
        .map(|n| json!({"type": "a.b", "data": {"n": n}}))
        .collect();

    for stamp in 1..6 {
        let api = gateway.api();
        let (sent, pushed) = tokio::join!(
            api.post("/v1/events/batch", &events),
            gateway.push("stamp", stamping(stamp)),
        );
        sent.expect(202);
        pushed.expect(201);
    }

    let receipts = receiver.verified(500).await;
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.data().starts_with("{\"stamp\":"))
    );
    gateway.settled().await;
    let plugin = gateway.api().get("/v1/plugins/stamp").await.expect(200);
    assert_eq!(plugin["failed_calls"], 0, "{plugin}");
    assert_eq!(receiver.count(), 500);
}

#[tokio::test]
async fn every_node_serves_what_one_was_told() {
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    let other = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    one.push("stamp", stamping(1)).await.expect(201);
    subscribe(&one, "stamp", &receiver).await;

    for (index, version) in [2_u8, 1, 2].into_iter().enumerate() {
        if index == 0 {
            one.push("stamp", stamping(2)).await.expect(201);
        } else {
            let body = json!({"version": version});
            let path = "/v1/plugins/stamp/activate";
            let answer = one.api().post(path, &body).await.expect(200);
            assert_eq!(answer["applied"], true, "{answer}");
        }
        other.send(event("a.b")).await;
        let receipt = receiver.verified(index + 1).await.remove(index);
        assert_eq!(receipt.data(), format!("{{\"stamp\":{version}}}"));
    }
}

#[tokio::test]
async fn a_plugin_taken_off_a_subscription_lets_go_of_what_waited_for_it() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.push("stamp", stamping(1)).await.expect(201);
    let subscribed = subscribe(&gateway, "stamp", &receiver).await;
    let id = gateway.send(event("a.b").data(&json!(2))).await;
    failed(&gateway, &id, &subscribed).await;

    let path = format!("/v1/subscriptions/{}", subscribed.id);
    let plain = json!({"plugins": []});
    gateway.api().patch(&path, &plain).await.expect(200);

    assert_eq!(receiver.verified(1).await[0].data(), "2");
}

#[tokio::test]
async fn what_is_refused_says_which_check_failed_and_what_would_help() {
    let gateway = Gateway::fresh().await;
    let whole = stamping(1);
    for (name, component) in [
        ("imports-a-clock", component("imports-a-clock")),
        ("exports-nothing", component("exports-nothing-known")),
        ("other-types", component("has-other-types")),
        ("spins-at-start", component("spins-at-start")),
        ("truncated", whole.slice(..whole.len() / 2)),
        ("not-wasm", bytes::Bytes::from_static(b"hello")),
        ("empty", bytes::Bytes::new()),
    ] {
        let refused = gateway.push(name, component).await.expect(422);
        let checks = refused["checks"].as_array().unwrap();
        let last = checks.last().unwrap();
        assert_eq!(last["ok"], false, "{name}: {refused}");
        assert!(last["cure"].is_string(), "{name}: {refused}");
        let path = format!("/v1/plugins/{name}");
        assert_eq!(gateway.api().get(&path).await.status, 404, "{name}");
    }
    let refused = gateway.push("clock", component("imports-a-clock")).await;
    assert!(refused.text().contains("wasi:"), "{}", refused.text());
}
