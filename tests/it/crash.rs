//! Nothing that was acknowledged is lost, whoever is killed: the account balances, and repeats
//! come only from where a process died.

use hookgate_tests::account::Party;
use hookgate_tests::{
    Account, Cluster, Durability, Gateway, GatewayOptions, Receiver, Reply, Subscribed, figures,
};
use serde_json::json;

use hookgate_tests::load::Load;

/// What can be in flight or not yet recorded when a process dies: per subscription 16 requests at
/// once, and what was answered since the last flush of outcomes.
const MAX_REPEATS_A_DEATH: usize = 500;

async fn subscribe(gateway: &Gateway, receiver: &Receiver) -> Subscribed {
    let delivery = json!({"retry_schedule": ["1s", "1s", "1s", "2s", "2s", "5s", "5s", "5s"], "timeout": "5s"});
    let body = json!({"event_types": ["load.*"], "delivery": delivery});
    gateway.subscribe_with(body, receiver).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_loses_nothing() {
    let mut gateway = Gateway::fresh().await;
    let steady = Receiver::accepting().await;
    let moody = Receiver::answering([
        Reply::Status(500),
        Reply::Reset,
        Reply::Status(503),
        Reply::Status(200),
    ])
    .await;
    let one = subscribe(&gateway, &steady).await;
    let other = subscribe(&gateway, &moody).await;
    let load = Load::start(&[&gateway], 8);

    for _ in 0..3 {
        load.acknowledges(300).await;
        gateway.kill_9().await;
        gateway.restart().await;
        load.now_at(&[&gateway]);
    }
    load.acknowledges(100).await;
    let acknowledged = load.finish().await;

    for (subscribed, receiver) in [(&one, &steady), (&other, &moody)] {
        let account = balanced(&gateway, (subscribed, receiver)).await;
        account.assert_balanced(&acknowledged, 3 * MAX_REPEATS_A_DEATH);
        assert_eq!(account.ended("delivered"), account.accepted);
    }
    let lost = format!("gateway killed 3 times: 0 of {} lost", acknowledged.len());
    figures::record("R1", lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgres_loses_nothing() {
    let cluster = Cluster::start(Durability::Full).await;
    let database = cluster.fresh_database().await;
    let gateway = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    let subscribed = subscribe(&gateway, &receiver).await;
    let load = Load::start(&[&gateway], 8);

    for _ in 0..2 {
        load.acknowledges(300).await;
        cluster.kill_9().await;
        cluster.start_again().await;
    }
    load.acknowledges(100).await;
    let acknowledged = load.finish().await;

    let account = balanced(&gateway, (&subscribed, &receiver)).await;
    account.assert_balanced(&acknowledged, 2 * MAX_REPEATS_A_DEATH);
    assert_eq!(account.ended("delivered"), account.accepted);
    let lost = format!("Postgres killed twice: 0 of {} lost", acknowledged.len());
    figures::record("R1", lost);
}

/// The account, once nothing is in memory or waiting any more.
async fn balanced(gateway: &Gateway, (subscribed, receiver): (&Subscribed, &Receiver)) -> Account {
    let party = Party {
        subscribed,
        receiver,
    };
    Account::settled(gateway.database(), party).await
}
