//! Subscriptions after the REST Hooks pattern: made, read, changed, paused, rotated, removed.

use hookgate_tests::Gateway;
use hookgate_tests::Receiver;
use hookgate_tests::event;
use serde_json::json;

#[tokio::test]
async fn what_was_read_can_be_written_back() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let body = json!({"event_types": ["invoice.*"], "description": "d", "metadata": {"a": 1},
        "labels": ["eu"], "delivery": {"timeout": "3s", "headers": {"X-Team": "ops"}}});
    let subscribed = gateway.subscribe_with(body, &receiver).await;
    assert!(subscribed.secret.starts_with("whsec_"));
    assert_eq!(subscribed.body["applied"], true);

    let api = gateway.api();
    let path = format!("/v1/subscriptions/{}", subscribed.id);
    let mut read = api.get(&path).await.expect(200);
    assert_eq!(read.get("secret"), None);
    assert_eq!(read["delivery"]["headers"], json!({"x-team": "ops"}));
    let object = read.as_object_mut().unwrap();
    for given in [
        "id",
        "state",
        "state_reason",
        "public_key",
        "created_at",
        "updated_at",
        "health",
    ] {
        object.remove(given);
    }
    let written = api.put(&path, &read).await.expect(200);
    assert_eq!(written["metadata"], json!({"a": 1}));

    let patched = api
        .patch(
            &path,
            &json!({"description": "new", "delivery": {"timeout": null}}),
        )
        .await
        .expect(200);
    assert_eq!(patched["description"], "new");
    assert_eq!(patched["delivery"]["timeout"], "20s");
    assert_eq!(patched["delivery"]["headers"], json!({"x-team": "ops"}));
    assert_eq!(patched["event_types"], json!(["invoice.*"]));
}

#[tokio::test]
async fn a_paused_subscription_gets_everything_when_it_is_resumed() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let subscribed = gateway.subscribe("*", &receiver).await;
    let path = format!("/v1/subscriptions/{}", subscribed.id);
    let api = gateway.api();

    let paused = api
        .post(&format!("{path}/pause"), &json!({}))
        .await
        .expect(200);
    assert_eq!(
        (&paused["state"], &paused["applied"]),
        (&json!("paused"), &json!(true))
    );
    let id = gateway.send(event("a.b")).await;
    gateway.delivery_in((&id, &subscribed), "pending").await;
    assert_eq!(receiver.count(), 0);

    api.post(&format!("{path}/resume"), &json!({}))
        .await
        .expect(200);
    receiver.verified(1).await;
}

#[tokio::test]
async fn both_secrets_sign_during_the_overlap() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let subscribed = gateway.subscribe("*", &receiver).await;
    let path = format!("/v1/subscriptions/{}/secret/rotate", subscribed.id);

    let rotated = gateway
        .api()
        .post(&path, &json!({"overlap": "1h"}))
        .await
        .expect(200);
    assert_ne!(rotated["secret"], subscribed.secret.as_str());
    gateway.send(event("a.b")).await;
    // Still verified with the old secret.
    let receipt = receiver.verified(1).await.remove(0);
    let signatures = receipt.header("webhook-signature").unwrap();
    assert_eq!(signatures.split(' ').count(), 2, "{signatures}");

    let refused = gateway.api().post(&path, &json!({"overlap": "8d"})).await;
    assert_eq!(refused.expect(422)["errors"][0]["pointer"], "#/overlap");
    let rotated = gateway
        .api()
        .post(&path, &json!({"overlap": "0s"}))
        .await
        .expect(200);
    receiver.trust((&subscribed.path, rotated["secret"].as_str().unwrap()));
    gateway.send(event("a.b")).await;
    let receipt = receiver.received(2).await.remove(1);
    receiver.verify(&receipt);
    assert!(!receipt.header("webhook-signature").unwrap().contains(' '));
}

#[tokio::test]
async fn a_test_reaches_one_subscription_alone_and_removal_is_idempotent() {
    let gateway = Gateway::fresh().await;
    let (receiver, other) = (Receiver::accepting().await, Receiver::accepting().await);
    let subscribed = gateway.subscribe("invoice.*", &receiver).await;
    gateway.subscribe("*", &other).await;
    let path = format!("/v1/subscriptions/{}", subscribed.id);
    let api = gateway.api();

    api.post(&format!("{path}/test"), &json!({}))
        .await
        .expect(202);
    assert_eq!(
        receiver.verified(1).await[0].json()["type"],
        "hookgate.test"
    );
    gateway.settled().await;
    assert_eq!(other.count(), 0);

    for _ in 0..2 {
        assert_eq!(api.delete(&path).await.status, 204);
    }
    assert_eq!(api.get(&path).await.status, 404);
    let list = api.get("/v1/subscriptions").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_tenant_s_key_sees_and_touches_only_its_own() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let subscribed = gateway.subscribe("*", &receiver).await;
    let made = gateway
        .api()
        .post("/v1/keys", &json!({"role": "subscriber", "tenant": "acme"}))
        .await
        .expect(201);
    let acme = gateway.api().with_key(made["key"].as_str());
    let path = format!("/v1/subscriptions/{}", subscribed.id);

    assert_eq!(acme.get(&path).await.status, 404);
    assert_eq!(
        acme.patch(&path, &json!({"description": "x"})).await.status,
        404
    );
    assert_eq!(
        acme.post(&format!("{path}/pause"), &json!({})).await.status,
        404
    );
    assert_eq!(acme.delete(&path).await.status, 204);
    gateway.api().get(&path).await.expect(200);
    let url = receiver.url("/acme");
    let own = acme
        .post(
            "/v1/subscriptions",
            &json!({"event_types": ["*"], "target_url": url}),
        )
        .await
        .expect(201);
    assert_eq!(own["tenant"], "acme");
    let foreign = json!({"event_types": ["*"], "target_url": url, "tenant": "default"});
    assert_eq!(acme.post("/v1/subscriptions", &foreign).await.status, 403);
    assert_eq!(acme.get("/v1/keys").await.status, 403);
}
