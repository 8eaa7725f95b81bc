//! The harness itself: what every other test trusts.

use std::time::Duration;

use hookgate_tests::{Cluster, Durability, Receiver, Reply, fresh_database};

#[tokio::test]
async fn each_test_has_a_migrated_database_of_its_own() {
    let (one, other) = tokio::join!(fresh_database(), fresh_database());
    assert_ne!(one.url, other.url);

    let lanes: i64 = sqlx::query_scalar("select count(*) from lane")
        .fetch_one(&one.pool().await)
        .await
        .unwrap();

    assert_eq!(lanes, 256);
}

#[tokio::test]
async fn a_durable_cluster_keeps_what_was_committed_before_it_was_killed() {
    let cluster = Cluster::start(Durability::Full).await;
    let database = cluster.fresh_database().await;
    let pool = database.pool().await;
    sqlx::query("create table kept as select 7 as seven")
        .execute(&pool)
        .await
        .unwrap();

    cluster.kill_9().await;
    cluster.start_again().await;

    let seven: i32 = sqlx::query_scalar("select seven from kept")
        .fetch_one(&database.pool_when_up().await)
        .await
        .unwrap();
    assert_eq!(seven, 7);
}

#[tokio::test]
async fn a_receiver_answers_by_its_script_and_keeps_the_bytes() {
    let receiver = Receiver::answering([
        Reply::Status(500),
        Reply::RetryAfter(429, Duration::from_secs(3)),
        Reply::Reset,
        Reply::Status(204),
    ])
    .await;
    let api = hookgate_tests::Api::new(&receiver.url(""), None);
    let post = || async {
        let request = api.request(reqwest::Method::POST, "/hooks/9");
        let answer = api.try_send(request.body("{ \"a\" :1}")).await.ok();
        answer.map(|answer| (answer.status, answer.headers.get("retry-after").cloned()))
    };

    assert_eq!(post().await, Some((500, None)));
    assert_eq!(post().await, Some((429, Some("3".parse().unwrap()))));
    assert_eq!(post().await, None);
    assert_eq!(post().await, Some((204, None)));
    assert_eq!(post().await, Some((204, None)));

    let receipts = receiver.received(5).await;
    assert!(receipts.iter().all(|receipt| receipt.body == "{ \"a\" :1}"));
    assert_eq!(receipts[0].path, "/hooks/9");
}
