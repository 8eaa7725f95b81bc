//! Ordering: what was acknowledged before something else was sent is delivered before it, on any
//! node, over crashes; and a key that is blocked holds up no other.

use std::collections::HashMap;
use std::time::Instant;

use hookgate_tests::wait::until;
use hookgate_tests::{Gateway, GatewayOptions, Receipt, Receiver, Reply, event, fresh_database};
use reqwest::Method;
use serde_json::{Value, json};

fn ordered(ordering: &str) -> Value {
    json!({"event_types": ["item.*"], "delivery": {"ordering": ordering, "max_in_flight": 64}})
}

/// Sends numbered events of some keys, of each key the next one only when the last one is
/// acknowledged; a request without an answer is made again with the same id.
async fn publish(gateways: &[&Gateway], keys: usize, numbers: std::ops::Range<usize>) {
    let senders = (0..keys).map(|key| {
        let numbers = numbers.clone();
        async move {
            for number in numbers {
                let event = event("item.changed")
                    .with("key", format!("k{key}"))
                    .with("id", format!("{key}-{number}"))
                    .data(&json!({"key": key, "number": number}));
                let mut turn = key + number;
                until("the event is acknowledged", || {
                    turn += 1;
                    let gateway = gateways[turn % gateways.len()];
                    let body = event.to_body();
                    async move {
                        let api = gateway.api();
                        let request = api.request(Method::POST, "/v1/events");
                        let request = request.header("content-type", "application/json");
                        let answer = api.try_send(request.body(body)).await.ok()?;
                        (answer.status < 300).then_some(())
                    }
                })
                .await;
            }
        }
    });
    futures_util::future::join_all(senders).await;
}

/// The first successful delivery of each event, in the order in which they arrived, by key.
fn arrivals(receiver: &Receiver) -> HashMap<u64, Vec<u64>> {
    let mut by_key: HashMap<u64, Vec<u64>> = HashMap::new();
    for receipt in receiver.receipts() {
        if !receipt.was_accepted() {
            continue;
        }
        let data = &receipt.json()["data"];
        let numbers = by_key.entry(data["key"].as_u64().unwrap()).or_default();
        let number = data["number"].as_u64().unwrap();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    by_key
}

async fn all_arrive(receiver: &Receiver, keys: usize, of_each: usize) -> HashMap<u64, Vec<u64>> {
    until("every event arrives", || async {
        let by_key = arrivals(receiver);
        let count: usize = by_key.values().map(Vec::len).sum();
        (count == keys * of_each).then_some(by_key)
    })
    .await
}

fn assert_in_order(by_key: &HashMap<u64, Vec<u64>>) {
    for (key, numbers) in by_key {
        assert!(numbers.is_sorted(), "key {key}: {numbers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_key_is_delivered_in_order_on_two_nodes_though_deliveries_fail() {
    let database = fresh_database().await;
    let options = || GatewayOptions::on(&database).set(("HOOKGATE_RETRY_SCHEDULE", "1s,1s,1s,1s"));
    let one = Gateway::start(options()).await;
    let other = Gateway::start(options()).await;
    let fails = |number: usize| if number % 17 == 3 { 500 } else { 200 };
    let receiver = Receiver::answering((0..400).map(fails).map(Reply::Status)).await;
    one.subscribe_with(ordered("key"), &receiver).await;
    publish(&[&one, &other], 20, 0..15).await;
    let by_key = all_arrive(&receiver, 20, 15).await;
    assert_in_order(&by_key);

    // The numbers that receivers are told grow along each order.
    let mut last: HashMap<u64, String> = HashMap::new();
    for receipt in receiver.receipts().iter().filter(|one| one.was_accepted()) {
        let body = receipt.json();
        let sequence = body["sequence"].as_str().unwrap().to_owned();
        let key = body["data"]["key"].as_u64().unwrap();
        if let Some(before) = last.insert(key, sequence.clone()) {
            assert!(before <= sequence, "{before} came before {sequence}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_holds_over_kill_9() {
    let database = fresh_database().await;
    let survivor = Gateway::start(GatewayOptions::on(&database)).await;
    let mut victim = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    survivor.subscribe_with(ordered("key"), &receiver).await;
    publish(&[&survivor, &victim], 20, 0..10).await;
    victim.kill_9().await;
    publish(&[&survivor], 20, 10..20).await;
    let by_key = all_arrive(&receiver, 20, 20).await;
    assert_in_order(&by_key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_order_is_one_order_for_all() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe_with(ordered("strict"), &receiver).await;
    let mut ids = Vec::new();
    for number in 0..60 {
        let event = event("item.changed").data(&json!({"number": number}));
        ids.push(gateway.send(event).await);
    }
    let receipts = receiver.received(ids.len()).await;
    let numbers: Vec<u64> = receipts
        .iter()
        .map(|receipt| receipt.json()["data"]["number"].as_u64().unwrap())
        .collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_key_holds_up_no_other_and_goes_on_when_it_is_cancelled() {
    let options = GatewayOptions::default().set(("HOOKGATE_RETRY_SCHEDULE", "1h"));
    let gateway = Gateway::start(options).await;
    let receiver = Receiver::answering([Reply::Status(500)]).await;
    let subscribed = gateway.subscribe_with(ordered("key"), &receiver).await;
    let send = |key: &'static str, number: u64| {
        gateway.send(
            event("item.changed")
                .with("key", key)
                .data(&json!({"key": key, "number": number})),
        )
    };
    let blocked = send("blocked", 0).await;
    receiver.received(1).await;
    receiver.now_answers([Reply::Status(200)]);
    send("blocked", 1).await;
    for number in 0..20 {
        send("free", number).await;
    }
    receiver.received(21).await;
    let keys: Vec<Value> = receiver.receipts()[1..]
        .iter()
        .map(|receipt| receipt.json()["data"]["key"].clone())
        .collect();
    assert!(keys.iter().all(|key| key == "free"), "{keys:?}");

    let deliveries = gateway
        .api()
        .get(&format!(
            "/v1/deliveries?event={blocked}&subscription={}",
            subscribed.id
        ))
        .await
        .expect(200);
    let id = deliveries["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/deliveries/{id}/cancel");
    gateway.api().post(&path, &json!({})).await.expect(200);
    let receipts = receiver.received(22).await;
    assert_eq!(
        receipts[21].json()["data"],
        json!({"key": "blocked", "number": 1})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_blocked_decides_how_long_the_first_holds_up_the_others() {
    let options = GatewayOptions::default().set(("HOOKGATE_RETRY_SCHEDULE", "4s"));
    let gateway = Gateway::start(options).await;
    let subscribe = |until: &'static str, answers: Vec<Reply>| {
        let gateway = &gateway;
        async move {
            let receiver = Receiver::answering(answers).await;
            let mut wish = ordered("key");
            wish["event_types"] = json!([format!("item.{until}")]);
            wish["delivery"]["on_blocked"] = json!({ "until": until });
            gateway.subscribe_with(wish, &receiver).await;
            for number in 0..2 {
                let event = event(&format!("item.{until}")).with("key", "a");
                gateway.send(event.data(&json!({ "number": number }))).await;
            }
            receiver
        }
    };
    let refuse = |count: usize| {
        let mut answers = vec![Reply::Status(500); count];
        answers.push(Reply::Status(200));
        answers
    };
    let timed = subscribe("1s", refuse(1)).await;
    let kept = subscribe("success", refuse(2)).await;
    let numbers = |receipts: Vec<Receipt>| -> Vec<u64> {
        let numbers = receipts.iter();
        numbers
            .map(|receipt| receipt.json()["data"]["number"].as_u64().unwrap())
            .collect()
    };
    // After its second the other passes it by, and it is tried again all the same.
    assert_eq!(numbers(timed.received(3).await), [0, 1, 0]);
    // Its schedule is used up after two attempts; it is tried on until it is delivered.
    assert_eq!(numbers(kept.received(4).await), [0, 0, 0, 1]);
}

/// The rate with ten thousand keys beside the unordered one, in one run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_keys_are_delivered_about_as_fast_as_without_order() {
    const EVENTS: usize = 10_000;
    let gateway = Gateway::fresh().await;
    let mut rates = Vec::new();
    for ordering in ["none", "key", "none", "key"] {
        let receiver = Receiver::accepting().await;
        let mut wish = ordered(ordering);
        wish["delivery"]["max_in_flight"] = json!(256);
        let subscribed = gateway.subscribe_with(wish, &receiver).await;
        let begun = Instant::now();
        let batches: Vec<String> = (0..EVENTS / 500)
            .map(|batch| {
                let events = (0..500).map(|index| {
                    let key = batch * 500 + index;
                    event("item.changed")
                        .with("key", format!("k{key}"))
                        .to_body()
                });
                format!("[{}]", events.collect::<Vec<_>>().join(","))
            })
            .collect();
        for batch in batches {
            let api = gateway.api();
            let sent = api.post_bytes("/v1/events/batch", "application/json", batch);
            sent.await.expect(202);
        }
        until("all are delivered", || async {
            (receiver.count() >= EVENTS).then_some(())
        })
        .await;
        rates.push(EVENTS as f64 / begun.elapsed().as_secs_f64());
        let path = format!("/v1/subscriptions/{}", subscribed.id);
        gateway.api().delete(&path).await;
    }
    let ratio = (rates[1] + rates[3]) / (rates[0] + rates[2]);
    println!("deliveries/s without and with order: {rates:.0?}, ratio {ratio:.2}");
    // One after the other over all keys would be a hundredth; how fast it is, a benchmark tells.
    assert!(ratio > 0.2, "{rates:?}");
}
