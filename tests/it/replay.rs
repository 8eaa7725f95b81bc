//! Deliveries once more: replays, retries by filter, what was missed; counted first, at a rate,
//! with progress, cancellable, and each delivery with the id it always had.

use std::collections::HashSet;

use hookgate_tests::{
    Api, Gateway, GatewayOptions, Receiver, Reply, Subscribed, event, fresh_database, wait,
};
use serde_json::{Value, json};

/// Waits until a job has ended.
pub(crate) async fn ended(api: &Api, job: &Value) -> Value {
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("a job has an id"));
    wait::until("the job has ended", || async {
        let job = api.get(&path).await.expect(200);
        let is_over = !matches!(job["state"].as_str(), Some("queued" | "running"));
        is_over.then_some(job)
    })
    .await
}

/// A subscription whose deliveries die at their first failure.
async fn subscribe(gateway: &Gateway, receiver: &Receiver) -> Subscribed {
    let body = json!({"event_types": ["invoice.*"], "delivery": {"retry_schedule": []}});
    gateway.subscribe_with(body, receiver).await
}

async fn send_many(gateway: &Gateway, count: usize) {
    let events: Vec<_> = (0..count)
        .map(|n| json!({"type": "invoice.paid", "data": {"n": n}}))
        .collect();
    gateway
        .api()
        .post("/v1/events/batch", &events)
        .await
        .expect(202);
}

async fn replay(gateway: &Gateway, of: &Subscribed, body: &Value) -> hookgate_tests::Answer {
    let path = format!("/v1/subscriptions/{}/replay", of.id);
    gateway.api().post(&path, body).await
}

fn ids(receipts: &[hookgate_tests::Receipt]) -> HashSet<String> {
    receipts
        .iter()
        .map(|receipt| receipt.id().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_dead_deliveries_that_are_replayed_keep_their_ids_and_all_arrive() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::answering([Reply::Status(500)]).await;
    let subscribed = subscribe(&gateway, &receiver).await;
    send_many(&gateway, 1000).await;
    let first = ids(&receiver.received(1000).await);
    gateway.settled().await;
    let dead = json!({"since": "1h", "states": ["dead"], "dry_run": true});
    let counted = replay(&gateway, &subscribed, &dead).await.expect(200);
    assert_eq!(
        (&counted["counts"], &counted["complete"]),
        (&json!({"dead": 1000}), &json!(true))
    );
    receiver.now_answers([Reply::Status(200)]);

    let dead = json!({"since": "1h", "states": ["dead"], "rate": 2000});
    let job = replay(&gateway, &subscribed, &dead).await.expect(202);
    assert_eq!(
        (&job["kind"], &job["about"]["rate"]),
        (&json!("replay"), &json!(2000))
    );
    let job = ended(gateway.api(), &job).await;
    assert_eq!(job["state"], "done", "{job}");
    assert_eq!(job["progress"], json!({"done": 1000, "total": 1000}));
    assert_eq!(job["result"]["parked"], 1000);

    let receipts = receiver.verified(2000).await;
    gateway.settled().await;
    assert_eq!(receiver.count(), 2000, "each of them once more");
    assert_eq!(ids(&receipts[1000..]), first, "with the ids they had");
    let path = format!("/v1/deliveries/{}", receipts[1500].id());
    let delivery = gateway.api().get(&path).await.expect(200);
    assert_eq!(delivery["state"], "delivered");
    let log = Gateway::attempt_log(&delivery);
    assert_eq!(log, "1 refused 500\n2 accepted 200", "the count goes on");
    let again = json!({"since": "1h", "states": ["dead"], "dry_run": true});
    let counted = replay(&gateway, &subscribed, &again).await.expect(200);
    assert_eq!(counted["total"], 0);
}

#[tokio::test]
async fn events_from_before_the_subscription_are_missing_and_can_be_replayed() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let early = gateway.send(event("invoice.paid")).await;
    gateway.send(event("contact.added")).await;
    let subscribed = subscribe(&gateway, &receiver).await;
    let late = gateway.send(event("invoice.sent")).await;
    gateway.delivery_in((&late, &subscribed), "delivered").await;

    let all = json!({"since": "1h", "dry_run": true});
    let counted = replay(&gateway, &subscribed, &all).await.expect(200);
    assert_eq!(counted["counts"], json!({"delivered": 1, "missing": 1}));
    let missing = json!({"since": "1h", "states": ["missing"]});
    let job = replay(&gateway, &subscribed, &missing).await.expect(202);
    ended(gateway.api(), &job).await;

    let delivery = gateway
        .delivery_in((&early, &subscribed), "delivered")
        .await;
    assert_eq!(Gateway::attempt_log(&delivery), "1 accepted 200");
    gateway.settled().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn only_what_its_filters_let_pass_is_missing() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    for amount in [50, 150] {
        let data = json!({"amount": amount});
        gateway.send(event("invoice.paid").data(&data)).await;
    }
    let filters = json!([{"data": {"pointer": "/amount", "gte": 100}}]);
    let body = json!({"event_types": ["*"], "filters": filters});
    let subscribed = gateway.subscribe_with(body, &receiver).await;

    let all = json!({"since": "1h"});
    let job = replay(&gateway, &subscribed, &all).await.expect(202);
    let job = ended(gateway.api(), &job).await;

    assert_eq!(job["result"]["counts"], json!({"missing": 1}), "{job}");
    assert_eq!(receiver.verified(1).await[0].data(), "{\"amount\":150}");
    gateway.settled().await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_replay_to_another_url_is_signed_and_changes_nothing() {
    let gateway = Gateway::fresh().await;
    let (receiver, debugger) = (Receiver::accepting().await, Receiver::accepting().await);
    let subscribed = subscribe(&gateway, &receiver).await;
    let id = gateway.send(event("invoice.paid")).await;
    let before = gateway.delivery_in((&id, &subscribed), "delivered").await;
    let path = debugger.next_path();
    debugger.trust((&path, &subscribed.secret));

    let body = json!({"since": "1h", "target_url": debugger.url(&path)});
    let job = replay(&gateway, &subscribed, &body).await.expect(202);
    let job = ended(gateway.api(), &job).await;

    assert_eq!(job["result"]["sent_aside"], json!({"accepted": 1}), "{job}");
    let receipts = debugger.verified(1).await;
    assert_eq!(receipts[0].id(), before["id"].as_str().unwrap());
    assert_eq!(receipts[0].body, receiver.receipts()[0].body);
    let after = gateway.delivery_in((&id, &subscribed), "delivered").await;
    assert_eq!(after, before);
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn what_a_replay_cannot_do_is_told_with_its_field() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let subscribed = subscribe(&gateway, &receiver).await;
    for (body, pointers) in [
        (json!({}), vec!["#/since"]),
        (json!({"since": "yesterday"}), vec!["#/since"]),
        (json!({"since": "1h", "until": "2h"}), vec!["#/until"]),
        (
            json!({"since": "1h", "states": ["pending", "lost"], "rate": 0, "types": ["a*"]}),
            vec!["#/types", "#/states", "#/states", "#/rate"],
        ),
        (
            json!({"since": "1h", "target_url": "ftp://x/"}),
            vec!["#/target_url"],
        ),
        (json!({"since": "1h", "speed": 1}), vec!["#"]),
    ] {
        let refused = replay(&gateway, &subscribed, &body).await.expect(422);
        let errors = refused["errors"].as_array().unwrap();
        let found: Vec<_> = errors
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        assert_eq!(found, pointers, "{body}: {refused}");
    }
    let pause = format!("/v1/subscriptions/{}/pause", subscribed.id);
    gateway.api().post(&pause, &json!({})).await.expect(200);
    let refused = replay(&gateway, &subscribed, &json!({"since": "1h"})).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("resume it"), "{}", refused.text());
}

#[tokio::test]
async fn a_job_can_be_cancelled_and_is_nobody_elses() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::answering([Reply::Status(500)]).await;
    let subscribed = subscribe(&gateway, &receiver).await;
    send_many(&gateway, 50).await;
    receiver.received(50).await;
    gateway.settled().await;
    let key = |tenant: &str| {
        let body = json!({"role": "subscriber", "tenant": tenant});
        let api = gateway.api();
        async move {
            let made = api.post("/v1/keys", &body).await.expect(201);
            api.with_key(made["key"].as_str())
        }
    };
    let (stranger, own) = (key("other").await, key("default").await);
    let path = format!("/v1/subscriptions/{}/replay", subscribed.id);
    let slow = json!({"since": "1h", "rate": 1});
    assert_eq!(stranger.post(&path, &slow).await.status, 404);

    let job = own.post(&path, &slow).await.expect(202);
    let of_job = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    wait::until("it has begun", || async {
        let job = own.get(&of_job).await.expect(200);
        (job["progress"]["done"].as_u64() > Some(0)).then_some(())
    })
    .await;
    assert_eq!(stranger.get(&of_job).await.status, 404);
    assert_eq!(stranger.delete(&of_job).await.status, 404);
    let list = stranger.get("/v1/jobs").await.expect(200);
    assert_eq!(list["data"], json!([]));
    let list = own.get("/v1/jobs?state=running").await.expect(200);
    assert_eq!(list["data"][0]["id"], job["id"]);

    let cancelled = own.delete(&of_job).await.expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(cancelled["progress"]["total"], 50);
    let done = cancelled["progress"]["done"].as_u64().unwrap();
    assert!((1..50).contains(&done), "{cancelled}");
    assert_eq!(own.delete(&of_job).await.status, 409);
    gateway.settled().await;
    assert_eq!(
        receiver.count() as u64,
        50 + done,
        "no more than it had done"
    );
}

#[tokio::test]
async fn many_deliveries_are_retried_by_the_lists_filters() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::answering([Reply::Status(500)]).await;
    let one = subscribe(&gateway, &receiver).await;
    let other = subscribe(&gateway, &receiver).await;
    send_many(&gateway, 10).await;
    receiver.received(20).await;
    gateway.settled().await;
    receiver.now_answers([Reply::Status(200)]);
    let retry = |body: Value| {
        let api = gateway.api();
        async move { api.post("/v1/deliveries/retry", &body).await }
    };

    let counted = retry(json!({"dry_run": true})).await.expect(200);
    assert_eq!(counted["counts"], json!({"dead": 20}));
    let of_one = json!({"subscription": one.id, "types": ["invoice.*"]});
    let job = retry(of_one).await.expect(202);
    let job = ended(gateway.api(), &job).await;
    assert_eq!(
        job["result"],
        json!({"counts": {"dead": 10}, "parked": 10, "waited_already": 0})
    );
    gateway.settled().await;
    let counted = retry(json!({"state": "delivered", "dry_run": true})).await;
    assert_eq!(counted.expect(200)["total"], 10);

    let job = retry(json!({})).await.expect(202);
    let job = ended(gateway.api(), &job).await;
    assert_eq!(job["tenant"], Value::Null);
    assert_eq!(job["result"]["parked"], 10);
    gateway.settled().await;
    let left = format!("/v1/deliveries?state=dead&subscription={}", other.id);
    assert_eq!(
        gateway.api().get(&left).await.expect(200)["data"],
        json!([])
    );
    let refused = retry(json!({"state": "pending"})).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "#/state");
}

#[tokio::test]
async fn what_a_disabled_subscription_missed_is_listed_and_released() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::answering([Reply::Status(410)]).await;
    let subscribed = subscribe(&gateway, &receiver).await;
    gateway.send(event("invoice.paid")).await;
    let path = format!("/v1/subscriptions/{}", subscribed.id);
    wait::until("it is disabled", || async {
        let body = gateway.api().get(&path).await.expect(200);
        (body["state"] == "disabled").then_some(())
    })
    .await;
    let mut missed = Vec::new();
    for _ in 0..3 {
        missed.push(gateway.send(event("invoice.paid")).await);
    }
    let list = format!("{path}/missed");
    let listed = gateway
        .api()
        .get(&format!("{list}?limit=2"))
        .await
        .expect(200);
    let next = listed["next"].as_str().unwrap();
    let rest = gateway
        .api()
        .get(&format!("{list}?after={next}"))
        .await
        .expect(200);
    let pages = [&listed, &rest].map(|page| page["data"].as_array().unwrap().clone());
    let events: Vec<_> = pages
        .iter()
        .flatten()
        .map(|one| one["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, missed);

    let release = format!("{path}/missed/release");
    assert_eq!(gateway.api().post(&release, &json!({})).await.status, 409);
    receiver.now_answers([Reply::Status(200)]);
    let resume = format!("{path}/resume");
    gateway.api().post(&resume, &json!({})).await.expect(200);
    let job = gateway.api().post(&release, &json!({})).await.expect(202);
    let job = ended(gateway.api(), &job).await;

    assert_eq!(job["result"], json!({"released": 3}));
    receiver.verified(4).await;
    gateway.settled().await;
    assert_eq!(receiver.count(), 4);
    let listed = gateway.api().get(&list).await.expect(200);
    assert_eq!(listed["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_on_at_another_node_when_its_own_dies() {
    let database = fresh_database().await;
    let mut victim = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::answering([Reply::Status(500)]).await;
    let subscribed = subscribe(&victim, &receiver).await;
    send_many(&victim, 300).await;
    let first = ids(&receiver.received(300).await);
    victim.settled().await;
    receiver.now_answers([Reply::Status(200)]);
    let job = replay(&victim, &subscribed, &json!({"since": "1h", "rate": 40}))
        .await
        .expect(202);
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let begun = wait::until("a part is done", || async {
        let job = victim.api().get(&path).await.expect(200);
        (job["progress"]["done"].as_u64() >= Some(20)).then_some(job)
    })
    .await;

    victim.kill_9().await;
    let survivor = Gateway::start(GatewayOptions::on(&database)).await;

    let job = ended(survivor.api(), &job).await;
    assert_eq!(job["state"], "done", "{job}");
    assert_ne!(begun["node"], Value::Null);
    assert_eq!(job["progress"], json!({"done": 300, "total": 300}));
    assert_eq!(
        job["result"]["parked"], 300,
        "no chunk was forgotten or done twice"
    );
    wait::until("all have arrived", || async {
        (ids(&receiver.receipts()[300..]) == first).then_some(())
    })
    .await;
    let log = survivor.log();
    assert!(log.contains("job.times_taken=2"), "{log}");
}
