//! What must be refused is refused with the right problem, and nothing behind it shows.

use std::time::Duration;

use hookgate_tests::Gateway;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const KEY: &str = "hgk_the-admin-key-of-the-tests-0123456789";

fn check(problem: &Value, (status, name): (u16, &str)) {
    assert_eq!(problem["status"], status, "{problem}");
    assert_eq!(
        problem["type"],
        format!("https://hookgate.dev/problems/{name}"),
        "{problem}"
    );
    for member in ["title", "detail"] {
        assert!(
            problem[member]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn each_bad_event_gets_its_problem() {
    let gateway = Gateway::fresh().await;
    let json = "application/json";
    let deep = format!(
        r#"{{"type":"t","data":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let large = format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat(2 * 1024 * 1024));
    let long_key = format!(r#"{{"type":"t","data":1,"{}":1}}"#, "k".repeat(500_000));
    for (media_type, body, expected) in [
        (json, "", (400, "malformed-json")),
        (json, "{", (400, "malformed-json")),
        (
            json,
            "{\"type\":\"t\",\"data\":NaN}",
            (400, "malformed-json"),
        ),
        (json, "[]", (400, "invalid-event")),
        (json, r#"{"data":1}"#, (400, "invalid-event")),
        (
            json,
            r#"{"type":"a\u0000","data":1}"#,
            (400, "invalid-event"),
        ),
        (
            json,
            r#"{"type":"t","data":"\ud800"}"#,
            (400, "invalid-event"),
        ),
        (
            json,
            r#"{"type":"t","data":1,"tipe":1}"#,
            (400, "invalid-event"),
        ),
        (
            json,
            r#"{"type":"t","data":1,"time":"10000-01-01T00:00:00Z"}"#,
            (400, "invalid-event"),
        ),
        (json, &deep, (400, "invalid-event")),
        (json, &long_key, (400, "invalid-event")),
        (json, &large, (413, "body-too-large")),
        ("text/plain", "{}", (415, "unsupported-media-type")),
        (
            "application/cloudevents+avro",
            "{}",
            (415, "unsupported-media-type"),
        ),
    ] {
        let body = body.to_owned();
        let answer = gateway
            .api()
            .post_bytes("/v1/events", media_type, body)
            .await;
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        check(&answer.json(), expected);
    }
}

#[tokio::test]
async fn whoever_has_no_right_is_told_so_and_no_more() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    let event = json!({"type": "t", "data": 1});
    let post = |key: Option<&'static str>| {
        let api = api.with_key(key);
        let event = event.clone();
        async move { api.post("/v1/events", &event).await.json() }
    };
    check(&post(None).await, (401, "no-key"));
    check(&post(Some("hgk_wrong")).await, (401, "unknown-key"));
    let with = |name: &'static str, value: String| {
        let request = api.with_key(None).request(Method::GET, "/v1/events");
        api.send(request.header(name, value))
    };
    check(
        &with("authorization", format!("Basic {KEY}")).await.json(),
        (401, "no-key"),
    );
    let in_query = format!("/v1/events?key={KEY}");
    check(
        &api.with_key(None).get(&in_query).await.json(),
        (401, "no-key"),
    );
    let viewer = api
        .post("/v1/keys", &json!({"role": "viewer"}))
        .await
        .expect(201);
    let viewer = api.with_key(viewer["key"].as_str());
    check(
        &viewer.post("/v1/events", &event).await.json(),
        (403, "role-forbids"),
    );
    let forged = api
        .with_key(None)
        .get("/v1/events/evt_0000000000000/data?token=AAAA")
        .await;
    check(&forged.json(), (401, "invalid-claim"));
}

#[tokio::test]
async fn what_the_framework_refuses_is_a_problem_too() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    check(&api.get("/v1/nothing").await.json(), (404, "not-found"));
    check(
        &api.get("/v1/events/evt_nonsense").await.json(),
        (404, "not-found"),
    );
    let wrong = api.put("/v1/events", &json!({})).await;
    assert!(wrong.headers["allow"].to_str().unwrap().contains("POST"));
    check(&wrong.json(), (405, "method-not-allowed"));
    check(
        &api.get("/v1/events?limit=many").await.json(),
        (400, "invalid-request"),
    );
    check(
        &api.get("/v1/events?since=yesterday").await.json(),
        (400, "invalid-request"),
    );
    check(
        &api.get("/v1/events?after=evt_x").await.json(),
        (400, "invalid-request"),
    );
    check(
        &api.get("/v1/events?tenant=a%20b").await.json(),
        (400, "invalid-request"),
    );
}

#[tokio::test]
async fn a_bad_subscription_is_told_all_its_mistakes_at_once() {
    let gateway = Gateway::fresh().await;
    let body = json!({"event_types": ["a*"], "target_url": "ftp://x", "filters": [{}],
        "plugins": [{"name": "nobody"}], "delivery": {"ordering": "sometimes"}});
    let answer = gateway.api().post("/v1/subscriptions", &body).await;
    let problem = answer.expect(422);
    check(&problem, (422, "invalid-fields"));
    let pointers: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    for expected in [
        "#/event_types/0",
        "#/target_url",
        "#/filters/0",
        "#/delivery/ordering",
    ] {
        assert!(pointers.contains(&expected), "{expected}: {pointers:?}");
    }
    let later = json!({"ordering": "none", "debounce": null, "auth": null, "signature": "v1"});
    let body =
        json!({"event_types": ["*"], "target_url": "http://127.0.0.1:9/", "delivery": later});
    let answer = gateway.api().post("/v1/subscriptions", &body).await;
    answer.expect(201);
    let body = json!({"event_types": ["*"], "target_url": "http://127.0.0.1:9/",
        "plugins": [{"name": "nobody"}]});
    let answer = gateway.api().post("/v1/subscriptions", &body).await;
    assert_eq!(
        answer.expect(422)["errors"][0]["pointer"],
        "#/plugins/0/name"
    );
}

/// Sends raw bytes and reads until the other side is silent or closes.
async fn raw(gateway: &Gateway, request: &str) -> String {
    let address = gateway.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut answer));
    let count = read.await.expect("an answer in time").unwrap_or(0);
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

#[tokio::test]
async fn a_request_is_judged_by_its_head_before_its_body_is_read() {
    let gateway = Gateway::fresh().await;
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n"
    );
    for (more, status) in [
        ("content-length: 100000000\r\n\r\n", "413"),
        (
            "content-length: 100000000\r\nexpect: 100-continue\r\n\r\n",
            "413",
        ),
        ("content-length: 2\r\nexpect: a-miracle\r\n\r\n", "417"),
        (
            "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        ("content-length: -1\r\n\r\n", "400"),
        (
            "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            "400",
        ),
        ("x y: 1\r\n\r\n", "400"),
        ("x-a: 1\r\n b: 2\r\n\r\n", "400"),
    ] {
        let answer = raw(&gateway, &format!("{head}{more}")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{more:?}: {answer}"
        );
    }
    let many: String = (0..100).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "v".repeat(20_000));
    for fields in [many, long] {
        let answer = raw(&gateway, &format!("{head}{fields}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}
