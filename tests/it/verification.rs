//! The handshake: no event before the receiver has said yes, in each of the ways to say it.

use hookgate_tests::{Api, Gateway, GatewayOptions, Receiver, Reply, event, wait};
use serde_json::{Value, json};

async fn quick() -> Gateway {
    let options = GatewayOptions::default().set(("HOOKGATE_RETRY_SCHEDULE", "1s"));
    Gateway::start(options).await
}

async fn subscribe(api: &Api, receiver: &Receiver, verification: &str) -> Value {
    let path = receiver.next_path();
    let body = json!({"event_types": ["a.*"], "target_url": receiver.url(&path),
        "verification": verification});
    let made = api.post("/v1/subscriptions", &body).await.expect(201);
    receiver.trust((&path, made["secret"].as_str().unwrap()));
    made
}

fn path(subscription: &Value) -> String {
    format!("/v1/subscriptions/{}", subscription["id"].as_str().unwrap())
}

async fn in_state(api: &Api, subscription: &Value, state: &str) -> Value {
    let path = path(subscription);
    wait::until(&format!("the subscription is {state}"), || async {
        let shown = api.get(&path).await.expect(200);
        (shown["state"] == state).then_some(shown)
    })
    .await
}

async fn with_reason(api: &Api, subscription: &Value, part: &str) -> Value {
    let path = path(subscription);
    wait::until(&format!("the reason says {part:?}"), || async {
        let shown = api.get(&path).await.expect(200);
        let reason = shown["state_reason"].as_str().unwrap_or_default();
        reason.contains(part).then(|| shown.clone())
    })
    .await
}

#[tokio::test]
async fn an_echo_of_the_secret_confirms_and_nothing_is_sent_before() {
    let gateway = quick().await;
    let receiver = Receiver::answering([Reply::Status(200), Reply::EchoSecret]).await;
    let api = gateway.api();
    let made = subscribe(api, &receiver, "echo").await;
    assert_eq!(made["state"], "pending");
    let shown = with_reason(api, &made, "no X-Hook-Secret").await;
    assert_eq!(shown["state"], "pending");
    gateway.send(event("a.early")).await;

    in_state(api, &made, "active").await;
    gateway.send(event("a.late")).await;
    let receipts = receiver.verified(3).await;
    let secret = receipts[0].header("x-hook-secret").unwrap();
    assert_eq!(secret.len(), 64);
    assert!(!made["secret"].as_str().unwrap().contains(secret));
    let types: Vec<_> = receipts
        .iter()
        .map(|receipt| receipt.json()["type"].clone())
        .collect();
    assert_eq!(
        types,
        ["hookgate.verification", "hookgate.verification", "a.late"]
    );
    assert_eq!(receipts[2].header("x-hook-secret"), None);
}

#[tokio::test]
async fn an_unreachable_receiver_leaves_it_pending_with_what_was_tried() {
    let gateway = quick().await;
    let receiver = Receiver::answering([Reply::Status(503)]).await;
    let api = gateway.api();
    let made = subscribe(api, &receiver, "echo").await;
    with_reason(api, &made, "the answer was 503").await;
    // Both tries are on record, as those of any delivery.
    let list = format!(
        "/v1/deliveries?subscription={}&state=dead",
        made["id"].as_str().unwrap()
    );
    let dead = wait::until("the handshake was given up", || async {
        let found = api.get(&list).await.expect(200);
        found["data"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let delivery = api.get(&format!("/v1/deliveries/{dead}")).await.expect(200);
    assert_eq!(
        Gateway::attempt_log(&delivery),
        "1 refused 503\n2 refused 503"
    );
    let refused = api
        .post(&format!("{}/resume", path(&made)), &json!({}))
        .await;
    assert!(
        refused.expect(409)["detail"]
            .as_str()
            .unwrap()
            .contains("retry its handshake")
    );

    receiver.now_answers([Reply::EchoSecret]);
    api.post(&format!("/v1/deliveries/{dead}/retry"), &json!({}))
        .await
        .expect(202);
    in_state(api, &made, "active").await;
}

#[tokio::test]
async fn a_delayed_confirmation_needs_the_secret_and_no_key() {
    let gateway = quick().await;
    let receiver = Receiver::accepting().await;
    let api = gateway.api();
    let made = subscribe(api, &receiver, "delayed").await;
    let receipt = receiver.verified(1).await.remove(0);
    with_reason(api, &made, "may confirm").await;
    gateway.send(event("a.early")).await;

    let stranger = api.with_key(None);
    let confirm = format!("{}/confirm", path(&made));
    for body in [
        json!({}),
        json!({"secret": "0".repeat(64)}),
        json!({"secret": made["secret"]}),
    ] {
        assert_eq!(stranger.post(&confirm, &body).await.status, 401, "{body}");
    }
    let secret = receipt.header("x-hook-secret").unwrap();
    for _ in 0..2 {
        let request = stranger.request(reqwest::Method::POST, &confirm);
        let confirmed = stranger.send(request.header("x-hook-secret", secret)).await;
        assert_eq!(confirmed.expect(200)["state"], "active");
    }
    gateway.send(event("a.late")).await;
    let receipts = receiver.verified(2).await;
    assert_eq!(receipts[1].json()["type"], "a.late");

    // Another target is another receiver, which has to say yes itself.
    let other = Receiver::answering([Reply::Status(200)]).await;
    let change = json!({"target_url": other.url("/other")});
    let changed = api.patch(&path(&made), &change).await.expect(200);
    assert_eq!(changed["state"], "pending");
    other.received(1).await;
    let change = json!({"verification": "none"});
    assert_eq!(
        api.patch(&path(&made), &change).await.expect(200)["state"],
        "active"
    );
}

#[tokio::test]
async fn the_handshake_of_cloud_events_asks_by_options_and_takes_a_callback() {
    let gateway = quick().await;
    let api = gateway.api();
    let allowing = Reply::Headers(
        200,
        vec![
            ("webhook-allowed-origin", "*".to_owned()),
            ("webhook-allowed-rate", "6000".to_owned()),
        ],
    );
    let receiver = Receiver::answering([allowing, Reply::Status(200)]).await;
    let made = subscribe(api, &receiver, "cloudevents").await;
    in_state(api, &made, "active").await;
    gateway.send(event("a.b")).await;
    let receipts = receiver.received(2).await;
    assert_eq!(
        (&*receipts[0].method, receipts[0].body.len()),
        ("OPTIONS", 0)
    );
    assert_eq!(
        receipts[0].header("webhook-request-origin"),
        Some("127.0.0.1")
    );
    assert_eq!(receipts[1].method, "POST");
    assert_eq!(
        receipts[1].header("webhook-request-origin"),
        Some("127.0.0.1")
    );

    let later = Receiver::accepting().await;
    let made = subscribe(api, &later, "cloudevents").await;
    let receipt = later.received(1).await.remove(0);
    with_reason(api, &made, "may confirm").await;
    let callback = receipt.header("webhook-request-callback").unwrap();
    let callback = callback.strip_prefix(gateway.url()).unwrap();
    assert_eq!(
        api.with_key(None)
            .get(&callback.replace("token=", "token=0"))
            .await
            .status,
        401
    );
    api.with_key(None).get(callback).await.expect(200);
    in_state(api, &made, "active").await;
}
