//! Dry runs over REST: an event, a pair and a request, each with nothing stored and nothing sent.

use hookgate_tests::component::component;
use hookgate_tests::{Answer, Gateway};
use serde_json::{Value, json};

async fn with(name: &str) -> Gateway {
    let gateway = Gateway::fresh().await;
    gateway.push(name, component(name)).await.expect(201);
    gateway
}

async fn run(gateway: &Gateway, name: &str, body: &Value) -> Answer {
    let path = format!("/v1/plugins/{name}/run");
    gateway.api().post(&path, body).await
}

#[tokio::test]
async fn a_pair_is_folded_and_stays_the_later_event() {
    let gateway = with("folds").await;
    let event = |data: Value| json!({"type": "cart.changed", "key": "c-7", "data": data});
    let pair = |later: Value| json!({"earlier": event(json!(1)), "later": event(later)});
    let folded = run(&gateway, "folds", &pair(json!([2]))).await.expect(200);
    assert_eq!(folded["verdict"], "folded", "{folded}");
    let made = &folded["events"][0];
    assert_eq!(made["data"], "1[2]");
    assert_eq!(made["type"], "cart.changed");
    assert_eq!(made["key"], "c-7");
    assert_eq!(made["subject"], "forged");

    let crashed = run(&gateway, "folds", &pair(json!(2))).await.expect(200);
    assert_eq!(crashed["verdict"], "failed");
    assert!(crashed["reason"].as_str().unwrap().starts_with("trap"));

    let half = run(&gateway, "folds", &json!({"earlier": event(json!(1))})).await;
    assert_eq!(half.status, 422, "{}", half.text());
    assert!(half.text().contains("a pair `earlier` and `later`"));
    let both =
        json!({"event": event(json!(1)), "earlier": event(json!(1)), "later": event(json!(2))});
    assert_eq!(run(&gateway, "folds", &both).await.status, 422);
}

#[tokio::test]
async fn a_request_is_received() {
    let gateway = with("receives").await;
    let request = |body: &str| {
        json!({"request": {
            "query": "token=1", "headers": {"X-Signature": "abc"}, "body_text": body,
            "secret": "s3cret", "received_at": "2026-01-01T00:00:00Z",
        }})
    };
    let accepted = run(&gateway, "receives", &request("a\u{0}b"))
        .await
        .expect(200);
    assert_eq!(accepted["verdict"], "accepted", "{accepted}");
    let event = &accepted["events"][0];
    assert_eq!(event["type"], "told.to");
    assert_eq!(event["data"], "a\u{0}b");
    assert_eq!(event["key"], "s3cret");
    assert_eq!(event["time_ms"], 1_767_225_600_000_u64);

    let challenge = run(&gateway, "receives", &request("c")).await.expect(200);
    assert_eq!(challenge["verdict"], "challenge");
    assert_eq!(challenge["message"]["status"], 200);
    assert_eq!(challenge["message"]["body"], "token=1");
    let rejected = run(&gateway, "receives", &request("j")).await.expect(200);
    assert_eq!(rejected["verdict"], "rejected");
    assert_eq!(rejected["reason"], "told to");
    let failed = run(&gateway, "receives", &request("m")).await.expect(200);
    assert!(
        failed["reason"]
            .as_str()
            .unwrap()
            .starts_with("too-many-drafts")
    );

    let json_body = json!({"request": {"body": {"a": 1}, "body_text": "x"}});
    let refused = run(&gateway, "receives", &json_body).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("#/request"), "{}", refused.text());
    let misspelt = run(&gateway, "receives", &json!({"request": {"boby": 1}})).await;
    assert_eq!(misspelt.status, 422, "{}", misspelt.text());
}

#[tokio::test]
async fn one_export_can_be_asked_alone() {
    let gateway = with("filters").await;
    let body = |export: &str| json!({"event": {"type": "a.b", "data": 1}, "export": export});
    let refused = run(&gateway, "filters", &body("filter")).await.expect(200);
    assert_eq!(refused["verdict"], "refuses");
    let missing = run(&gateway, "filters", &body("transform"))
        .await
        .expect(200);
    assert!(
        missing["reason"]
            .as_str()
            .unwrap()
            .starts_with("not-exported")
    );
    assert_eq!(run(&gateway, "filters", &body("fold")).await.status, 422);
    let whole = json!({"event": {"type": "a.b", "data": 1}});
    let dropped = run(&gateway, "filters", &whole).await.expect(200);
    assert_eq!(dropped["verdict"], "drop");
}
