//! Events that are fetched: the same as those that are delivered, none lost over lanes and nodes, and
//! what is too late is told.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hookgate_tests::load::Load;
use hookgate_tests::{Api, Gateway, GatewayOptions, Receiver, event, fresh_database};
use serde_json::{Value, json};

use crate::lane_log::plan;
use crate::log_node::count;

/// A subscription that nothing is delivered to.
async fn pulled(gateway: &Gateway, types: &str) -> String {
    let wish = json!({"event_types": [types], "target_url": null});
    let made = gateway
        .api()
        .post("/v1/subscriptions", &wish)
        .await
        .expect(201);
    made["id"].as_str().unwrap().to_owned()
}

async fn fetch(api: &Api, id: &str, query: &str) -> Value {
    let path = format!("/v1/subscriptions/{id}/events?{query}");
    api.get(&path).await.expect(200)
}

fn next(answer: &Value) -> String {
    format!("after={}", answer["next"].as_str().unwrap())
}

#[tokio::test]
async fn what_is_fetched_is_what_is_delivered() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let wish = json!({
        "event_types": ["invoice.*"],
        "filters": [{"data": {"pointer": "/amount", "gte": 100}}],
        "plugins": [{"name": "skinny", "config": {"keep": ["/id"]}}],
    });
    let subscribed = gateway.subscribe_with(wish, &receiver).await;
    for amount in [99, 100, 250] {
        let data = json!({"id": amount, "amount": amount, "more": "x".repeat(300)});
        gateway.send(event("invoice.paid").data(&data)).await;
        gateway.send(event("order.paid").data(&data)).await;
    }
    receiver.verified(2).await;
    gateway.settled().await;

    let answer = fetch(gateway.api(), &subscribed.id, "").await;
    let events = answer["data"].as_array().unwrap();
    assert_eq!(events.len(), 2, "{answer}");
    for (event, receipt) in events.iter().zip(receiver.receipts()) {
        assert_eq!(event["event"]["id"], receipt.json()["id"]);
        assert_eq!(event["delivery"], receipt.id());
        assert_eq!(event["event"]["data"]["id"], receipt.json()["data"]["id"]);
        assert!(event["event"]["data"].get("more").is_none(), "{event}");
    }
    assert_eq!(answer["more"], false);
    let again = fetch(gateway.api(), &subscribed.id, &next(&answer)).await;
    assert_eq!(again["data"], json!([]));
    gateway
        .send(event("invoice.paid").data(&json!({"id": 7, "amount": 700})))
        .await;
    let news = fetch(gateway.api(), &subscribed.id, &next(&again)).await;
    assert_eq!(news["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_delivered_or_kept_for_who_fetches() {
    let gateway = Gateway::fresh().await;
    let id = pulled(&gateway, "*").await;
    let sent = gateway.send(event("a.b")).await;
    let answer = fetch(gateway.api(), &id, "").await;
    assert_eq!(answer["data"][0]["event"]["id"], sent);
    let deliveries = gateway.api().get("/v1/deliveries").await.expect(200);
    assert_eq!(deliveries["data"], json!([]));
    let test = format!("/v1/subscriptions/{id}/test");
    let refused = gateway.api().post(&test, &json!({})).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("no target"));

    // Left out is a mistake, null is a wish; and nobody is there to be asked for consent.
    let without = json!({"event_types": ["*"]});
    gateway
        .api()
        .post("/v1/subscriptions", &without)
        .await
        .expect(422);
    let asks = json!({"event_types": ["*"], "target_url": null, "verification": "echo"});
    let refused = gateway
        .api()
        .post("/v1/subscriptions", &asks)
        .await
        .expect(422);
    assert!(refused.to_string().contains("#/verification"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_catches_up_without_loss_over_two_nodes() {
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    let other = Gateway::start(GatewayOptions::on(&database)).await;
    let id = pulled(&one, "load.*").await;
    let load = Load::start(&[&one, &other], 8);
    // Reads while they write, in turn at both nodes: what commits late must not be passed over.
    let (mut seen, mut query) = (Vec::new(), String::new());
    let mut round = 0;
    while seen.len() < 600 {
        round += 1;
        let gateway = if round % 2 == 0 { &one } else { &other };
        let answer = fetch(gateway.api(), &id, &format!("limit=7&wait=1&{query}")).await;
        seen.extend(ids(&answer));
        query = next(&answer);
    }
    let acknowledged = load.finish().await;
    seen.extend(rest(&one, &id, query).await);
    let expected: BTreeSet<String> = acknowledged.into_iter().collect();
    let known: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(known.len(), seen.len(), "each once");
    let lost: Vec<_> = expected.difference(&known).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    // Another reader comes only now, and gets all of it.
    let late: BTreeSet<String> = rest(&other, &id, String::new()).await.into_iter().collect();
    assert_eq!(late, known);
    let lanes = "select count(distinct lane) from event";
    let lanes = count(&database.pool().await, lanes).await;
    assert!(lanes >= 2, "{lanes}");
}

fn ids(answer: &Value) -> Vec<String> {
    let events = answer["data"].as_array().unwrap().iter();
    events
        .map(|event| event["event"]["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Everything that is left.
async fn rest(gateway: &Gateway, id: &str, mut query: String) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let answer = fetch(gateway.api(), id, &format!("limit=200&{query}")).await;
        seen.extend(ids(&answer));
        query = next(&answer);
        if answer["more"] == false {
            return seen;
        }
    }
}

#[tokio::test]
async fn who_waits_is_answered_when_an_event_comes_on_any_node() {
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    let other = Gateway::start(GatewayOptions::on(&database)).await;
    let id = pulled(&one, "a.*").await;
    for sender in [&one, &other] {
        let begin = fetch(one.api(), &id, "").await;
        let begin = if begin["data"] == json!([]) {
            begin
        } else {
            fetch(one.api(), &id, &next(&begin)).await
        };
        let begun = Instant::now();
        let waiting = format!("wait=30&{}", next(&begin));
        let sends = async {
            // Not what the reader waits for.
            sender.send(event("b.a")).await;
            sender.send(event("a.b")).await
        };
        let (answer, sent) = tokio::join!(fetch(one.api(), &id, &waiting), sends);
        assert_eq!(ids(&answer), [sent]);
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn who_comes_too_late_is_told_and_a_cursor_opens_one_subscription() {
    let gateway = Gateway::fresh().await;
    let id = pulled(&gateway, "*").await;
    let erased = gateway.send(event("a.b")).await;
    gateway.api().delete(&format!("/v1/events/{erased}")).await;
    let kept = gateway.send(event("a.b")).await;
    let answer = fetch(gateway.api(), &id, "").await;
    assert!(answer.get("gap").is_none());
    assert_eq!(answer["erased"], 1);
    assert_eq!(ids(&answer), [kept]);

    let pool = gateway.database().pool().await;
    sqlx::raw_sql("update subscription set created_at = now() - interval '40 days'")
        .execute(&pool)
        .await
        .unwrap();
    let late = fetch(gateway.api(), &id, "").await;
    let gap = &late["gap"];
    assert!(
        gap["since"].as_str().unwrap() < gap["until"].as_str().unwrap(),
        "{late}"
    );
    let on = fetch(gateway.api(), &id, &next(&late)).await;
    assert!(on.get("gap").is_none(), "told once: {on}");

    let foreign = pulled(&gateway, "*").await;
    for (id, query) in [(&foreign, next(&answer)), (&id, "after=AAAA".to_owned())] {
        let path = format!("/v1/subscriptions/{id}/events?{query}");
        gateway.api().get(&path).await.expect(400);
    }
    let path = format!("/v1/subscriptions/{id}/events");
    gateway.api().with_key(None).get(&path).await.expect(401);
}

#[tokio::test]
async fn the_statements_of_readers_stay_on_their_indexes() {
    let database = fresh_database().await;
    for (name, statement, parameters) in [
        (
            "pull_lanes",
            include_str!("../../gateway/queries/pull_lanes.sql"),
            3,
        ),
        (
            "pull_events",
            include_str!("../../gateway/queries/pull_events.sql"),
            7,
        ),
        (
            "newest_in_lanes",
            include_str!("../../gateway/queries/newest_in_lanes.sql"),
            1,
        ),
    ] {
        let plan = plan(&database, statement, parameters).await;
        assert!(!plan.contains("Seq Scan on event"), "{name}: {plan}");
    }
}
