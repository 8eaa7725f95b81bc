//! CloudEvents as the SDKs send them, through the socket and out again.

use hookgate_tests::Gateway;
use hookgate_tests::Receiver;
use reqwest::{Body, Method};
use serde_json::json;

const REQUIRED: [(&str, &str); 4] = [
    ("ce-specversion", "1.0"),
    ("ce-type", "com.example.order"),
    ("ce-source", "/orders"),
    ("ce-id", "a-1"),
];

#[tokio::test]
async fn binary_mode_goes_in_and_its_data_comes_out() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("com.example.*", &receiver).await;
    let mut request = gateway
        .api()
        .request(Method::POST, "/v1/events")
        .header("content-type", "application/json")
        .header("ce-subject", "Order%20%227%22%20%E2%82%AC")
        .header("ce-time", "2026-11-21T21:00:00.123456Z")
        .body(r#"{"n" : 1.0}"#);
    for (name, value) in REQUIRED {
        request = request.header(name, value);
    }
    let again = request.try_clone().unwrap();

    let first = gateway.api().send(request).await.expect(202);
    let second = gateway.api().send(again).await.expect(202);

    assert_eq!(
        (&second["id"], &second["duplicate"]),
        (&first["id"], &json!(true))
    );
    let receipt = &receiver.verified(1).await[0];
    assert_eq!(receipt.data(), r#"{"n" : 1.0}"#);
    let path = format!("/v1/events/{}", first["id"].as_str().unwrap());
    let stored = gateway.api().get(&path).await.expect(200);
    assert_eq!(stored["subject"], "Order \"7\" €");
    assert_eq!(stored["time"], "2026-11-21T21:00:00.123Z");
}

#[tokio::test]
async fn structured_mode_comes_chunked_and_with_a_character_set() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("*", &receiver).await;
    let event = r#"{"id":"1","time":"2026-11-21T21:00:00.000Z","type":"order.paid","source":"/s","specversion":"1.0","sequence":5,"data":{"a": 1}}"#;
    let (head, tail) = event.split_at(40);
    let chunks = [head, tail].map(|chunk| Ok::<_, std::io::Error>(chunk.to_owned()));
    let request = gateway
        .api()
        .request(Method::POST, "/v1/events")
        .header(
            "content-type",
            "application/cloudevents+json; charset=utf-8",
        )
        .body(Body::wrap_stream(futures_util::stream::iter(chunks)));

    gateway.api().send(request).await.expect(202);

    assert_eq!(receiver.verified(1).await[0].data(), r#"{"a": 1}"#);
}

#[tokio::test]
async fn batches_go_in_whole_or_not_at_all() {
    let gateway = Gateway::fresh().await;
    let media_type = "application/cloudevents-batch+json";
    let event =
        |id: &str| json!({"specversion": "1.0", "id": id, "source": "/s", "type": "t", "data": 1});
    let api = gateway.api();
    let post =
        |events: serde_json::Value| api.post_bytes("/v1/events", media_type, events.to_string());

    let empty = post(json!([])).await.expect(202);
    let two = post(json!([event("1"), event("2")])).await.expect(202);
    let again = post(json!([event("2"), event("3")])).await.expect(202);
    let broken = post(json!([event("4"), event("")])).await;

    assert_eq!(empty["events"], json!([]));
    assert_eq!(two["events"].as_array().unwrap().len(), 2);
    assert_eq!(again["events"][0]["duplicate"], true);
    assert_eq!(again["events"][1]["duplicate"], false);
    assert_eq!(broken.expect(400)["errors"][0]["pointer"], "#/1/id");
    let stored = api.get("/v1/events").await.expect(200);
    assert_eq!(stored["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_event_without_data_and_one_of_bytes_go_out_as_json() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("*", &receiver).await;
    let api = gateway.api();
    let mut empty = api.request(Method::POST, "/v1/events");
    for (name, value) in REQUIRED {
        empty = empty.header(name, value);
    }
    api.send(empty).await.expect(202);
    assert_eq!(receiver.verified(1).await[0].json()["data"], json!(null));

    let bytes = json!({"specversion": "1.0", "id": "b", "source": "/s", "type": "t",
        "datacontenttype": "image/png", "data_base64": "AQID"});
    api.post_bytes(
        "/v1/events",
        "application/cloudevents+json",
        bytes.to_string(),
    )
    .await
    .expect(202);
    let body = receiver.verified(2).await[1].json();
    assert_eq!(
        (&body["data_base64"], &body["content_type"]),
        (&json!("AQID"), &json!("image/png"))
    );
}
