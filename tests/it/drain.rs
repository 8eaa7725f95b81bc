//! How a node leaves: it says so first, takes nothing after that, finishes what it has, and is gone
//! within a time that supervisors can count on.

use std::time::{Duration, Instant};

use hookgate_tests::account::Party;
use hookgate_tests::load::Load;
use hookgate_tests::{
    Account, Gateway, GatewayOptions, Receiver, Reply, event, figures, fresh_database, wait,
};
use serde_json::json;

/// From SIGTERM to the end, without the delay that is set.
const WITHIN: Duration = Duration::from_secs(25);

#[tokio::test]
async fn a_node_serves_on_while_the_balancer_learns_that_it_is_not_ready() {
    let options = GatewayOptions::default().set(("HOOKGATE_DRAIN_DELAY", "3s"));
    let mut gateway = Gateway::start(options).await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("*", &receiver).await;

    let asked_at = Instant::now();
    gateway.ask_to_stop().await;
    let answer = wait::until("it says that it is not ready", || async {
        let answer = gateway.api().get("/readyz?verbose").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert!(asked_at.elapsed() < Duration::from_secs(2));
    assert_eq!(answer.json()["running"], false);
    assert_eq!(gateway.api().get("/livez").await.status, 200);
    let sent = gateway
        .api()
        .post("/v1/events", &json!({"type": "a.b", "data": 1}))
        .await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    assert_eq!(
        sent.headers["connection"], "close",
        "the next goes to another node"
    );
    receiver.verified(1).await;
    gateway.gone().await;
    assert!(asked_at.elapsed() >= Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_nothing_and_repeats_nothing() {
    let database = fresh_database().await;
    let mut leaving = Gateway::start(GatewayOptions::on(&database)).await;
    // Answers in time, but not at once.
    let receiver = Receiver::answering([Reply::Slow(Duration::from_millis(300))]).await;
    let subscribed = leaving.subscribe("load.*", &receiver).await;
    let load = Load::start(&[&leaving], 4);
    load.acknowledges(200).await;
    receiver.received(1).await;

    let asked_at = Instant::now();
    leaving.ask_to_stop().await;
    leaving.gone().await;
    let took = asked_at.elapsed();
    let acknowledged = load.finish().await;
    assert!(took < WITHIN, "{took:?}");

    let next = Gateway::start(GatewayOptions::on(&database)).await;
    let party = Party {
        subscribed: &subscribed,
        receiver: &receiver,
    };
    let account = Account::settled(next.database(), party).await;
    account.assert_balanced(&acknowledged, 0);
    assert_eq!(account.ended_twice, 0);
    assert_eq!(account.ended("delivered"), account.accepted);
    figures::record(
        "O4",
        format!(
            "SIGTERM under load: gone after {:.1} s, 0 of {} lost, 0 repeats",
            took.as_secs_f64(),
            acknowledged.len()
        ),
    );
}

#[tokio::test]
async fn a_receiver_that_never_answers_does_not_hold_up_the_end() {
    let database = fresh_database().await;
    let mut leaving = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::answering([Reply::Hang]).await;
    let subscribed = leaving.subscribe("*", &receiver).await;
    let id = leaving.send(event("a.b")).await;
    receiver.received(1).await;

    let asked_at = Instant::now();
    leaving.ask_to_stop().await;
    leaving.gone().await;
    assert!(asked_at.elapsed() < WITHIN, "{:?}", asked_at.elapsed());

    receiver.now_answers([Reply::Status(200)]);
    let next = Gateway::start(GatewayOptions::on(&database)).await;
    next.delivery_in((&id, &subscribed), "delivered").await;
    let receipts = receiver.verified(2).await;
    assert_eq!(
        receipts[0].id(),
        receipts[1].id(),
        "the same delivery once more"
    );
}
