//! Labels of events and of subscriptions: they narrow what both sides have labelled.

use hookgate_tests::{Gateway, Receiver, event};
use serde_json::{Value, json};

#[tokio::test]
async fn labels_narrow_what_both_sides_have_labelled() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let api = gateway.api();
    let subscribe = async |labels: Value| {
        let form = json!({"event_types": ["*"], "labels": labels});
        gateway.subscribe_with(form, &receiver).await
    };
    let eu = subscribe(json!(["eu"])).await;
    let us = subscribe(json!(["us", "gold"])).await;
    let all = subscribe(json!([])).await;
    for (labels, takers) in [
        (json!(["eu"]), vec![&eu, &all]),
        (json!(["gold", "asia"]), vec![&us, &all]),
        (json!(["asia"]), vec![&all]),
        (json!([]), vec![&eu, &us, &all]),
        (Value::Null, vec![&eu, &us, &all]),
    ] {
        let id = gateway
            .send(event("a.b").with("labels", labels.clone()))
            .await;
        let one = api.get(&format!("/v1/events/{id}")).await.expect(200);
        if labels.is_array() {
            assert_eq!(one["labels"], labels);
        }
        for taker in &takers {
            gateway.delivery_in((&id, taker), "delivered").await;
        }
        let one = api.get(&format!("/v1/events/{id}")).await.expect(200);
        assert_eq!(
            one["deliveries"].as_array().unwrap().len(),
            takers.len(),
            "{labels}"
        );
    }
    let ask =
        json!({"subscription_id": eu.id, "event": {"type": "a.b", "data": 1, "labels": ["us"]}});
    let explained = api
        .post("/v1/subscriptions/explain", &ask)
        .await
        .expect(200);
    assert_eq!(explained["matches"], false);
    let rules = explained["rules"].as_array().unwrap();
    let rule = rules
        .iter()
        .find(|rule| rule["rule"] == "#/labels")
        .unwrap();
    assert_eq!(rule["holds"], false);
    assert!(
        rule["detail"].as_str().unwrap().contains("labelled us"),
        "{rule}"
    );
    let samples = api
        .get(&format!("/v1/subscriptions/{}/samples", eu.id))
        .await
        .expect(200);
    assert_eq!(samples["data"].as_array().unwrap().len(), 3);
    let pulled = format!("/v1/subscriptions/{}/events", eu.id);
    let pulled = api.get(&pulled).await.expect(200);
    assert_eq!(pulled["data"].as_array().unwrap().len(), 3, "{pulled}");
    for labels in [json!("eu"), json!([1]), json!(vec!["x"; 21]), json!([""])] {
        let body = event("a.b").with("labels", labels.clone()).to_body();
        let refused = api.post_bytes("/v1/events", "application/json", body).await;
        assert_eq!(refused.status, 400, "{labels}");
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/labels");
    }
}
