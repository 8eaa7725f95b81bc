//! How fast a receiver is served: never faster than its limit, and hardly at all while nobody is
//! there.

use std::time::Duration;

use hookgate_tests::{Gateway, Receiver, Reply, event};
use serde_json::json;

#[tokio::test]
async fn a_rate_limit_spreads_a_burst() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let body = json!({"event_types": ["*"],
        "delivery": {"rate_limit": {"per": "1s", "max": 5}}});
    let subscribed = gateway.subscribe_with(body, &receiver).await;
    let limit = &subscribed.body["delivery"]["rate_limit"];
    assert_eq!(*limit, json!({"per": "1s", "max": 5, "exact": false}));
    for _ in 0..20 {
        gateway.send(event("a.b")).await;
    }
    let receipts = receiver.verified(20).await;
    let took = receipts[19]
        .arrived_at
        .duration_since(receipts[0].arrived_at);
    // Twenty at five a second, of which one may have been saved up.
    assert!(took > Duration::from_millis(3_400), "{took:?}");
}

#[tokio::test]
async fn the_circuit_opens_where_nobody_is_there_and_nothing_is_lost() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::answering([Reply::Reset]).await;
    let schedule = vec!["2s"; 20];
    let body = json!({"event_types": ["*"], "delivery": {"retry_schedule": schedule}});
    gateway.subscribe_with(body, &receiver).await;
    for _ in 0..40 {
        gateway.send(event("a.b")).await;
    }
    receiver.received(20).await;
    hookgate_tests::wait::until("the circuit opens", || async {
        gateway.log().contains("circuit opened").then_some(())
    })
    .await;
    receiver.now_answers([Reply::Status(200)]);
    gateway.settled().await;
    let accepted = receiver
        .receipts()
        .into_iter()
        .filter(hookgate_tests::Receipt::was_accepted);
    let mut ids: Vec<String> = accepted.map(|receipt| receipt.id().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}
