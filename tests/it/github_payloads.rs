//! Real payloads: all of GitHub's published examples through three subscriptions, each byte, each
//! signature and each drop checked.
//!
//! The payloads (npm package `@octokit/webhooks-examples`, MIT) are not in this repository. The
//! folder that holds their `index.json` comes in `HOOKGATE_GITHUB_PAYLOADS`; `cargo xtask test`
//! fetches them and sets it.

use std::path::PathBuf;

use hookgate_tests::{Gateway, Receipt, Receiver, event};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The release of the package that the numbers below belong to has so many, or more.
const AT_LEAST: usize = 329;
const REPOSITORY: &str = "Codertocat/Hello-World";
const ACTIONS: [&str; 3] = ["created", "opened", "completed"];
const KEPT: [&str; 3] = ["/action", "/repository/full_name", "/sender/login"];

pub(crate) struct Payload {
    pub(crate) event_type: String,
    /// As it stands in the file.
    pub(crate) text: Box<RawValue>,
    pub(crate) value: Value,
}

#[derive(serde::Deserialize)]
struct Example {
    name: String,
    examples: Vec<Box<RawValue>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_real_payload_arrives_whole_matched_or_skinny() {
    let Some(payloads) = payloads() else {
        eprintln!(
            "LEFT OUT: HOOKGATE_GITHUB_PAYLOADS is not set. `cargo xtask test` fetches the payloads; \
             by hand: `npm pack @octokit/webhooks-examples`, unpack it, and name its folder \
             `package/api.github.com` in that variable."
        );
        return;
    };
    assert!(
        payloads.len() >= AT_LEAST,
        "only {} payloads",
        payloads.len()
    );
    let gateway = Gateway::fresh().await;
    let [plain, matched, skinny] = [
        Receiver::accepting().await,
        Receiver::accepting().await,
        Receiver::accepting().await,
    ];
    gateway.subscribe("*", &plain).await;
    subscribe(
        &gateway,
        &matched,
        json!({"name": "match", "config": {"all": [
            {"pointer": "/repository/full_name", "eq": REPOSITORY},
            {"pointer": "/action", "in": ACTIONS},
        ]}}),
    )
    .await;
    subscribe(
        &gateway,
        &skinny,
        json!({"name": "skinny", "config": {"keep": KEPT, "data_url": true}}),
    )
    .await;

    let mut ids = Vec::new();
    for payload in &payloads {
        let event = event(&payload.event_type).raw_data(payload.text.get());
        ids.push(gateway.send(event).await);
    }
    gateway.settled().await;

    let all: Vec<&Payload> = payloads.iter().collect();
    let wanted: Vec<&Payload> = payloads
        .iter()
        .filter(|payload| is_wanted(&payload.value))
        .collect();
    assert!(wanted.len() > 20 && wanted.len() < all.len());
    compare(&plain, (&ids, &payloads), &all, |receipt, payload| {
        assert_eq!(receipt.data(), payload.text.get());
    });
    compare(&matched, (&ids, &payloads), &wanted, |receipt, payload| {
        assert_eq!(receipt.data(), payload.text.get());
    });
    compare(&skinny, (&ids, &payloads), &all, |receipt, payload| {
        let mut data = receipt.json()["data"].clone();
        let url = data.as_object_mut().unwrap().remove("data_url").unwrap();
        assert!(url.as_str().unwrap().contains("/data?token="), "{url}");
        assert_eq!(data, kept_of(&payload.value));
    });

    claim_check_is_honoured(&gateway, &skinny.receipts()[0], (&ids, &payloads)).await;
}

/// The address in a skinny delivery hands over, without a key, what the delivery left out.
async fn claim_check_is_honoured(
    gateway: &Gateway,
    receipt: &Receipt,
    (ids, payloads): (&[String], &[Payload]),
) {
    let body = receipt.json();
    let url = body["data"]["data_url"].as_str().unwrap();
    let (_, path) = url.split_once("/v1/").unwrap();
    let api = gateway.api().with_key(None);

    let whole = api.get(&format!("/v1/{path}")).await;

    let index = ids.iter().position(|id| body["id"] == id.as_str());
    let payload = &payloads[index.unwrap()];
    assert_eq!(
        (whole.status, whole.text().as_str()),
        (200, payload.text.get())
    );
}

async fn subscribe(gateway: &Gateway, receiver: &Receiver, plugin: Value) {
    let body = json!({"event_types": ["*"], "plugins": [plugin]});
    gateway.subscribe_with(body, receiver).await;
}

/// Exactly the `expected` payloads arrived, each once, signed, and as `check` says.
fn compare(
    receiver: &Receiver,
    (ids, payloads): (&[String], &[Payload]),
    expected: &[&Payload],
    check: impl Fn(&Receipt, &Payload),
) {
    let receipts = receiver.receipts();
    assert_eq!(receipts.len(), expected.len());
    let mut seen = std::collections::BTreeSet::new();
    for receipt in &receipts {
        receiver.verify(receipt);
        let body = receipt.json();
        let id = body["id"].as_str().unwrap().to_owned();
        let index = ids.iter().position(|sent| *sent == id).unwrap();
        let payload = &payloads[index];
        assert!(
            expected.iter().any(|wanted| std::ptr::eq(*wanted, payload)),
            "{}",
            payload.event_type
        );
        assert_eq!(body["type"], payload.event_type.as_str());
        assert!(seen.insert(id), "arrived twice");
        check(receipt, payload);
    }
}

fn is_wanted(value: &Value) -> bool {
    let action = value["action"].as_str().unwrap_or_default();
    value["repository"]["full_name"] == REPOSITORY && ACTIONS.contains(&action)
}

/// What `skinny` must leave, worked out without it.
fn kept_of(value: &Value) -> Value {
    let mut kept = json!({});
    for pointer in KEPT {
        let Some(found) = value.pointer(pointer) else {
            continue;
        };
        let mut place = &mut kept;
        for step in pointer.split('/').skip(1) {
            place = &mut place[step];
        }
        *place = found.clone();
    }
    kept
}

pub(crate) fn payloads() -> Option<Vec<Payload>> {
    let folder = PathBuf::from(std::env::var_os("HOOKGATE_GITHUB_PAYLOADS")?);
    let text = std::fs::read_to_string(folder.join("index.json")).unwrap();
    let examples: Vec<Example> = serde_json::from_str(&text).unwrap();
    let payloads = examples.into_iter().flat_map(|example| {
        let name = example.name;
        example.examples.into_iter().map(move |text| {
            let value: Value = serde_json::from_str(text.get()).unwrap();
            let event_type = match value["action"].as_str() {
                Some(action) => format!("{name}.{action}"),
                None => name.clone(),
            };
            Payload {
                event_type,
                text,
                value,
            }
        })
    });
    Some(payloads.collect())
}
