//! A tenant sends no more than its quota, on every node, and nobody else notices.

use hookgate_tests::wait::until;
use hookgate_tests::{Answer, Gateway, GatewayOptions, event, fresh_database};
use serde_json::{Value, json};

async fn send(gateway: &Gateway, tenant: &str, data: &Value) -> Answer {
    let body = event("a.b").with("tenant", tenant).data(data).to_body();
    let api = gateway.api();
    api.post_bytes("/v1/events", "application/json", body).await
}

/// Sends until something else than 202 comes, at most `most` times.
async fn refused_within(gateway: &Gateway, tenant: &str, most: usize) -> Option<Answer> {
    for _ in 0..most {
        let answer = send(gateway, tenant, &json!({"a": 1})).await;
        if answer.status != 202 {
            return Some(answer);
        }
    }
    None
}

#[tokio::test]
async fn what_a_tenant_sends_beyond_its_quota_gets_429_on_every_node() {
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    let other = Gateway::start(GatewayOptions::on(&database)).await;
    let form = json!({"quota": {"events_per_second": 2}});
    let view = one.api().put("/v1/tenants/noisy", &form).await.expect(200);
    assert_eq!(view["name"], "noisy");
    assert_eq!(view["quota"]["events_per_second"], 2);
    assert_eq!(view["applied"], true);

    for gateway in [&one, &other] {
        // A debug build on a busy machine may take longer than a second for a few requests.
        let refused = refused_within(gateway, "noisy", 200).await;
        let refused = refused.expect("two events per second, and no more");
        assert_eq!(refused.status, 429, "{}", refused.text());
        let problem = refused.json();
        assert_eq!(problem["type"], "https://hookgate.dev/problems/over-quota");
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("2 events per second")
        );
        let retry_after = refused.headers["retry-after"].to_str().unwrap();
        assert!((1..=2).contains(&retry_after.parse::<u64>().unwrap()));
        assert!(refused_within(gateway, "quiet", 20).await.is_none());
    }
    until("the allowance fills up again", || async {
        let answer = send(&one, "noisy", &json!({})).await;
        (answer.status == 202).then_some(())
    })
    .await;

    // Taken away again.
    let view = other
        .api()
        .put("/v1/tenants/noisy", &json!({}))
        .await
        .expect(200);
    assert_eq!(view["quota"]["events_per_second"], Value::Null);
    for gateway in [&one, &other] {
        assert!(refused_within(gateway, "noisy", 20).await.is_none());
    }
}

#[tokio::test]
async fn a_batch_passes_whole_or_not_at_all_and_is_paid_off() {
    let gateway = Gateway::fresh().await;
    let form = json!({"quota": {"events_per_second": 5, "bytes_per_second": 1_000_000}});
    gateway
        .api()
        .put("/v1/tenants/acme", &form)
        .await
        .expect(200);
    let one = json!({"type": "a.b", "tenant": "acme", "data": {}});
    let batch = vec![one; 50];
    let send = || gateway.api().post("/v1/events/batch", &batch);
    send().await.expect(202);
    let refused = send().await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    let retry_after = refused.headers["retry-after"].to_str().unwrap();
    let seconds: u64 = retry_after.parse().unwrap();
    assert!(
        (5..=10).contains(&seconds),
        "45 events are owed: {seconds} s"
    );
    let query = "select count(*) from event";
    let pool = gateway.database().pool().await;
    let stored: i64 = sqlx::query_scalar(query).fetch_one(&pool).await.unwrap();
    assert_eq!(stored, 50);
}

#[tokio::test]
async fn bytes_count_too_and_only_an_admin_sets_quotas() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    let form = json!({"quota": {"bytes_per_second": 1000}});
    api.put("/v1/tenants/acme", &form).await.expect(200);
    let large = json!({"text": "x".repeat(20_000)});
    send(&gateway, "acme", &large).await.expect(202);
    let refused = send(&gateway, "acme", &json!({})).await;
    assert_eq!(refused.status, 429);
    assert!(
        refused.text().contains("1000 bytes per second"),
        "{}",
        refused.text()
    );

    let listed = api.get("/v1/tenants").await.expect(200);
    let acme = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "acme");
    assert_eq!(acme.unwrap()["quota"]["bytes_per_second"], 1000);

    for (body, hint) in [
        (json!({"quota": {"events_per_second": 0}}), "nonzero"),
        (
            json!({"quota": {"events_per_minute": 5}}),
            "events_per_minute",
        ),
        (json!({"qouta": {}}), "qouta"),
    ] {
        let refused = api.put("/v1/tenants/acme", &body).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
        assert!(refused.text().contains(hint), "{}", refused.text());
    }
    let role = json!({"role": "publisher", "tenant": "acme"});
    let key = api.post("/v1/keys", &role).await.expect(201);
    let publisher = api.with_key(key["key"].as_str());
    let refused = publisher.put("/v1/tenants/acme", &json!({})).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
}

#[tokio::test]
async fn a_retention_is_kept_and_shown_and_must_be_a_day_or_more() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    let form = json!({"retention": "36h"});
    let view = api.put("/v1/tenants/acme", &form).await.expect(200);
    assert_eq!(view["retention"], "1d12h");
    let listed = api.get("/v1/tenants").await.expect(200);
    let tenants = listed["data"].as_array().unwrap();
    let acme = tenants.iter().find(|tenant| tenant["name"] == "acme");
    assert_eq!(acme.unwrap()["retention"], "1d12h");
    for wrong in ["1h", "4000d", "soon"] {
        let form = json!({"retention": wrong});
        let refused = api.put("/v1/tenants/acme", &form).await.expect(422);
        assert!(refused.to_string().contains("#/retention"), "{refused}");
    }
    let view = api.put("/v1/tenants/acme", &json!({})).await.expect(200);
    assert!(view["retention"].is_null());
}
