//! The dashboard in a real browser: a short journey in every run, every journey and 100,000 events
//! in a full one. Without a browser they say so and are left out.

use std::path::Path;

use hookgate_tests::browser::Browser;
use hookgate_tests::component::{component, stamping};
use hookgate_tests::{Gateway, GatewayOptions, Receiver, Reply, event, tool, wait};
use serde_json::{Value, json};

#[tokio::test]
async fn a_short_journey_leads_in_through_and_out() {
    let Some(browser) = Browser::find() else {
        return;
    };
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("*", &receiver).await;
    let printed = browser.journey("short", &gateway, &json!({})).await;
    assert!(printed.contains("journey is over"), "{printed}");
}

#[tokio::test]
async fn every_journey_works_complains_of_nothing_and_is_accessible() {
    if !tool::is_full("every journey in a browser") {
        return;
    }
    let Some(browser) = Browser::find() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = GatewayOptions::default()
        .set(("HOOKGATE_UI_NAME", "Acme Hooks"))
        .set((
            "HOOKGATE_UI_THEME",
            "accent=#0a6e52,accent-dark=#5fd6a8,on-accent-dark=#062018",
        ));
    let gateway = Gateway::start(options).await;
    let receivers = [
        Receiver::accepting().await,
        Receiver::answering([Reply::Body(500, "<h1>it broke</h1>".into())]).await,
        Receiver::answering([Reply::Status(410)]).await,
    ];
    let scene = set(&gateway, &receivers, folder.path()).await;
    let printed = browser.journey("full", &gateway, &scene).await;
    assert!(printed.contains("journey is over"), "{printed}");
    println!("{printed}");
}

/// All that the journeys come across.
#[expect(
    clippy::too_many_lines,
    reason = "one state of a gateway, made step by step"
)]
async fn set(gateway: &Gateway, [good, broken, gone]: &[Receiver; 3], folder: &Path) -> Value {
    for (name, component) in [
        ("tested", stamping(1)),
        ("tested", stamping(2)),
        ("failing", component("recurses")),
        ("logs", component("logs-without-end")),
    ] {
        gateway.push(name, component).await.expect(201);
    }
    let skinny = json!([{"name": "skinny", "config": {"keep": ["/id", "/status"]}}]);
    let wish = json!({"event_types": ["invoice.*"], "description": "Billing", "plugins": skinny});
    let billing = gateway.subscribe_with(wish, good).await;
    let wish = json!({
        "event_types": ["broken.*"], "description": "A receiver that fails",
        "delivery": {"retry_schedule": ["1s"]},
    });
    gateway.subscribe_with(wish, broken).await;
    let wish = json!({"event_types": ["stamped.*"], "plugins": [{"name": "tested"}]});
    gateway.subscribe_with(wish, good).await;
    let wish = json!({"event_types": ["fail.*"], "plugins": [{"name": "failing"}]});
    gateway.subscribe_with(wish, good).await;
    let wish = json!({"event_types": ["late.*"], "description": "Gone for a while"});
    let late = gateway.subscribe_with(wish, gone).await;

    let invoice = json!({
        "id": 17, "status": "paid", "amount": 129.9, "currency": "EUR",
        "customer": {"name": "Ada Lovelace", "address": "12 St James's Square"},
        "lines": [{"sku": "A-1", "quantity": 2}, {"sku": "B-7", "quantity": 1}],
    });
    let sent = event("invoice.paid")
        .with("subject", "invoice/17")
        .data(&invoice);
    let sent = gateway.send(sent).await;
    let delivery = gateway.delivery_in((&sent, &billing), "delivered").await;
    let hurt =
        "<script>window.hurt=1</script><script>alert(1)</script><img src=x onerror=window.hurt=1>";
    let hostile = event("hostile.event")
        .with("subject", hurt)
        .data(&json!({"note": hurt}));
    let hostile = gateway.send(hostile).await;
    for number in 0..4 {
        gateway
            .send(event("broken.thing").data(&json!({"number": number})))
            .await;
        gateway
            .send(event("stamped.thing").data(&json!({"number": number})))
            .await;
    }
    gateway.send(event("fail.thing")).await;
    gateway
        .send(event("news.for.acme").with("tenant", "acme"))
        .await;
    miss(gateway, &late.id).await;
    let dead = wait::until("three deliveries are dead", || async {
        let dead = gateway
            .api()
            .get("/v1/deliveries?state=dead")
            .await
            .expect(200);
        let is_enough = dead["data"].as_array().unwrap().len() >= 3;
        is_enough.then(|| dead["data"][0]["id"].clone())
    })
    .await;
    gone.now_answers([Reply::Status(200)]);
    let files: Vec<String> = [7, 8]
        .map(|stamp| {
            let file = folder.join(format!("{stamp}.wasm"));
            std::fs::write(&file, stamping(stamp)).unwrap();
            file.display().to_string()
        })
        .to_vec();
    json!({
        "event": sent, "hostile": hostile, "delivery": delivery["id"], "dead": dead,
        "subscription": billing.id, "gone": late.id, "target": good.url("/made"),
        "components": files, "name": "Acme Hooks", "accent": "#0a6e52",
    })
}

/// Lets a receiver say that it is gone, and sends what its subscription then misses.
async fn miss(gateway: &Gateway, subscription: &str) {
    gateway.send(event("late.first")).await;
    let path = format!("/v1/subscriptions/{subscription}");
    wait::until("the subscription is disabled", || async {
        let state = gateway.api().get(&path).await.expect(200);
        (state["state"] == "disabled").then_some(())
    })
    .await;
    for _ in 0..3 {
        gateway.send(event("late.again")).await;
    }
    wait::until("three events were missed", || async {
        let missed = gateway
            .api()
            .get(&format!("{path}/missed"))
            .await
            .expect(200);
        (missed["data"].as_array().unwrap().len() >= 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_list_of_100_000_events_stays_fluent() {
    const MOST_MS: f64 = 200.0;
    if !tool::is_full("100,000 events in a browser") {
        return;
    }
    let Some(browser) = Browser::find() else {
        return;
    };
    let gateway = Gateway::fresh().await;
    let batch: Vec<_> = (0..10_000)
        .map(|n| json!({"type": "row.imported", "subject": format!("row/{n}"), "data": {"n": n}}))
        .collect();
    for _ in 0..10 {
        gateway
            .api()
            .post("/v1/events/batch", &batch)
            .await
            .expect(202);
    }
    let printed = browser.journey("many", &gateway, &json!({})).await;
    println!("{printed}");
    let (_, median) = printed.split_once("median_ms=").expect("it was measured");
    let median: f64 = median.trim().parse().unwrap();
    assert!(median < MOST_MS, "first paint after {median} ms");
}
