//! The whole way once: an event in, a signed delivery out, and nothing added or changed on it.

use hookgate_tests::{Gateway, Receiver, error_lines, event};
use serde_json::json;

/// Spaces, number forms, escapes and a member twice: all of it must come out as it went in.
const ODD_DATA: &str =
    "{ \"n\" : 1.50e3,\"big\":12345678901234567890.10, \"t\":\"\\u00e9\\/é\",\"n\":2 }";

#[tokio::test]
async fn an_event_becomes_a_signed_delivery_with_its_data_byte_for_byte() {
    let mut gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let subscribed = gateway.subscribe("invoice.*", &receiver).await;

    let id = gateway.send(event("invoice.paid").raw_data(ODD_DATA)).await;

    let receipt = receiver.verified(1).await.remove(0);
    assert_eq!(receipt.data(), ODD_DATA);
    assert_eq!(receipt.json()["type"], "invoice.paid");
    assert_eq!(receipt.json()["id"], id.as_str());
    assert_eq!(receipt.header("content-type"), Some("application/json"));
    let agent = receipt.header("user-agent").unwrap();
    assert!(agent.starts_with("Hookgate/"), "{agent}");
    let delivery = gateway.delivery_in((&id, &subscribed), "delivered").await;
    assert_eq!(delivery["id"], receipt.id());
    assert_eq!(Gateway::attempt_log(&delivery), "1 accepted 200");

    gateway.stop().await;
    assert_eq!(error_lines(&gateway.log()), [""; 0]);
}

#[tokio::test]
async fn only_those_who_asked_for_a_type_get_it() {
    let gateway = Gateway::fresh().await;
    let (asked, other) = (Receiver::accepting().await, Receiver::accepting().await);
    gateway.subscribe("invoice.*", &asked).await;
    gateway.subscribe("contact.updated", &other).await;

    gateway.send(event("invoice.line.added")).await;
    gateway.send(event("contact.updated")).await;
    gateway.send(event("contact.created")).await;

    assert_eq!(
        asked.verified(1).await[0].json()["type"],
        "invoice.line.added"
    );
    assert_eq!(other.verified(1).await[0].json()["type"], "contact.updated");
    gateway.settled().await;
    assert_eq!((asked.count(), other.count()), (1, 1));
}

#[tokio::test]
async fn the_same_event_sent_twice_is_delivered_once() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("*", &receiver).await;
    let twice = event("invoice.paid").with("id", "order-17/paid");

    let first = gateway.send(twice.clone()).await;
    let api = gateway.api();
    let second = api
        .post_bytes("/v1/events", "application/json", twice.to_body())
        .await
        .expect(202);

    assert_eq!(second["id"], first.as_str());
    assert_eq!(second["duplicate"], true);
    let other = twice.data(&json!({"other": true}));
    let refused = api
        .post_bytes("/v1/events", "application/json", other.to_body())
        .await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    gateway.settled().await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_batch_goes_in_as_one() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("*", &receiver).await;
    let batch: Vec<_> = (0..200)
        .map(|n| json!({"type": "row.imported", "data": {"n": n}}))
        .collect();

    gateway
        .api()
        .post("/v1/events/batch", &batch)
        .await
        .expect(202);
    let mut broken = batch.clone();
    broken[150]["type"] = json!("");
    let refused = gateway.api().post("/v1/events/batch", &broken).await;

    assert!((400..500).contains(&refused.status), "{}", refused.text());
    assert!(
        refused.text().contains("150"),
        "names the culprit: {}",
        refused.text()
    );
    receiver.verified(200).await;
    gateway.settled().await;
    assert_eq!(receiver.count(), 200);
}

#[tokio::test]
async fn nobody_gets_in_without_a_key() {
    let gateway = Gateway::fresh().await;

    for key in [None, Some("hgk_not-a-key-of-this-gateway")] {
        let api = gateway.api().with_key(key);
        assert_eq!(api.get("/v1/events").await.status, 401);
        let sent = api
            .post("/v1/events", &json!({"type": "a.b", "data": 1}))
            .await;
        assert_eq!(sent.status, 401, "{}", sent.text());
    }
    assert_eq!(gateway.api().with_key(None).get("/livez").await.status, 200);
}
