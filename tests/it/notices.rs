//! What the gateway tells of itself arrives as ordinary events, and only where it was asked for.

use hookgate_tests::component::stamping;
use hookgate_tests::{Gateway, GatewayOptions, Receiver, Reply, event};
use serde_json::json;

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_to_those_who_asked() {
    let gateway = Gateway::fresh().await;
    let (gone, everything, notices) = (
        Receiver::answering([Reply::Status(410)]).await,
        Receiver::accepting().await,
        Receiver::accepting().await,
    );
    let subscribed = gateway.subscribe("a.*", &gone).await;
    gateway.subscribe("*", &everything).await;
    gateway.subscribe("hookgate.*", &notices).await;
    gateway.send(event("a.b")).await;

    let receipt = notices.verified(1).await.remove(0);
    let notice = receipt.json();
    assert_eq!(notice["type"], "hookgate.subscription.disabled");
    assert_eq!(notice["data"]["subscription"], subscribed.id.as_str());
    assert_eq!(notice["data"]["reason"], "the receiver answered 410 Gone");
    let path = format!("/v1/subscriptions/{}", subscribed.id);
    let shown = gateway.api().get(&path).await.expect(200);
    assert_eq!(
        (&shown["state"], &shown["state_reason"]),
        (&json!("disabled"), &notice["data"]["reason"])
    );

    gateway.settled().await;
    let types: Vec<_> = everything
        .receipts()
        .iter()
        .map(|receipt| receipt.json()["type"].clone())
        .collect();
    assert_eq!(types, ["a.b"], "`*` brings no notices");
    assert_eq!(gone.count(), 1, "nothing is sent to whoever is gone");
}

#[tokio::test]
async fn a_dead_delivery_and_a_failed_plugin_are_told_once() {
    let options = GatewayOptions::default().set(("HOOKGATE_RETRY_SCHEDULE", "1s"));
    let gateway = Gateway::start(options).await;
    let (failing, notices) = (
        Receiver::answering([Reply::Status(500)]).await,
        Receiver::accepting().await,
    );
    let subscribed = gateway.subscribe("a.*", &failing).await;
    gateway.subscribe("hookgate.delivery.dead", &notices).await;
    // Its own deliveries die too, and nobody hears of that: it would never end.
    gateway.subscribe("hookgate.*", &failing).await;
    let id = gateway.send(event("a.b")).await;
    gateway.delivery_in((&id, &subscribed), "dead").await;
    let notice = notices.verified(1).await[0].json();
    assert_eq!(notice["data"]["event"], id.as_str());
    assert_eq!(
        (&notice["data"]["attempts"], &notice["data"]["status"]),
        (&json!(2), &json!(500))
    );
    gateway.settled().await;
    assert_eq!(notices.count(), 1);

    let told = Receiver::accepting().await;
    gateway.subscribe("hookgate.plugin.failed", &told).await;
    gateway.push("trap", stamping(1)).await.expect(201);
    let body = json!({"event_types": ["p.*"], "plugins": [{"name": "trap"}]});
    gateway.subscribe_with(body, &failing).await;
    // On data that begins with 2 it crashes.
    gateway.send(event("p.q").raw_data("2")).await;
    let notice = told.verified(1).await[0].json();
    assert_eq!(notice["data"]["plugin"], "trap");
}
