//! Windows: debouncing delivers one event for many, batching many in one request; each window comes
//! to exactly one delivery, whatever dies, and what was in it says where it went.

use std::collections::HashSet;

use hookgate_tests::wait::until;
use hookgate_tests::{Gateway, GatewayOptions, Receipt, Receiver, Reply, event, fresh_database};
use serde_json::{Value, json};

use crate::log_node::count;

fn debounced(quiet: &str, max_wait: &str, keep: &Value) -> Value {
    json!({"event_types": ["item.*"], "delivery": {"debounce":
        {"quiet": quiet, "max_wait": max_wait, "keep": keep}}})
}

fn batched(batch: &Value) -> Value {
    json!({"event_types": ["item.*"], "delivery": {"batch": batch}})
}

async fn send(gateway: &Gateway, key: &str, data: &Value) -> String {
    gateway
        .send(event("item.changed").with("key", key).data(data))
        .await
}

async fn delivery(gateway: &Gateway, event: &str, subscription: &str) -> Value {
    let path = format!("/v1/deliveries?event={event}&subscription={subscription}");
    let found = gateway.api().get(&path).await.expect(200);
    let id = found["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/deliveries/{id}");
    gateway.api().get(&path).await.expect(200)
}

async fn verified(gateway: &Gateway, delivery: &Value) -> Value {
    let id = delivery["id"].as_str().unwrap();
    let path = format!("/v1/deliveries/{id}/verify");
    gateway.api().get(&path).await.expect(200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_events_with_one_key_the_latest_is_delivered_and_stands_for_the_others() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let wish = debounced("700ms", "20s", &json!("latest"));
    let subscribed = gateway.subscribe_with(wish, &receiver).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        send(&gateway, "other", &json!({ "number": number })).await;
        ids.push(send(&gateway, "a", &json!({ "number": number })).await);
    }
    let receipts = receiver.verified(2).await;
    let bodies: Vec<Value> = receipts.iter().map(Receipt::json).collect();
    assert!(
        bodies
            .iter()
            .all(|body| body["data"] == json!({"number": 4}))
    );
    assert!(bodies.iter().all(|body| body["merged"]["count"] == 5));
    assert_eq!(receipts[0].header("hookgate-merged-count"), Some("5"));
    gateway.settled().await;
    assert_eq!(receiver.count(), 2);

    let last = delivery(&gateway, &ids[4], &subscribed.id).await;
    assert_eq!(last["state"], "delivered");
    assert_eq!(
        last["stands_for"],
        json!({"count": 5, "first": ids[0], "last": ids[4]})
    );
    for id in &ids[..4] {
        let merged = delivery(&gateway, id, &subscribed.id).await;
        assert_eq!(merged["state"], "merged");
        assert_eq!(merged["merged_into"], last["id"]);
    }
    let again = verified(&gateway, &last).await;
    assert_eq!(again["same"], true, "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_closes_at_its_longest_wait_though_events_go_on() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let wish = debounced("1s", "1s", &json!("latest"));
    gateway.subscribe_with(wish, &receiver).await;
    let sent = std::cell::Cell::new(0);
    until("two windows have closed", || async {
        send(&gateway, "a", &json!({ "number": sent.get() })).await;
        sent.set(sent.get() + 1);
        (receiver.count() >= 2).then_some(())
    })
    .await;
    let counts: Vec<u64> = receiver.receipts()[..2]
        .iter()
        .map(|receipt| receipt.json()["merged"]["count"].as_u64().unwrap_or(1))
        .collect();
    assert!(counts.iter().sum::<u64>() <= sent.get());
    assert!(counts[0] > 1, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_folds_the_events_of_a_window_into_one() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let wish = debounced("500ms", "20s", &json!({"fold": "merge-patch"}));
    let subscribed = gateway.subscribe_with(wish, &receiver).await;
    send(&gateway, "a", &json!({"name": "Ann", "city": "Bonn"})).await;
    send(&gateway, "a", &json!({"city": "Kiel"})).await;
    let last = send(&gateway, "a", &json!({"age": 7})).await;
    let receipt = receiver.verified(1).await.remove(0);
    let expected = json!({"name": "Ann", "city": "Kiel", "age": 7});
    assert_eq!(receipt.json()["data"], expected);
    gateway.settled().await;
    let last = delivery(&gateway, &last, &subscribed.id).await;
    let again = verified(&gateway, &last).await;
    assert_eq!(again["same"], true, "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_window_replaces_an_older_one_that_waits_for_a_retry() {
    let options = GatewayOptions::default().set(("HOOKGATE_RETRY_SCHEDULE", "1h"));
    let gateway = Gateway::start(options).await;
    let receiver = Receiver::answering([Reply::Status(500)]).await;
    let wish = debounced("200ms", "5s", &json!("latest"));
    let subscribed = gateway.subscribe_with(wish, &receiver).await;
    let old = send(&gateway, "a", &json!(1)).await;
    receiver.received(1).await;
    receiver.now_answers([Reply::Status(200)]);
    let new = send(&gateway, "a", &json!(2)).await;
    let receipts = receiver.received(2).await;
    assert_eq!(receipts[1].json()["data"], 2);
    assert_eq!(receipts[1].json()["merged"]["count"], 2);
    gateway.settled().await;
    let new = delivery(&gateway, &new, &subscribed.id).await;
    let old = delivery(&gateway, &old, &subscribed.id).await;
    assert_eq!(old["state"], "merged");
    assert_eq!(old["merged_into"], new["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_kill_9_each_window_comes_to_one_delivery_on_two_nodes() {
    const KEYS: usize = 40;
    let database = fresh_database().await;
    let survivor = Gateway::start(GatewayOptions::on(&database)).await;
    let mut victim = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    let wish = debounced("1s", "30s", &json!("latest"));
    survivor.subscribe_with(wish, &receiver).await;
    for number in 0..3 {
        for key in 0..KEYS {
            let gateway = if key % 2 == 0 { &survivor } else { &victim };
            send(
                gateway,
                &format!("k{key}"),
                &json!({ "key": key, "number": number }),
            )
            .await;
        }
    }
    victim.kill_9().await;
    survivor.settled().await;
    // A repeat carries the same id; each key's windows stand for all of its events, once.
    let mut seen = HashSet::new();
    let mut counts = vec![0; KEYS];
    for receipt in receiver.receipts() {
        let body = receipt.json();
        if seen.insert(receipt.id().to_owned()) {
            let key = usize::try_from(body["data"]["key"].as_u64().unwrap()).unwrap();
            counts[key] += body["merged"]["count"].as_u64().unwrap_or(1);
        }
    }
    assert!(counts.iter().all(|count| *count == 3), "{counts:?}");
    let pool = database.pool().await;
    assert_eq!(count(&pool, "select count(*) from pending_key").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_signed_request_and_its_retry_is_the_same() {
    let options = GatewayOptions::default().set(("HOOKGATE_RETRY_SCHEDULE", "1s"));
    let gateway = Gateway::start(options).await;
    let receiver = Receiver::answering([Reply::Status(500), Reply::Status(200)]).await;
    let wish = batched(&json!({"max_events": 4, "max_wait": "1m", "max_bytes": 4096}));
    let subscribed = gateway.subscribe_with(wish, &receiver).await;
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(send(&gateway, "a", &json!({ "number": number })).await);
    }
    let receipts = receiver.verified(2).await;
    assert_eq!(receipts[0].body, receipts[1].body);
    assert_eq!(receipts[0].id(), receipts[1].id());
    let items = receipts[1].json()["items"].as_array().unwrap().clone();
    let came: Vec<&str> = items
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(came, ids);
    gateway.settled().await;
    assert_eq!(receiver.count(), 2);
    let last = delivery(&gateway, &ids[3], &subscribed.id).await;
    assert_eq!(
        (
            last["state"].as_str(),
            last["attempts"].as_array().unwrap().len()
        ),
        (Some("delivered"), 2)
    );
    assert!(receipts[0].id().starts_with(last["id"].as_str().unwrap()));
    let first = delivery(&gateway, &ids[0], &subscribed.id).await;
    assert_eq!(first["merged_into"], last["id"]);
    let again = verified(&gateway, &last).await;
    assert_eq!(again["same"], true, "{again}");

    // Asked for again, it is the same batch with the same id; without one of its events it says so.
    let path = format!("/v1/deliveries/{}/retry", last["id"].as_str().unwrap());
    gateway.api().post(&path, &json!({})).await.expect(202);
    let receipts = receiver.received(3).await;
    assert_eq!(
        (receipts[2].id(), &receipts[2].body),
        (receipts[0].id(), &receipts[0].body)
    );
    gateway.settled().await;
    let erased = gateway
        .api()
        .delete(&format!("/v1/events/{}", ids[1]))
        .await;
    assert!(erased.status < 300, "{}", erased.text());
    let path = format!("/v1/deliveries/{}/verify", last["id"].as_str().unwrap());
    let refused = gateway.api().get(&path).await;
    assert_eq!(refused.status, 409);
    assert!(
        refused.text().contains("1 of its 4 events"),
        "{}",
        refused.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_cut_by_count_bytes_and_age() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let wish = batched(&json!({"max_events": 3, "max_wait": "500ms", "max_bytes": 1024}));
    gateway.subscribe_with(wish, &receiver).await;
    let events = |count: usize, bytes: usize| {
        let data = json!("x".repeat(bytes));
        let events = (0..count).map(|_| event("item.changed").data(&data).to_body());
        format!("[{}]", events.collect::<Vec<_>>().join(","))
    };
    let api = gateway.api();
    let send = |body: String| async move {
        let sent = api
            .post_bytes("/v1/events/batch", "application/json", body)
            .await;
        sent.expect(202);
    };
    let sizes = |skipped: usize| -> Vec<usize> {
        let receipts = receiver.receipts();
        let items = receipts[skipped..].iter();
        let mut sizes: Vec<usize> = items
            .map(|receipt| receipt.json()["items"].as_array().unwrap().len())
            .collect();
        sizes.sort_unstable();
        sizes
    };
    send(events(7, 10)).await;
    receiver.verified(3).await;
    assert_eq!(sizes(0), [1, 3, 3]);
    send(events(4, 600)).await;
    receiver.verified(7).await;
    assert_eq!(sizes(3), [1, 1, 1, 1]);
    send(events(2, 10)).await;
    receiver.verified(8).await;
    assert_eq!(sizes(7), [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contradicting_policies_are_refused_together_with_the_reason() {
    let gateway = Gateway::fresh().await;
    let body = json!({"event_types": ["a.b"], "target_url": "http://127.0.0.1:9/", "delivery": {
        "ordering": "key", "format": "raw",
        "debounce": {"quiet": "1s", "max_wait": "5s"}, "batch": {"max_events": 5}}});
    let refused = gateway.api().post("/v1/subscriptions", &body).await;
    assert_eq!(refused.status, 422);
    let errors = refused.json()["errors"].as_array().unwrap().clone();
    let places: Vec<&str> = errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "#/delivery/debounce",
            "#/delivery/batch",
            "#/delivery/batch",
            "#/delivery/batch"
        ]
    );
}
