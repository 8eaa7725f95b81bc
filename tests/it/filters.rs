//! Declarative filters over the API: what passes, why, and what is refused where.

use hookgate_tests::{Gateway, Receiver, event};
use serde_json::{Value, json};

#[tokio::test]
async fn only_what_all_filters_let_pass_is_delivered() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let body = json!({"event_types": ["order.*"], "filters": [
        {"any": [{"exact": {"source": "shop-eu"}}, {"suffix": {"subject": "-vip"}}]},
        {"data": {"pointer": "/amount", "gte": 100}},
        {"sql": "NOT EXISTS dataschema AND type != 'order.draft'"}
    ]});
    let subscribed = gateway.subscribe_with(body, &receiver).await;
    for (event_type, source, subject, data) in [
        ("order.paid", "shop-eu", "1", r#"{"amount": 100.00}"#),
        ("order.paid", "shop-us", "2-vip", r#"{"amount": 1e3}"#),
        ("order.paid", "shop-us", "3", r#"{"amount": 500}"#),
        ("order.paid", "shop-eu", "4", r#"{"amount": 99.99}"#),
        ("order.paid", "shop-eu", "5", r#"{"amount": "500"}"#),
        ("order.paid", "shop-eu", "6", "{}"),
        ("order.draft", "shop-eu", "7", r#"{"amount": 500}"#),
        ("invoice.paid", "shop-eu", "8", r#"{"amount": 500}"#),
    ] {
        let event = event(event_type)
            .with("source", source)
            .with("subject", subject);
        gateway.send(event.raw_data(data)).await;
    }
    gateway.settled().await;
    let mut bodies: Vec<String> = receiver
        .verified(2)
        .await
        .iter()
        .map(|receipt| receipt.data())
        .collect();
    bodies.sort_unstable();
    assert_eq!(bodies, [r#"{"amount": 100.00}"#, r#"{"amount": 1e3}"#]);

    // Without its filters it gets everything of its types.
    let path = format!("/v1/subscriptions/{}", subscribed.id);
    let api = gateway.api();
    api.patch(&path, &json!({"filters": null}))
        .await
        .expect(200);
    gateway.send(event("order.paid").raw_data("{}")).await;
    receiver.verified(3).await;
}

#[tokio::test]
async fn a_filter_keeps_every_digit_over_changes_of_other_members() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let filter = r#"{"data":{"pointer":"/id","eq":123456789012345678901234567890.5}}"#;
    let body = format!(
        r#"{{"event_types": ["*"], "target_url": "{}", "filters": [{filter}]}}"#,
        receiver.url("/a")
    );
    let api = gateway.api();
    let made = api
        .post_bytes("/v1/subscriptions", "application/json", body)
        .await;
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/subscriptions/{id}");
    api.patch(&path, &json!({"description": "x"}))
        .await
        .expect(200);
    let shown = api.get(&path).await;
    assert!(shown.text().contains(filter), "{}", shown.text());

    for data in [
        r#"{"id":123456789012345678901234567890.4}"#,
        r#"{"id":123456789012345678901234567890.50}"#,
    ] {
        gateway.send(event("a.b").raw_data(data)).await;
    }
    gateway.settled().await;
    let receipts = receiver.received(1).await;
    assert_eq!(receipts.len(), 1);
    assert!(receipts[0].data().ends_with("890.50}"));
}

#[tokio::test]
async fn explain_says_rule_by_rule_why() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let body = json!({"event_types": ["order.*"], "filters": [
        {"not": {"exact": {"source": "crm"}}},
        {"data": {"pointer": "/amount", "gt": 100}}
    ]});
    let subscribed = gateway.subscribe_with(body.clone(), &receiver).await;
    let api = gateway.api();
    let ask = |body: Value| async move {
        let answer = api
            .post("/v1/subscriptions/explain", &body)
            .await
            .expect(200);
        let rules = answer["rules"].as_array().unwrap().iter();
        let failing: Vec<String> = rules
            .filter(|rule| rule["holds"] == false)
            .map(|rule| rule["rule"].as_str().unwrap().to_owned())
            .collect();
        (answer["matches"] == true, failing)
    };
    let event = json!({"type": "order.paid", "source": "crm", "data": {"amount": 100}});
    let asked = json!({"subscription": body, "event": event});
    let expected = ["#/filters/0/not", "#/filters/1/data"].map(str::to_owned);
    assert_eq!(ask(asked).await, (false, expected.to_vec()));

    let fitting = json!({"type": "order.paid", "source": "shop", "data": {"amount": 101}});
    let id = gateway
        .send(hookgate_tests::event("order.paid").with("source", "shop"))
        .await;
    for event in [fitting, json!(id)] {
        let asked = json!({"subscription_id": subscribed.id, "event": event});
        assert_eq!(
            ask(asked).await,
            (true, vec!["#/filters/0/not/exact".to_owned()])
        );
    }
    for (body, pointer) in [
        (json!({"event": event}), "#/subscription"),
        (json!({"subscription_id": subscribed.id}), "#/event"),
        (
            json!({"subscription_id": subscribed.id, "event": {"type": "a"}}),
            "#/event/data",
        ),
        (
            json!({"subscription": {"event_types": ["*"], "filters": [{"x": 1}]}, "event": event}),
            "#/subscription/filters/0/x",
        ),
    ] {
        let refused = api.post("/v1/subscriptions/explain", &body).await;
        assert!(matches!(refused.status, 400 | 422), "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
}

#[tokio::test]
async fn a_filter_that_cannot_be_meant_is_refused_with_its_cure() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    for (filter, pointer, cure) in [
        (
            json!({"regex": {"type": "a"}}),
            "#/filters/0/regex",
            "there are exact",
        ),
        (
            json!({"sql": "subject LIKE"}),
            "#/filters/0/sql",
            "a literal text",
        ),
        (
            json!({"exact": {"data.id": "1"}}),
            "#/filters/0/exact/data.id",
            "the dialect data",
        ),
    ] {
        let body =
            json!({"event_types": ["*"], "target_url": receiver.url("/"), "filters": [filter]});
        let refused = gateway
            .api()
            .post("/v1/subscriptions", &body)
            .await
            .expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer);
        assert!(
            refused["errors"][0]["detail"]
                .as_str()
                .unwrap()
                .contains(cure)
        );
    }
}
