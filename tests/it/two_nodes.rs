//! Two gateways on one database share the work without a repeat, and without a loss when one dies.

use hookgate_tests::account::Party;
use hookgate_tests::{Account, Gateway, GatewayOptions, Receiver, event, fresh_database};
use serde_json::json;

use hookgate_tests::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_deliver_each_event_once() {
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    let other = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    let subscribed = one.subscribe("load.*", &receiver).await;

    let load = Load::start(&[&one, &other], 8);
    load.acknowledges(600).await;
    let acknowledged = load.finish().await;

    let account = Account::settled(
        &database,
        Party {
            subscribed: &subscribed,
            receiver: &receiver,
        },
    )
    .await;
    account.assert_balanced(&acknowledged, 0);
    assert_eq!(account.ended("delivered"), acknowledged.len());
    assert_eq!(account.ended_twice, 0);
}

#[tokio::test]
async fn what_one_node_was_told_the_other_one_does() {
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    let other = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;

    for round in 1..=10 {
        let subscribed = one.subscribe("invoice.*", &receiver).await;
        other.send(event("invoice.paid")).await;
        receiver.verified(round).await;
        let path = format!("/v1/subscriptions/{}", subscribed.id);
        let answer = other.api().delete(&path).await;
        assert!(answer.status < 300, "{}", answer.text());
        one.send(event("invoice.paid")).await;
        one.settled().await;
        assert_eq!(
            receiver.count(),
            round,
            "a deleted subscription gets nothing"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_survivor_takes_over_from_a_killed_node() {
    let database = fresh_database().await;
    let survivor = Gateway::start(GatewayOptions::on(&database)).await;
    let mut victim = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    let body =
        json!({"event_types": ["load.*"], "delivery": {"retry_schedule": ["1s", "2s", "5s"]}});
    let subscribed = survivor.subscribe_with(body, &receiver).await;

    let load = Load::start(&[&survivor, &victim], 8);
    load.acknowledges(400).await;
    victim.kill_9().await;
    load.now_at(&[&survivor]);
    load.acknowledges(200).await;
    let acknowledged = load.finish().await;

    let account = Account::settled(
        &database,
        Party {
            subscribed: &subscribed,
            receiver: &receiver,
        },
    )
    .await;
    account.assert_balanced(&acknowledged, 500);
    assert_eq!(account.ended("delivered"), account.accepted);
}
