//! How a subscription ends and goes on: by the clock, by its failures, by renewal; and what can be
//! looked at meanwhile.

use std::time::Duration;

use hookgate_tests::{Gateway, GatewayOptions, Receiver, Reply, event, wait};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

fn in_a_while(wait: Duration) -> String {
    (OffsetDateTime::now_utc() + wait).format(&Rfc3339).unwrap()
}

async fn in_state(gateway: &Gateway, path: &str, state: &str) -> Value {
    wait::until(&format!("it is {state}"), || async {
        let shown = gateway.api().get(path).await.expect(200);
        (shown["state"] == state).then_some(shown)
    })
    .await
}

#[tokio::test]
async fn a_subscription_expires_and_goes_on_when_it_is_renewed() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let body = json!({"event_types": ["*"], "expires_at": in_a_while(Duration::from_secs(2))});
    let subscribed = gateway.subscribe_with(body, &receiver).await;
    let path = format!("/v1/subscriptions/{}", subscribed.id);
    let api = gateway.api();

    let expired = in_state(&gateway, &path, "expired").await;
    assert!(
        expired["state_reason"]
            .as_str()
            .unwrap()
            .contains("later expires_at")
    );
    let id = gateway.send(event("a.missed")).await;
    gateway.delivery_in((&id, &subscribed), "dead").await;
    let refused = api
        .post(&format!("{path}/resume"), &json!({}))
        .await
        .expect(409);
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("later expires_at")
    );
    let past = json!({"expires_at": "2020-01-01T00:00:00Z"});
    let refused = api.patch(&path, &past).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "#/expires_at");
    // Another member may change although the time is past.
    api.patch(&path, &json!({"description": "x"}))
        .await
        .expect(200);

    let later = json!({"expires_at": in_a_while(Duration::from_secs(3600))});
    assert_eq!(
        api.patch(&path, &later).await.expect(200)["state"],
        "active"
    );
    gateway.send(event("a.renewed")).await;
    let receipts = receiver.verified(1).await;
    assert_eq!(receipts[0].json()["type"], "a.renewed");
}

#[tokio::test]
async fn persistent_failure_disables_with_a_reason_and_a_notice() {
    let options = GatewayOptions::default()
        .set(("HOOKGATE_RETRY_SCHEDULE", "1s"))
        .set(("HOOKGATE_DISABLE_AFTER", "1s"));
    let gateway = Gateway::start(options).await;
    let (failing, healthy, notices) = (
        Receiver::answering([Reply::Status(500)]).await,
        Receiver::answering([Reply::Status(500), Reply::Status(200)]).await,
        Receiver::accepting().await,
    );
    let dying = gateway.subscribe("a.*", &failing).await;
    gateway.subscribe("a.*", &healthy).await;
    gateway
        .subscribe("hookgate.subscription.disabled", &notices)
        .await;
    gateway.send(event("a.b")).await;
    let notice = notices.verified(1).await[0].json();
    assert_eq!(notice["data"]["subscription"], dying.id.as_str());
    let path = format!("/v1/subscriptions/{}", dying.id);
    let disabled = in_state(&gateway, &path, "disabled").await;
    assert_eq!(
        disabled["state_reason"],
        "nothing was accepted for too long"
    );

    failing.now_answers([Reply::Status(200)]);
    gateway
        .api()
        .post(&format!("{path}/resume"), &json!({}))
        .await
        .expect(200);
    let before = failing.count();
    gateway.send(event("a.c")).await;
    failing.received(before + 1).await;
    gateway.settled().await;
    assert_eq!(notices.count(), 1, "one success is a sign of life");
}

#[tokio::test]
async fn samples_are_what_it_would_get() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    for number in 0..4 {
        let data = format!(r#"{{"n": {number}.0}}"#);
        gateway.send(event("a.b").raw_data(&data)).await;
    }
    gateway.send(event("c.d")).await;
    let body = json!({"event_types": ["a.*"],
        "filters": [{"data": {"pointer": "/n", "gte": 2}}]});
    let subscribed = gateway.subscribe_with(body, &receiver).await;
    let path = format!("/v1/subscriptions/{}/samples", subscribed.id);
    let answer = gateway.api().get(&path).await;
    let numbers: Vec<&str> = answer
        .body
        .windows(8)
        .filter_map(|window| {
            let text = std::str::from_utf8(window).ok()?;
            text.strip_prefix("{\"n\": ")
        })
        .collect();
    assert_eq!(numbers, ["3.", "2."], "byte for byte: {}", answer.text());
    let sample = answer.expect(200)["data"][0].clone();
    assert_eq!(sample["type"], "a.b");
    assert_eq!(sample["sequence"].as_str().unwrap().len(), 19);
    let one = gateway
        .api()
        .get(&format!("{path}?limit=1"))
        .await
        .expect(200);
    assert_eq!(one["data"].as_array().unwrap().len(), 1);
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_claim_check_opens_an_inert_download_and_dies_with_its_subscription() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let body = json!({"event_types": ["*"],
        "plugins": [{"name": "skinny", "config": {"keep": ["/id"], "data_url": true}}]});
    let subscribed = gateway.subscribe_with(body, &receiver).await;
    gateway
        .send(event("a.b").raw_data(r#"{"id": 1,  "html": "<script>"}"#))
        .await;
    let receipt = receiver.verified(1).await.remove(0);
    let url = receipt.json()["data"]["data_url"]
        .as_str()
        .unwrap()
        .to_owned();
    let stranger = gateway.api().with_key(None);
    let path = url.strip_prefix(gateway.url()).unwrap();
    let opened = stranger.get(path).await;
    assert_eq!(
        (opened.status, &*opened.body),
        (200, &br#"{"id": 1,  "html": "<script>"}"#[..])
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("cache-control", "no-store"),
        ("content-disposition", "attachment"),
    ] {
        assert_eq!(opened.headers[name], value);
    }
    let subscription = format!("/v1/subscriptions/{}", subscribed.id);
    assert_eq!(gateway.api().delete(&subscription).await.status, 204);
    let refused = stranger.get(path).await.expect(401);
    assert!(refused["detail"].as_str().unwrap().contains("deleted"));
    assert!(
        !gateway.log().contains("token="),
        "an address that opens is never logged"
    );
}

#[tokio::test]
async fn subscriptions_are_found_by_their_label() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    for labels in [json!(["eu", "gold"]), json!(["us"]), json!([])] {
        let body = json!({"event_types": ["*"], "labels": labels});
        gateway.subscribe_with(body, &receiver).await;
    }
    let found = gateway
        .api()
        .get("/v1/subscriptions?label=gold")
        .await
        .expect(200);
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["labels"], json!(["eu", "gold"]));
}

#[tokio::test]
async fn types_of_the_gateway_s_own_cannot_be_sent() {
    let gateway = Gateway::fresh().await;
    let forged = json!({"type": "hookgate.delivery.dead", "data": 1});
    let refused = gateway.api().post("/v1/events", &forged).await.expect(400);
    assert_eq!(refused["errors"][0]["pointer"], "#/type");
}
