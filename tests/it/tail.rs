//! The tail: every event of every node as it comes, none lost to who was away, none shown to who may
//! not see it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hookgate_tests::cli::Cli;
use hookgate_tests::load::Load;
use hookgate_tests::tail::Tail;
use hookgate_tests::{Gateway, GatewayOptions, event, fresh_database};
use serde_json::{Value, json};

use crate::lane_log::plan;
use crate::log_node::count;

async fn two_nodes() -> (Gateway, Gateway) {
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    let other = Gateway::start(GatewayOptions::on(&database)).await;
    (one, other)
}

#[tokio::test]
async fn what_any_node_accepts_is_seen_at_once_with_or_without_its_data() {
    let (one, other) = two_nodes().await;
    let mut plain = Tail::open(one.api(), "").await;
    let mut whole = Tail::open(one.api(), "type=order.*&data=true").await;
    let begun = Instant::now();
    let first = one
        .send(event("invoice.paid").data(&json!({"amount": 1})))
        .await;
    let second = other
        .send(event("order.paid").data(&json!({"amount": 2})))
        .await;
    let seen: BTreeSet<String> = [plain.event().await, plain.event().await]
        .iter()
        .map(|event| {
            assert!(event.get("data").is_none(), "{event}");
            assert_eq!(event["tenant"], "default");
            event["id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(seen, BTreeSet::from([first, second.clone()]));
    let order = whole.event().await;
    assert_eq!(
        (&order["id"], &order["data"]),
        (&json!(second), &json!({"amount": 2}))
    );
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );

    // What is no JSON comes as it can, and what was written over several lines in one.
    other
        .api()
        .post_bytes(
            "/v1/events",
            "application/json",
            "{\"type\": \"order.x\",\n \"data\": [1,\n2]}",
        )
        .await;
    assert_eq!(whole.event().await["data"], json!([1, 2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_goes_on_without_loss_and_each_event_comes_once_over_two_nodes() {
    let (one, other) = two_nodes().await;
    let begin = Tail::open(one.api(), "").await.place().await;
    let load = Load::start(&[&one, &other], 8);
    // Reads a little while they write, at one node and then at the other, and is away in between.
    let (mut seen, mut place) = (Vec::new(), begin.clone());
    for round in 0..12 {
        let gateway = if round % 2 == 0 { &one } else { &other };
        let mut tail = Tail::open_at(gateway.api(), "type=load.*", &place).await;
        for _ in 0..40 {
            seen.push(tail.id().await);
        }
        place = tail.place().await;
    }
    let acknowledged: BTreeSet<String> = load.finish().await.into_iter().collect();
    let mut tail = Tail::open_at(one.api(), "type=load.*", &place).await;
    while !acknowledged.iter().all(|id| seen.contains(id)) {
        seen.push(tail.id().await);
    }
    let known: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(known.len(), seen.len(), "each once");
    // Somebody else comes only now, from where all began.
    let mut late = Tail::open_at(other.api(), "", &begin).await;
    let mut found = BTreeSet::new();
    while found.len() < acknowledged.len() {
        found.insert(late.id().await);
    }
    assert!(found.is_superset(&acknowledged));
    let pool = one.database().pool().await;
    let lanes = count(&pool, "select count(distinct lane) from event").await;
    assert!(lanes >= 2, "{lanes}");
}

#[tokio::test]
async fn a_key_sees_its_tenant_alone_and_no_longer_than_it_is_valid() {
    let (one, other) = two_nodes().await;
    let wish = json!({"role": "viewer", "tenant": "acme"});
    let key = one.api().post("/v1/keys", &wish).await.expect(201);
    let api = one.api().with_key(key["key"].as_str());
    let mut tail = Tail::open(&api, "since=1h").await;
    other.send(event("a.b").with("tenant", "other")).await;
    let mine = other.send(event("a.b").with("tenant", "acme")).await;
    assert_eq!(tail.id().await, mine);
    assert_eq!(api.get("/v1/tail?tenant=other").await.status, 404);
    let id = key["id"].as_str().unwrap();
    other
        .api()
        .delete(&format!("/v1/keys/{id}"))
        .await
        .expect(200);
    let ended = tail.rest().await;
    assert_eq!(
        ended.last().unwrap()["type"],
        "https://hookgate.dev/problems/unknown-key"
    );
}

#[tokio::test]
async fn what_is_gone_is_told_and_a_place_is_read_strictly() {
    let gateway = Gateway::fresh().await;
    let erased = gateway.send(event("a.b").data(&json!("secret"))).await;
    gateway.api().delete(&format!("/v1/events/{erased}")).await;
    let mut tail = Tail::open(gateway.api(), "since=960h&data=true").await;
    let gap = tail.next("gap").await;
    assert!(
        gap["since"].as_str().unwrap() < gap["until"].as_str().unwrap(),
        "{gap}"
    );
    let event = tail.event().await;
    assert_eq!(event["id"], erased);
    assert!(
        event["erased_at"].is_string() && event.get("data").is_none(),
        "{event}"
    );

    let pulled = json!({"event_types": ["*"], "target_url": null});
    let pulled = gateway
        .api()
        .post("/v1/subscriptions", &pulled)
        .await
        .expect(201);
    let pulled = format!(
        "/v1/subscriptions/{}/events",
        pulled["id"].as_str().unwrap()
    );
    let answer = gateway.api().get(&pulled).await.expect(200);
    let foreign = answer["next"].as_str().unwrap();
    for query in [
        &format!("after={foreign}"),
        "after=AAAA",
        "since=soon",
        "type=a*b",
        "data=2",
    ] {
        let refused = gateway.api().get(&format!("/v1/tail?{query}")).await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.text());
    }
    let own = tail.place().await;
    gateway
        .api()
        .get(&format!("{pulled}?after={own}"))
        .await
        .expect(400);
    gateway
        .api()
        .with_key(None)
        .get("/v1/tail")
        .await
        .expect(401);
}

#[tokio::test]
async fn readers_are_bounded_and_a_gateway_that_stops_lets_them_go() {
    let mut gateway = Gateway::fresh().await;
    let mut tails = Vec::new();
    for _ in 0..64 {
        tails.push(Tail::open(gateway.api(), "").await);
    }
    let refused = gateway.api().get("/v1/tail").await;
    assert_eq!(refused.status, 503);
    assert!(
        refused.text().contains("another node"),
        "{}",
        refused.text()
    );
    let first = tails.pop().unwrap();
    drop(first);
    let again = async {
        while gateway
            .api()
            .try_send(gateway.api().request(reqwest::Method::HEAD, "/v1/tail"))
            .await
            .unwrap()
            .status
            == 503
        {}
    };
    tokio::time::timeout(Duration::from_secs(20), again)
        .await
        .expect("one left, so one may come");
    gateway.stop().await;
    for mut tail in tails {
        tail.rest().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_keeps_its_place_and_goes_on_there() {
    let (one, other) = two_nodes().await;
    let cli = Cli::of(&one);
    let first = one.send(event("a.b").data(&json!({"n": 1}))).await;
    let begin = [
        "tail", "--since", "1h", "--place", "here", "--count", "1", "--json", "--data",
    ];
    let printed: Value = serde_json::from_str(&cli.run(&begin).await.good()).unwrap();
    assert_eq!(
        (&printed["id"], &printed["data"]),
        (&json!(first), &json!({"n": 1}))
    );
    let mut sent = Vec::new();
    for number in 0..5 {
        let gateway = if number % 2 == 0 { &one } else { &other };
        sent.push(gateway.send(event("a.b")).await);
    }
    let on = ["tail", "--place", "here", "--count", "5"];
    let printed = cli.run(&on).await.good();
    assert_eq!(printed.lines().count(), 5, "{printed}");
    for id in &sent {
        assert!(
            printed.contains(id.as_str()) && !printed.contains(&first),
            "{printed}"
        );
    }
    let refused = cli.run(&["tail", "--type", "a*b"]).await.refused();
    assert!(refused.contains("type cannot be read"), "{refused}");
}

#[tokio::test]
async fn the_statements_of_the_tail_stay_on_their_indexes() {
    let database = fresh_database().await;
    for (name, statement, parameters) in [
        (
            "tail_all",
            include_str!("../../gateway/queries/tail_all.sql"),
            5,
        ),
        (
            "tail_tenant",
            include_str!("../../gateway/queries/tail_tenant.sql"),
            8,
        ),
    ] {
        let plan = plan(&database, statement, parameters).await;
        assert!(!plan.contains("Seq Scan on event"), "{name}: {plan}");
    }
}
