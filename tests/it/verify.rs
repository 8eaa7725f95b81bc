//! A past delivery can be made again: the same version, config and event give the same bytes.

use hookgate_tests::component::stamping;
use hookgate_tests::{Gateway, Receiver, event};
use serde_json::{Value, json};

async fn push(gateway: &Gateway, component: bytes::Bytes) {
    gateway.push("stamp", component).await.expect(201);
}

fn path(delivery: &Value) -> String {
    format!("/v1/deliveries/{}/verify", delivery["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_delivery_is_made_again_with_the_versions_and_the_config_of_then() {
    let gateway = Gateway::fresh().await;
    let (receiver, api) = (Receiver::accepting().await, gateway.api());
    push(&gateway, stamping(1)).await;
    let keep = json!([{"name": "skinny", "config": {"keep": ["/id"]}}, {"name": "stamp"}]);
    let body = json!({"event_types": ["*"], "plugins": keep});
    let subscribed = gateway.subscribe_with(body, &receiver).await;
    let id = gateway.send(event("a.b")).await;
    let delivery = gateway.delivery_in((&id, &subscribed), "delivered").await;
    let sent = delivery["attempts"][0]["body_sha256"]
        .as_str()
        .unwrap()
        .to_owned();

    let now = api.get(&path(&delivery)).await.expect(200);
    assert_eq!(
        (&now["same"], &now["config_is_current"]),
        (&json!(true), &json!(true)),
        "{now}"
    );
    assert_eq!(
        (now["sent_sha256"].as_str(), now["now_sha256"].as_str()),
        (Some(&*sent), Some(&*sent))
    );
    assert_eq!(now["plugins"][0]["name"], "skinny");

    // Another version, another config, another format: the delivery stays what it was.
    push(&gateway, stamping(2)).await;
    let of = format!("/v1/subscriptions/{}", subscribed.id);
    let other = json!({"plugins": [{"name": "stamp"}], "delivery": {"format": "raw"}});
    api.patch(&of, &other).await.expect(200);
    let later = api.post(&path(&delivery), &json!({})).await.expect(200);
    assert_eq!(
        (&later["same"], &later["config_is_current"]),
        (&json!(true), &json!(false)),
        "{later}"
    );
    assert_eq!(later["plugins"], now["plugins"]);

    // And where what was sent was something else, it says so.
    sqlx::query("update attempt set body_sha256 = sha256('other')")
        .execute(&gateway.database().pool().await)
        .await
        .unwrap();
    let differs = api.get(&path(&delivery)).await.expect(200);
    assert_eq!(differs["same"], false, "{differs}");
}

#[tokio::test]
async fn without_plugins_the_body_is_verified_by_its_time() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let subscribed = gateway.subscribe("*", &receiver).await;
    let id = gateway
        .send(event("a.b").raw_data("{ \"a\" : 1.00 }"))
        .await;
    let delivery = gateway.delivery_in((&id, &subscribed), "delivered").await;
    let verified = gateway.api().get(&path(&delivery)).await.expect(200);
    assert_eq!(verified["same"], true, "{verified}");

    let of = format!("/v1/subscriptions/{}", subscribed.id);
    let raw = json!({"delivery": {"format": "raw"}});
    gateway.api().patch(&of, &raw).await.expect(200);
    let verified = gateway.api().get(&path(&delivery)).await.expect(200);
    assert_eq!(
        (&verified["same"], &verified["config_is_current"]),
        (&json!(true), &json!(false))
    );
}

#[tokio::test]
async fn what_cannot_be_verified_says_why() {
    let gateway = Gateway::fresh().await;
    let (receiver, api) = (Receiver::accepting().await, gateway.api());
    push(&gateway, stamping(1)).await;
    let plugins = json!([{"name": "stamp"}]);
    let body = json!({"event_types": ["*"], "plugins": plugins});
    let subscribed = gateway.subscribe_with(body, &receiver).await;
    let crashed = gateway.send(event("a.b").data(&json!(2))).await;
    let fine = gateway.send(event("a.b")).await;
    let delivery = gateway.delivery_in((&fine, &subscribed), "delivered").await;
    let list = format!("/v1/deliveries?event={crashed}");
    let waiting = api.get(&list).await.expect(200)["data"][0].clone();

    let nothing = api.get(&path(&waiting)).await;
    assert_eq!(nothing.status, 409, "{}", nothing.text());
    let unknown = format!("{}?attempt=7", path(&delivery));
    assert_eq!(api.get(&unknown).await.status, 404);
    let made = api
        .post("/v1/keys", &json!({"role": "viewer", "tenant": "other"}))
        .await
        .expect(201);
    let stranger = api.with_key(made["key"].as_str());
    assert_eq!(stranger.get(&path(&delivery)).await.status, 404);

    api.delete(&format!("/v1/events/{fine}")).await;
    let erased = api.get(&path(&delivery)).await;
    assert_eq!(erased.status, 409, "{}", erased.text());
    assert!(erased.text().contains("erased"), "{}", erased.text());
}
