//! An unhappy receiver is tried again by the schedule, and given up as the documents say.

use std::time::Duration;

use hookgate_tests::{Gateway, Receiver, Reply, Subscribed, event};
use serde_json::{Value, json};

async fn subscribe(gateway: &Gateway, receiver: &Receiver, delivery: Value) -> Subscribed {
    let body = json!({"event_types": ["invoice.*"], "delivery": delivery});
    gateway.subscribe_with(body, receiver).await
}

#[tokio::test]
async fn a_failing_receiver_is_tried_again_with_the_same_id_and_a_new_signature() {
    let gateway = Gateway::fresh().await;
    let receiver =
        Receiver::answering([Reply::Status(500), Reply::Reset, Reply::Status(200)]).await;
    let subscribed = subscribe(&gateway, &receiver, json!({"retry_schedule": ["1s", "1s"]})).await;

    let id = gateway.send(event("invoice.paid")).await;

    let receipts = receiver.verified(3).await;
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.id() == receipts[0].id())
    );
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.body == receipts[0].body)
    );
    let timestamp = |n: usize| receipts[n].header("webhook-timestamp").unwrap();
    assert_ne!(timestamp(0), timestamp(2), "each attempt is signed anew");
    for pair in receipts.windows(2) {
        let wait = pair[1].arrived_at - pair[0].arrived_at;
        assert!(
            wait >= Duration::from_millis(990),
            "tried again after {wait:?}"
        );
    }
    let delivery = gateway.delivery_in((&id, &subscribed), "delivered").await;
    assert_eq!(
        Gateway::attempt_log(&delivery),
        "1 refused 500\n2 unreachable\n3 accepted 200"
    );
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up_at_the_timeout() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::answering([Reply::Hang, Reply::Status(200)]).await;
    let delivery = json!({"timeout": "1s", "retry_schedule": ["1s"]});
    let subscribed = subscribe(&gateway, &receiver, delivery).await;

    let id = gateway.send(event("invoice.paid")).await;

    let delivery = gateway.delivery_in((&id, &subscribed), "delivered").await;
    assert_eq!(
        Gateway::attempt_log(&delivery),
        "1 timed_out\n2 accepted 200"
    );
}

#[tokio::test]
async fn a_used_up_schedule_ends_in_a_dead_delivery_that_can_be_retried_by_hand() {
    let gateway = Gateway::fresh().await;
    let receiver =
        Receiver::answering([Reply::Status(503), Reply::Status(503), Reply::Status(200)]).await;
    let subscribed = subscribe(&gateway, &receiver, json!({"retry_schedule": ["1s"]})).await;

    let id = gateway.send(event("invoice.paid")).await;
    let dead = gateway.delivery_in((&id, &subscribed), "dead").await;
    assert_eq!(Gateway::attempt_log(&dead), "1 refused 503\n2 refused 503");

    let retry = format!("/v1/deliveries/{}/retry", dead["id"].as_str().unwrap());
    let answer = gateway.api().post(&retry, &json!({})).await;
    assert!(answer.status < 300, "{}", answer.text());
    let delivered = gateway.delivery_in((&id, &subscribed), "delivered").await;
    assert!(Gateway::attempt_log(&delivered).ends_with("3 accepted 200"));
}

#[tokio::test]
async fn a_redirect_is_a_refusal_and_never_followed() {
    let gateway = Gateway::fresh().await;
    let elsewhere = Receiver::accepting().await;
    let receiver =
        Receiver::answering([Reply::Redirect(elsewhere.url("/")), Reply::Status(200)]).await;
    let subscribed = subscribe(&gateway, &receiver, json!({"retry_schedule": ["1s"]})).await;

    let id = gateway.send(event("invoice.paid")).await;

    let delivery = gateway.delivery_in((&id, &subscribed), "delivered").await;
    assert_eq!(
        Gateway::attempt_log(&delivery),
        "1 refused 302\n2 accepted 200"
    );
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let gateway = Gateway::fresh().await;
    let pause = Duration::from_secs(3);
    let receiver = Receiver::answering([Reply::RetryAfter(503, pause), Reply::Status(200)]).await;
    subscribe(&gateway, &receiver, json!({"retry_schedule": ["1s"]})).await;

    gateway.send(event("invoice.paid")).await;

    let receipts = receiver.verified(2).await;
    let wait = receipts[1].arrived_at - receipts[0].arrived_at;
    assert!(
        wait >= Duration::from_millis(2990),
        "came back after {wait:?}"
    );
}

#[tokio::test]
async fn a_receiver_that_is_gone_ends_its_subscription() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::answering([Reply::Status(410)]).await;
    let subscribed = subscribe(&gateway, &receiver, json!({})).await;

    gateway.send(event("invoice.paid")).await;

    let path = format!("/v1/subscriptions/{}", subscribed.id);
    hookgate_tests::wait::until("the subscription is disabled", || async {
        let body = gateway.api().get(&path).await.expect(200);
        (body["state"] == "disabled").then_some(())
    })
    .await;
    // Its answer means that every node has seen all changes up to it.
    gateway.subscribe("something.else", &receiver).await;

    gateway.send(event("invoice.paid")).await;
    gateway.settled().await;
    assert_eq!(receiver.count(), 1);
}
