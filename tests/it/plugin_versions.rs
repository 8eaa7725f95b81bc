//! Versions side by side: canaries, the way back, pauses of versions that keep failing, and what is
//! seen of them.

use std::path::Path;

use hookgate_tests::bench;
use hookgate_tests::component::{component, stamping, stamping_all};
use hookgate_tests::{
    Answer, Gateway, GatewayOptions, Receipt, Receiver, Subscribed, event, fresh_database, wait,
};
use serde_json::{Value, json};

async fn push(gateway: &Gateway, name: &str, query: &str, component: bytes::Bytes) -> Value {
    let path = format!("/v1/plugins/{name}{query}");
    let api = gateway.api();
    let answer = api.put_bytes(&path, "application/wasm", component).await;
    assert!(answer.status < 300, "{}", answer.text());
    answer.json()
}

async fn activate(gateway: &Gateway, body: &Value) -> Answer {
    let path = "/v1/plugins/stamp/activate";
    gateway.api().post(path, body).await
}

async fn plugin(gateway: &Gateway) -> Value {
    gateway.api().get("/v1/plugins/stamp").await.expect(200)
}

async fn subscribe(gateway: &Gateway, receiver: &Receiver) -> Subscribed {
    let body = json!({"event_types": ["a.b"], "plugins": [{"name": "stamp"}]});
    gateway.subscribe_with(body, receiver).await
}

async fn send_many(gateway: &Gateway, count: usize, data: &Value) {
    let events: Vec<Value> = (0..count)
        .map(|_| json!({"type": "a.b", "data": data}))
        .collect();
    let api = gateway.api();
    api.post("/v1/events/batch", &events).await.expect(202);
}

fn stamped(receipts: &[Receipt], stamp: u8) -> usize {
    let data = format!("{{\"stamp\":{stamp}}}");
    let receipts = receipts.iter();
    receipts.filter(|receipt| receipt.data() == data).count()
}

#[tokio::test]
async fn a_canary_gets_its_share_and_a_rollback_ends_it() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    push(&gateway, "stamp", "", stamping(1)).await;
    let second = push(&gateway, "stamp", "?activate=false", stamping(2)).await;
    subscribe(&gateway, &receiver).await;

    let canary = json!({"digest": second["digest"], "share": 0.3});
    let answer = activate(&gateway, &canary).await.expect(200);
    assert_eq!(answer["version"], 2);
    assert_eq!(answer["active_version"], 1);
    assert_eq!(answer["share"], 0.3);
    send_many(&gateway, 400, &json!(1)).await;
    let receipts = receiver.verified(400).await;
    let (first, second) = (stamped(&receipts, 1), stamped(&receipts, 2));
    assert_eq!(first + second, 400);
    // 120 are expected; six standard deviations to each side.
    assert!((65..=175).contains(&second), "{second}");

    gateway.settled().await;
    let seen = plugin(&gateway).await;
    assert_eq!(seen["canary_version"], 2);
    let of = |number: usize| &seen["versions"][2 - number];
    assert_eq!(of(2)["share"], 0.3);
    assert_eq!(of(1)["share"], 0.7);
    assert_eq!(of(2)["usage"]["calls"]["ok"], second, "{seen}");
    assert_eq!(of(1)["usage"]["calls"]["ok"], first);
    assert!(of(2)["usage"]["cpu_seconds"].as_f64().unwrap() > 0.0);
    let metrics = gateway.api().get("/metrics").await.text();
    let line = format!(
        "hookgate_plugin_calls_total{{plugin=\"stamp\",version=\"2\",result=\"ok\"}} {second}"
    );
    assert!(metrics.contains(&line), "{metrics}");
    let share = "hookgate_plugin_share_ratio{plugin=\"stamp\",version=\"2\"} 0.3";
    assert!(metrics.contains(share), "{metrics}");

    let back = activate(&gateway, &json!({"rollback": true})).await;
    assert_eq!(back.expect(200)["version"], 1);
    send_many(&gateway, 50, &json!(1)).await;
    let receipts = receiver.verified(450).await;
    assert_eq!(stamped(&receipts, 2), second, "the canary is over");
}

#[tokio::test]
async fn every_attempt_names_the_version_that_it_ran() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let first = push(&gateway, "stamp", "", stamping(1)).await;
    let second = push(&gateway, "stamp", "?activate=false", stamping(2)).await;
    let subscribed = subscribe(&gateway, &receiver).await;
    let canary = json!({"version": 2, "share": 0.5});
    activate(&gateway, &canary).await.expect(200);
    for _ in 0..20 {
        let id = gateway.send(event("a.b").data(&json!(1))).await;
        let delivery = gateway.delivery_in((&id, &subscribed), "delivered").await;
        let receipts = receiver.receipts();
        let is_of = |receipt: &&Receipt| receipt.id().contains(id.trim_start_matches("evt_"));
        let receipt = receipts.iter().find(is_of).expect("it was delivered");
        let ran = if receipt.data() == "{\"stamp\":1}" {
            &first
        } else {
            &second
        };
        let named = &delivery["attempts"][0]["plugins"][0]["digest"];
        assert_eq!(*named, ran["digest"], "{delivery}");
    }
}

#[tokio::test]
async fn a_rollback_goes_one_step_back_and_no_further_than_there_is() {
    let gateway = Gateway::fresh().await;
    push(&gateway, "stamp", "", stamping(1)).await;
    let nothing = activate(&gateway, &json!({"rollback": true})).await;
    assert_eq!(nothing.status, 409, "{}", nothing.text());

    push(&gateway, "stamp", "", stamping(2)).await;
    let back = activate(&gateway, &json!({"rollback": true}))
        .await
        .expect(200);
    assert_eq!(
        (&back["version"], &back["previous_version"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(plugin(&gateway).await["active_version"], 1);

    for (body, status) in [
        (json!({"version": 1, "rollback": true}), 422),
        (json!({"rollback": true, "share": 0.5}), 422),
        (json!({"version": 1, "share": 0}), 422),
        (json!({"version": 2, "share": 1.5}), 422),
        (json!({}), 422),
        (json!({"version": 9, "share": 0.5}), 404),
        // No canary of the version that has all the rest.
        (json!({"version": 1, "share": 0.5}), 409),
    ] {
        let answer = activate(&gateway, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    let whole = activate(&gateway, &json!({"version": 2, "share": 1.0})).await;
    assert_eq!(whole.expect(200)["active_version"], 2);
}

#[tokio::test]
async fn a_version_that_keeps_failing_is_paused_told_and_resumed_by_its_successor() {
    let gateway = Gateway::fresh().await;
    let (slimmed, told) = (Receiver::accepting().await, Receiver::accepting().await);
    push(&gateway, "stamp", "", stamping(1)).await;
    let subscribed = subscribe(&gateway, &slimmed).await;
    gateway.subscribe("hookgate.plugin.paused", &told).await;

    send_many(&gateway, 10, &json!(2)).await;
    let failed = told.verified(1).await.remove(0);
    let failed: Value = serde_json::from_str(&failed.data()).unwrap();
    assert_eq!(failed["plugin"], "stamp", "{failed}");
    assert_eq!(failed["version"], 1);
    assert_eq!(failed["last_failure"]["kind"], "trap");
    assert_eq!(failed["subscriptions"], json!([subscribed.id]));

    // A good event waits as well: the version is not asked any more.
    let good = gateway.send(event("a.b").data(&json!(1))).await;
    let waiting = wait::until("the good event is parked", || async {
        let delivery = gateway.delivery_in((&good, &subscribed), "pending").await;
        (delivery["waits_for"] == "plugin").then_some(delivery)
    })
    .await;
    assert_eq!(waiting["attempts"], json!([]), "it was not asked about it");
    let seen = plugin(&gateway).await;
    let paused = &seen["versions"][0]["paused"][0];
    assert_eq!(paused["tenant"], "default", "{seen}");
    assert!(
        paused["last_failure"]["event"]
            .as_str()
            .unwrap()
            .starts_with("evt_")
    );
    assert_eq!(seen["versions"][0]["usage"]["calls"]["trap"], 10);
    assert_eq!(seen["last_failures"].as_array().unwrap().len(), 10);
    let metrics = gateway.api().get("/metrics").await.text();
    let line = "hookgate_plugin_paused_tenants{plugin=\"stamp\",version=\"1\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert!(gateway.log().contains("plugin paused"), "{}", gateway.log());
    assert_eq!(slimmed.count(), 0, "nothing went out as it was");

    // Mended, it takes up all that waited.
    push(&gateway, "stamp", "", stamping_all(2)).await;
    let receipts = slimmed.verified(11).await;
    assert_eq!(stamped(&receipts, 2), 11);
    assert_eq!(told.count(), 1, "told once");
}

#[tokio::test]
async fn a_pause_for_one_tenant_is_none_for_another() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    push(&gateway, "stamp", "", stamping(1)).await;
    subscribe(&gateway, &receiver).await;
    let body = json!({"tenant": "other", "event_types": ["a.b"], "plugins": [{"name": "stamp"}]});
    gateway.subscribe_with(body, &receiver).await;

    send_many(&gateway, 10, &json!(2)).await;
    wait::until("the version is paused", || async {
        let seen = plugin(&gateway).await;
        seen["versions"][0]["paused"][0].is_object().then_some(())
    })
    .await;
    let theirs = event("a.b").data(&json!(1)).with("tenant", "other");
    gateway.send(theirs).await;
    assert_eq!(stamped(&receiver.verified(1).await, 1), 1);
}

#[tokio::test]
async fn what_a_plugin_logs_can_be_followed_by_those_whose_events_they_are() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    push(&gateway, "tells", "", component("tells-its-surroundings")).await;
    let mut subscriptions = Vec::new();
    for tenant in ["default", "other"] {
        let body = json!({"tenant": tenant, "event_types": ["a.b"], "plugins":
            [{"name": "tells", "config": {"of": tenant}}]});
        subscriptions.push(gateway.subscribe_with(body, &receiver).await);
    }
    let first = gateway.send(event("a.b")).await;
    gateway
        .delivery_in((&first, &subscriptions[0]), "dropped")
        .await;
    let path = "/v1/plugins/tells/logs";
    let page = gateway.api().get(path).await.expect(200);
    let line = &page["data"][0];
    assert_eq!(line["text"], "{\"of\":\"default\"}");
    assert_eq!(line["event"], first);
    assert_eq!(
        (&line["level"], &line["version"]),
        (&json!("info"), &json!(1))
    );

    let after = format!("{path}?after={}", page["next"]);
    let nothing = gateway.api().get(&after).await.expect(200);
    assert_eq!(
        (&nothing["data"], &nothing["next"]),
        (&json!([]), &page["next"])
    );
    let theirs = gateway.send(event("a.b").with("tenant", "other")).await;
    gateway
        .delivery_in((&theirs, &subscriptions[1]), "dropped")
        .await;
    let more = gateway.api().get(&after).await.expect(200);
    assert_eq!(more["data"][0]["text"], "{\"of\":\"other\"}");

    let key = json!({"role": "viewer", "tenant": "other"});
    let key = gateway.api().post("/v1/keys", &key).await.expect(201);
    let api = gateway.api();
    let viewer = api.with_key(key["key"].as_str());
    let own = viewer.get(path).await.expect(200);
    assert_eq!(own["data"].as_array().unwrap().len(), 1, "{own}");
    assert_eq!(own["data"][0]["event"], theirs);
    assert_eq!(viewer.get("/v1/plugins/none/logs").await.status, 404);
}

fn put_file(folder: &Path, name: &str, content: &[u8]) {
    let part = folder.join(format!(".{name}.part"));
    std::fs::write(&part, content).unwrap();
    std::fs::rename(&part, folder.join(name)).unwrap();
}

async fn is_there(gateway: &Gateway, name: &str) {
    let path = format!("/v1/plugins/{name}");
    wait::until("the folder was looked at", || async {
        (gateway.api().get(&path).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nodes_with_different_folders_do_not_fight() {
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    put_file(&one.plugin_folder(), "stamp.wasm", &stamping(1));
    is_there(&one, "stamp").await;
    let mut other = Gateway::start(GatewayOptions::on(&database)).await;
    put_file(&other.plugin_folder(), "stamp.wasm", &stamping(2));
    let active = async |gateway: &Gateway| plugin(gateway).await["active_version"].clone();
    wait::until("the newer file serves", || async {
        (active(&one).await == 2).then_some(())
    })
    .await;

    // Each has looked at its folder again since, and neither took its own file for news.
    for (round, gateway) in [(1, &one), (2, &other), (3, &one), (4, &other)] {
        let name = format!("look-{round}");
        put_file(
            &gateway.plugin_folder(),
            &format!("{name}.wasm"),
            &stamping(7),
        );
        is_there(gateway, &name).await;
        assert_eq!(active(gateway).await, 2);
    }

    // A roll-back through the API outlasts looks and restarts of both.
    activate(&one, &json!({"rollback": true})).await.expect(200);
    other.restart().await;
    put_file(&other.plugin_folder(), "look-5.wasm", &stamping(8));
    is_there(&other, "look-5").await;
    for gateway in [&one, &other] {
        let seen = plugin(gateway).await;
        assert_eq!(seen["active_version"], 1, "{seen}");
        assert_eq!(seen["versions"].as_array().unwrap().len(), 2, "{seen}");
    }
}

/// Nothing where the system does not tell.
fn resident_bytes(gateway: &Gateway) -> u64 {
    if cfg!(target_os = "linux") {
        bench::resident_bytes(gateway.pid().unwrap()).unwrap()
    } else {
        0
    }
}

/// P10 in its short form: `HOOKGATE_SWAPS=1000` for the long one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_load_fail_no_delivery_and_mix_no_attempt() {
    let swaps: u32 = std::env::var("HOOKGATE_SWAPS").map_or(30, |text| text.parse().unwrap());
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let digests: Vec<Value> = vec![
        push(&gateway, "stamp", "", stamping(1)).await["digest"].clone(),
        push(&gateway, "stamp", "", stamping(2)).await["digest"].clone(),
    ];
    let subscribed = subscribe(&gateway, &receiver).await;
    let started_at = std::time::Instant::now();
    let (mut sent, mut slowest, mut resident) = (0, std::time::Duration::ZERO, 0);
    for swap in 0..swaps {
        let (to, data) = (json!({"version": 1 + swap % 2}), json!(1));
        let swapping = async {
            let asked_at = std::time::Instant::now();
            (activate(&gateway, &to).await, asked_at.elapsed())
        };
        let (_, (answer, took)) = tokio::join!(send_many(&gateway, 20, &data), swapping);
        answer.expect(200);
        slowest = slowest.max(took);
        sent += 20;
        if swap == swaps / 4 {
            resident = resident_bytes(&gateway);
        }
    }
    let receipts = receiver.verified(sent).await;
    let seconds = started_at.elapsed().as_secs_f64();
    println!(
        "{swaps} swaps, {sent} deliveries in {seconds:.1} s: {:.0}/s; the slowest swap took {slowest:?}",
        sent as f64 / seconds
    );
    let grown = resident_bytes(&gateway).saturating_sub(resident);
    println!("memory since a quarter of them: {} KiB more", grown / 1024);
    assert!(grown <= 20 << 20, "{grown} bytes");
    gateway.settled().await;
    let seen = plugin(&gateway).await;
    assert_eq!(seen["failed_calls"], 0, "{seen}");
    assert_eq!(stamped(&receipts, 1) + stamped(&receipts, 2), sent);
    assert!(stamped(&receipts, 1) > 0 && stamped(&receipts, 2) > 0);

    let path = format!("/v1/deliveries?subscription={}&limit=500", subscribed.id);
    let page = gateway.api().get(&path).await.expect(200);
    for delivery in page["data"].as_array().unwrap().iter().take(50) {
        let id = delivery["id"].as_str().unwrap();
        let path = format!("/v1/deliveries/{id}");
        let delivery = gateway.api().get(&path).await.expect(200);
        let attempts = delivery["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 1, "{delivery}");
        let plugins = attempts[0]["plugins"].as_array().unwrap();
        assert_eq!(plugins.len(), 1, "one digest per attempt: {delivery}");
        let receipt = receipts.iter().find(|receipt| receipt.id() == id).unwrap();
        let version = digests
            .iter()
            .position(|digest| *digest == plugins[0]["digest"]);
        let data = format!("{{\"stamp\":{}}}", version.unwrap() + 1);
        assert_eq!(receipt.data(), data, "{delivery}");
    }
}
