//! Erasure: the data goes, that there was an event stays, and nobody gets it any more.

use hookgate_tests::{Gateway, Receiver, event};
use serde_json::{Value, json};

use crate::replay::ended;

#[tokio::test]
async fn an_erased_event_keeps_its_record_and_loses_its_data() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let paused = gateway.subscribe("*", &receiver).await;
    let path = format!("/v1/subscriptions/{}", paused.id);
    let api = gateway.api();
    api.post(&format!("{path}/pause"), &json!({}))
        .await
        .expect(200);
    let secret = event("invoice.paid")
        .data(&json!({"name": "Ada"}))
        .with("subject", "ada@example.com");
    let id = gateway.send(secret).await;
    let of_event = format!("/v1/events/{id}");
    assert!(
        api.get(&format!("{of_event}/data"))
            .await
            .text()
            .contains("Ada")
    );

    assert_eq!(api.delete(&of_event).await.status, 204);

    assert_eq!(api.get(&format!("{of_event}/data")).await.status, 404);
    let left = api.get(&of_event).await.expect(200);
    assert!(left["erased_at"].is_string(), "{left}");
    assert_eq!(
        (&left["type"], &left["subject"]),
        (&json!("invoice.paid"), &Value::Null)
    );
    assert_eq!(left["deliveries"][0]["state"], "cancelled");
    assert_eq!(api.delete(&of_event).await.status, 204, "again is fine");
    api.post(&format!("{path}/resume"), &json!({}))
        .await
        .expect(200);
    let after = gateway.send(event("invoice.sent")).await;
    gateway.delivery_in((&after, &paused), "delivered").await;
    assert_eq!(receiver.count(), 1, "what was erased is not delivered");

    let kept: i64 = sqlx::query_scalar(
        "select count(*) from event where position('Ada' in encode(payload, 'escape')) > 0
           or position('ada@' in encode(attributes, 'escape')) > 0",
    )
    .fetch_one(&gateway.database().pool().await)
    .await
    .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn a_tenants_data_goes_as_a_job_and_the_others_stays() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    let mut ids = Vec::new();
    for tenant in ["acme", "acme", "acme", "other"] {
        ids.push(gateway.send(event("a.b").with("tenant", tenant)).await);
    }
    let erase = "/v1/tenants/acme/erase";
    let slip = api
        .post(erase, &json!({"confirm": "other"}))
        .await
        .expect(422);
    assert_eq!(slip["errors"][0]["pointer"], "#/confirm");
    let made = api
        .post("/v1/keys", &json!({"role": "subscriber", "tenant": "acme"}))
        .await
        .expect(201);
    let portal = api.with_key(made["key"].as_str());
    assert_eq!(
        portal.post(erase, &json!({"confirm": "acme"})).await.status,
        403
    );

    let job = api
        .post(erase, &json!({"confirm": "acme"}))
        .await
        .expect(202);
    let job = ended(api, &job).await;

    assert_eq!(job["result"], json!({"erased": 3}), "{job}");
    for (index, id) in ids.iter().enumerate() {
        let status = api.get(&format!("/v1/events/{id}/data")).await.status;
        assert_eq!(status, if index < 3 { 404 } else { 200 });
    }
}
