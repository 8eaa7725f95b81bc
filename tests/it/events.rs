//! Events through REST: what is taken, what is a duplicate, what can be looked at afterwards.

use hookgate_tests::Gateway;
use hookgate_tests::Receiver;
use hookgate_tests::event;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn an_event_can_be_looked_at_with_its_data_and_its_deliveries() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let subscribed = gateway.subscribe("invoice.*", &receiver).await;
    let data = r#"{ "b":1.0,"a" : [ ],"n":12345678901234567890 }"#;

    let sent = event("invoice.paid").raw_data(data).with("subject", "i/1");
    let id = gateway.send(sent).await;
    gateway.delivery_in((&id, &subscribed), "delivered").await;

    let api = gateway.api();
    let one = api.get(&format!("/v1/events/{id}")).await.expect(200);
    assert_eq!(
        (&one["type"], &one["subject"]),
        (&json!("invoice.paid"), &json!("i/1"))
    );
    assert_eq!(one["deliveries"][0]["subscription"], subscribed.id.as_str());
    let stored = api.get(&format!("/v1/events/{id}/data")).await;
    assert_eq!((stored.status, stored.text().as_str()), (200, data));
    assert_eq!(stored.headers["content-type"], "application/json");
    assert_eq!(stored.headers["x-content-type-options"], "nosniff");
    assert_eq!(stored.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn lists_come_in_pages_newest_first() {
    let gateway = Gateway::fresh().await;
    let mut sent = Vec::new();
    for n in 0..5 {
        sent.push(gateway.send(event("row.added").data(&json!(n))).await);
    }
    gateway.send(event("other.thing")).await;

    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/v1/events?type=row.*&limit=2{after}");
        let page = gateway.api().get(&path).await.expect(200);
        let ids = page["data"].as_array().unwrap().iter();
        seen.extend(ids.map(|one| one["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    sent.reverse();
    assert_eq!(seen, sent);
}

#[tokio::test]
async fn an_idempotency_key_is_taken_with_and_without_quotes() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    let send = |key: &'static str, data: Value| {
        let request = api
            .request(Method::POST, "/v1/events")
            .header("idempotency-key", key)
            .json(&json!({"type": "a.b", "data": data}));
        api.send(request)
    };

    let first = send("k-1", json!(1)).await.expect(202);
    let again = send("\"k-1\"", json!(1)).await.expect(202);
    let other = send("k-1", json!(2)).await;

    assert_eq!(first["duplicate"], false);
    assert_eq!(
        (&again["id"], &again["duplicate"]),
        (&first["id"], &json!(true))
    );
    let problem = other.expect(422);
    assert_eq!(
        problem["type"],
        "https://hookgate.dev/problems/idempotency-mismatch"
    );
}

#[tokio::test]
async fn tenants_are_made_by_their_first_event_and_keep_to_themselves() {
    let gateway = Gateway::fresh().await;
    let id = gateway.send(event("a.b").with("tenant", "acme")).await;
    let key = |role: &'static str, tenant: &'static str| async move {
        json!({"role": role, "tenant": tenant})
    };
    let made = gateway
        .api()
        .post("/v1/keys", &key("viewer", "other").await)
        .await
        .expect(201);
    let stranger = gateway.api().with_key(made["key"].as_str());

    assert_eq!(stranger.get(&format!("/v1/events/{id}")).await.status, 404);
    assert_eq!(stranger.get("/v1/events?tenant=acme").await.status, 404);
    let own = stranger.get("/v1/events").await.expect(200);
    assert_eq!(own["data"], json!([]));
    let sent = stranger
        .post("/v1/events", &json!({"type": "a", "data": 1}))
        .await;
    assert_eq!(sent.status, 403, "{}", sent.text());

    let id = made["id"].as_str().unwrap();
    gateway
        .api()
        .delete(&format!("/v1/keys/{id}"))
        .await
        .expect(200);
    assert_eq!(stranger.get("/v1/events").await.status, 401);
}

#[tokio::test]
async fn health_says_what_is_so() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api().with_key(None);

    assert_eq!(api.get("/livez").await.status, 200);
    let ready = api.get("/readyz?verbose").await.expect(200);
    for part in ["database", "delivering", "lane", "running", "storing"] {
        assert_eq!(ready[part], true, "{part}: {ready}");
    }
    let metrics = api.get("/metrics").await;
    assert!(metrics.text().contains("hookgate_events_accepted_total"));
    let nodes = gateway.api().get("/v1/nodes").await.expect(200);
    assert_eq!(nodes["data"].as_array().unwrap().len(), 1);
    gateway.api().get("/v1/stats").await.expect(200);
    gateway.api().get("/v1/tenants").await.expect(200);
}
