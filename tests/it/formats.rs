//! What goes out: CloudEvents in both forms, signatures of both kinds, and headers that nobody can
//! break out of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hookgate_tests::{Gateway, Receiver, event};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const CLOUD_EVENT: &str = r#"{"specversion":"1.0","id":"42","source":"/shop","type":"order.paid",
    "subject":"Ann \"A\" 100%","region":"eu","tries":3,"data":{ "b" : 1.0e2 }}"#;

async fn subscribe(gateway: &Gateway, receiver: &Receiver, delivery: Value) -> Value {
    let path = receiver.next_path();
    let body =
        json!({"event_types": ["*"], "target_url": receiver.url(&path), "delivery": delivery});
    gateway
        .api()
        .post("/v1/subscriptions", &body)
        .await
        .expect(201)
}

async fn send_cloud_event(gateway: &Gateway) {
    let media_type = "application/cloudevents+json";
    let sent = gateway
        .api()
        .post_bytes("/v1/events", media_type, CLOUD_EVENT)
        .await;
    sent.expect(202);
}

#[tokio::test]
async fn a_cloud_event_goes_out_as_it_came_in_both_forms() {
    let gateway = Gateway::fresh().await;
    let (structured, binary) = (Receiver::accepting().await, Receiver::accepting().await);
    subscribe(
        &gateway,
        &structured,
        json!({"format": "cloudevents-structured"}),
    )
    .await;
    subscribe(&gateway, &binary, json!({"format": "cloudevents-binary"})).await;
    send_cloud_event(&gateway).await;

    let receipt = structured.received(1).await.remove(0);
    assert_eq!(
        receipt.header("content-type"),
        Some("application/cloudevents+json")
    );
    let mut out = receipt.json();
    let came: Value = serde_json::from_str(CLOUD_EVENT).unwrap();
    for (name, value) in came.as_object().unwrap() {
        assert_eq!(out[name], *value, "{name}");
    }
    assert_eq!(out["sequence"].take().as_str().unwrap().len(), 19);
    assert_eq!(receipt.data(), r#"{ "b" : 1.0e2 }"#);

    let receipt = binary.received(1).await.remove(0);
    for (name, value) in [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "42"),
        ("ce-source", "/shop"),
        ("ce-type", "order.paid"),
        ("ce-subject", "Ann%20%22A%22%20100%25"),
        ("ce-region", "eu"),
        ("ce-tries", "3"),
    ] {
        assert_eq!(receipt.header(name), Some(value), "{name}");
    }
    assert_eq!(&*receipt.body, br#"{ "b" : 1.0e2 }"#);
}

#[tokio::test]
async fn what_one_gateway_sends_another_takes_in() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    for format in ["cloudevents-structured", "cloudevents-binary"] {
        subscribe(&gateway, &receiver, json!({"format": format})).await;
    }
    gateway
        .send(event("order.paid").with("subject", "größe €"))
        .await;
    for receipt in receiver.received(2).await {
        let mut request = gateway
            .api()
            .request(reqwest::Method::POST, "/v1/events?tenant=again")
            .body(receipt.body.clone());
        for (name, value) in &receipt.headers {
            let name = name.as_str();
            if name.starts_with("ce-") || name == "content-type" {
                request = request.header(name, value.to_str().unwrap());
            }
        }
        gateway.api().send(request).await.expect(202);
    }
    let list = gateway
        .api()
        .get("/v1/events?tenant=again")
        .await
        .expect(200);
    // The same source and id: the second is a duplicate of the first, in another form.
    let again = list["data"].as_array().unwrap();
    assert_eq!(again.len(), 1, "{list}");
    assert_eq!(again[0]["subject"], "größe €");
    assert_eq!(again[0]["source"], "/tenants/default");
}

#[tokio::test]
async fn a_pair_of_keys_signs_and_its_public_half_verifies() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let made = subscribe(&gateway, &receiver, json!({"signature": "v1a"})).await;
    assert_eq!(made.get("secret"), None);
    gateway.send(event("a.b")).await;
    let receipt = receiver.received(1).await.remove(0);

    let public = made["public_key"]
        .as_str()
        .unwrap()
        .strip_prefix("whpk_")
        .unwrap();
    let public = STANDARD.decode(public).unwrap();
    let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public);
    let header = |name| receipt.header(name).unwrap();
    let signature = header("webhook-signature").strip_prefix("v1a,").unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    let prefix = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp"));
    let message = [prefix.as_bytes(), &receipt.body].concat();
    assert!(public.verify(&message, &signature).is_ok());

    // Another kind of signature is another key; both sign for a day.
    let path = format!("/v1/subscriptions/{}", made["id"].as_str().unwrap());
    let change = json!({"delivery": {"signature": "v1"}});
    let changed = gateway.api().patch(&path, &change).await.expect(200);
    assert_eq!(changed["public_key"], Value::Null);
    receiver.trust((&receipt.path, changed["secret"].as_str().unwrap()));
    gateway.send(event("a.b")).await;
    let receipt = receiver.verified_from(1).await.remove(0);
    let signatures = receipt.header("webhook-signature").unwrap();
    assert!(
        signatures.starts_with("v1,") && signatures.contains(" v1a,"),
        "{signatures}"
    );
}

#[tokio::test]
async fn the_hook_signature_is_the_hmac_of_the_body_in_hex() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let made = subscribe(&gateway, &receiver, json!({"hook_signature": true})).await;
    gateway.send(event("a.b")).await;
    let receipt = receiver.received(1).await.remove(0);
    let secret = made["secret"].as_str().unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&receipt.body);
    let expected: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(receipt.header("x-hook-signature"), Some(&*expected));
}

#[tokio::test]
async fn nobody_writes_a_header_of_the_gateway_s() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    for (name, value) in [
        ("x-a", "1\r\nx-b: 2"),
        ("x-a", "1\nhost: internal"),
        ("x-a", "1\0"),
        ("x-a\r\nx-b", "1"),
        ("x-a: b", "1"),
        ("host", "internal"),
        ("content-length", "0"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-authorization", "x"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("webhook-id", "forged"),
        ("webhook-signature", "v1,forged"),
        ("x-hook-signature", "forged"),
        ("x-hook-secret", "forged"),
        ("ce-id", "forged"),
    ] {
        let headers = json!({name: value});
        let subscription = json!({"event_types": ["*"], "target_url": "http://127.0.0.1:9/",
            "delivery": {"headers": headers}});
        let refused = api
            .post("/v1/subscriptions", &subscription)
            .await
            .expect(422);
        assert_eq!(
            refused["errors"][0]["pointer"], "#/delivery/headers",
            "{name}"
        );
        let event = json!({"type": "a.b", "data": 1, "headers": headers});
        let refused = api.post("/v1/events", &event).await.expect(400);
        assert_eq!(refused["errors"][0]["pointer"], "#/headers", "{name}");
    }
}

#[tokio::test]
async fn a_delivery_is_one_request_on_the_wire() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}/hook", listener.local_addr().unwrap());
    let subscription = json!({"event_types": ["*"], "target_url": target,
        "delivery": {"headers": {"X-Team": "ops"}}});
    api.post("/v1/subscriptions", &subscription)
        .await
        .expect(201);
    gateway
        .send(event("a.b").with("headers", json!({"x-run": "7; \"quoted\""})))
        .await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut wire = Vec::new();
    while !ends_whole(&wire) {
        assert_ne!(stream.read_buf(&mut wire).await.unwrap(), 0);
    }
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    // Whatever else were sent would come before the end.
    assert_eq!(stream.read_to_end(&mut wire).await.unwrap(), 0);
    let wire = String::from_utf8(wire).unwrap();
    let (head, body) = wire.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"));
    assert_eq!(wire.matches("HTTP/1.1").count(), 1, "{wire}");
    let names: Vec<&str> = head
        .lines()
        .skip(1)
        .map(|line| line.split(':').next().unwrap())
        .collect();
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "{head}");
    assert!(
        head.contains("x-team: ops") && head.contains("x-run: 7; \"quoted\""),
        "{head}"
    );
    serde_json::from_str::<Value>(body).unwrap();
}

/// Whether a request with its whole body has arrived.
fn ends_whole(wire: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(wire) else {
        return false;
    };
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| length.parse() == Ok(body.len()))
}
