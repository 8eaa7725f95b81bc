//! Inbound sources: what providers sign becomes an event once, and nobody else gets anything in.

use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hookgate_tests::cli::Cli;
use hookgate_tests::{Answer, Api, Gateway, GatewayOptions, Receiver, event, fresh_database};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::AsyncWriteExt as _;

const SECRET: &str = "It's a Secret to Everybody";

fn signed(secret: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// What follows the host of a source's address.
fn path(source: &Value) -> String {
    let url = source["url"].as_str().unwrap();
    let (_, address) = url.split_once("/in/").unwrap();
    assert!(address.len() >= 40, "guessable: {address}");
    format!("/in/{address}")
}

async fn post(api: &Api, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = api.with_key(None).request(Method::POST, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(body.to_owned())).await
}

async fn make(gateway: &Gateway, form: Value) -> Value {
    let made = gateway.api().post("/v1/sources", &form).await.expect(201);
    assert_eq!(made["applied"], true);
    made
}

async fn github(api: &Api, path: &str, (secret, delivery, body): (&str, &str, &str)) -> Answer {
    let signature = format!(
        "sha256={}",
        hex(&signed(secret.as_bytes(), body.as_bytes()))
    );
    let headers = [
        ("content-type", "application/json"),
        ("x-github-event", "push"),
        ("x-github-delivery", delivery),
        ("x-hub-signature-256", &signature),
    ];
    post(api, path, &headers, body).await
}

#[tokio::test]
async fn a_signed_request_is_stored_byte_for_byte_and_delivered_once() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let form = json!({"event_types": ["github.*"], "delivery": {"format": "raw"},
        "filters": [{"exact": {"source": "ci"}}]});
    let subscribed = gateway.subscribe_with(form, &receiver).await;
    let verify = json!({"kind": "github", "secret": SECRET});
    let made = make(&gateway, json!({"name": "ci", "verify": verify})).await;
    assert!(!made.to_string().contains("Everybody"), "{made}");
    assert!(
        made.get("secret").is_none(),
        "only what is made here is shown"
    );
    let path = path(&made);

    let body = "{ \"ref\" : \"refs/heads/main\",\n \"n\": 1.50 }";
    let sent = github(gateway.api(), &path, (SECRET, "d-1", body)).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let id = sent.json()["events"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(sent.json()["events"][0]["duplicate"], false);
    gateway.delivery_in((&id, &subscribed), "delivered").await;
    let receipts = receiver.verified(1).await;
    assert_eq!(&receipts[0].body[..], body.as_bytes());
    let stored = gateway
        .api()
        .get(&format!("/v1/events/{id}"))
        .await
        .expect(200);
    assert_eq!(stored["type"], "github.push");
    assert_eq!(stored["source"], "ci");
    assert_eq!(stored["producer_id"], "d-1");

    // Sent again by the provider, also with another body: known by its id.
    for body in [body, "{}"] {
        let again = github(gateway.api(), &path, (SECRET, "d-1", body)).await;
        assert_eq!(again.status, 200, "{}", again.text());
        assert_eq!(again.json()["events"][0]["id"], id.as_str());
        assert_eq!(again.json()["events"][0]["duplicate"], true);
    }
    gateway.settled().await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn who_is_not_believed_learns_nothing_and_the_operator_sees_why() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    let verify = json!({"kind": "github", "secret": SECRET});
    let made = make(&gateway, json!({"name": "ci", "verify": verify})).await;
    let path = path(&made);
    let private = "{\"card\": \"4242-private\"}";

    let wrong = github(api, &path, ("another secret", "d-1", private)).await;
    let unsigned = post(api, &path, &[("x-github-event", "push")], private).await;
    assert_eq!((wrong.status, unsigned.status), (401, 401));
    assert_eq!(wrong.text(), unsigned.text(), "the same, whatever is wrong");
    assert_eq!(
        wrong.json()["type"],
        "https://hookgate.dev/problems/not-verified"
    );
    assert!(!wrong.text().contains("signature"), "{}", wrong.text());
    assert_eq!(post(api, "/in/nowhere", &[], "{}").await.status, 404);
    let large = "x".repeat(2 << 20);
    assert_eq!(
        github(api, &path, (SECRET, "d-2", &large)).await.status,
        413
    );

    let id = made["id"].as_str().unwrap();
    let seen = api.get(&format!("/v1/sources/{id}")).await.expect(200);
    assert_eq!(
        (&seen["seen"]["refused"], &seen["seen"]["accepted"]),
        (&json!(3), &json!(0))
    );
    let failures = seen["seen"]["last_failures"].as_array().unwrap();
    let kinds: Vec<&str> = failures
        .iter()
        .map(|one| one["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["body", "header", "signature"]);
    let metrics = api.get("/metrics").await.text();
    let series = "hookgate_source_requests_total{outcome=\"refused\",reason=\"signature\"} 1";
    assert!(metrics.contains(series), "{metrics}");
    let log = gateway.log();
    assert!(log.contains("requests at a source are refused"), "{log}");
    let address = path.strip_prefix("/in/").unwrap();
    for secret in ["4242-private", "another secret", "sha256=", SECRET, address] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let listed = api.get("/v1/events").await.expect(200);
    assert_eq!(listed["data"], json!([]), "nothing was stored");
}

#[tokio::test]
async fn secrets_overlap_on_every_node_and_lie_sealed() {
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    let other = Gateway::start(GatewayOptions::on(&database)).await;
    let made = make(&one, json!({"name": "ci", "verify": {"kind": "github"}})).await;
    let first = made["secret"].as_str().unwrap().to_owned();
    let path = path(&made);
    let id = made["id"].as_str().unwrap();
    let send = async |gateway: &Gateway, secret: &str| {
        github(gateway.api(), &path, (secret, "d", "{}"))
            .await
            .status
    };
    assert_eq!(send(&other, &first).await, 200, "at once, on every node");

    let rotate = format!("/v1/sources/{id}/secret/rotate");
    let rotated = one
        .api()
        .post(&rotate, &json!({"overlap": "1h"}))
        .await
        .expect(200);
    let second = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert!(rotated["old_secret_until"].is_string());
    for secret in [&first, &second] {
        assert_eq!(send(&other, secret).await, 200);
    }
    let given = json!({"secret": "a secret of the provider", "overlap": "0s"});
    let rotated = one.api().post(&rotate, &given).await.expect(200);
    assert!(rotated.get("secret").is_none());
    assert_eq!(send(&other, "a secret of the provider").await, 200);
    for secret in [&first, &second] {
        assert_eq!(send(&other, secret).await, 401);
    }
    let pool = database.pool().await;
    let query = "select row_to_json(s)::text || encode(sealed_secret, 'escape') from source s";
    let row: String = sqlx::query_scalar(query).fetch_one(&pool).await.unwrap();
    assert!(!row.contains("a secret of the provider"), "{row}");

    // Rules that the kept secret does not fit would refuse everything, and say so beforehand.
    let plain = json!({"name": "plain", "verify": {"kind": "hmac", "header": "x-sig", "secret": "not in hex at all"}});
    let plain = make(&one, plain).await;
    let path = format!("/v1/sources/{}", plain["id"].as_str().unwrap());
    let mut changed = json!({"name": "plain", "verify": {"kind": "hmac", "header": "x-sig", "secret_encoding": "hex"}});
    let refused = one.api().put(&path, &changed).await.expect(422);
    assert_eq!(
        refused["errors"][0]["pointer"], "#/verify/secret",
        "{refused}"
    );
    assert!(
        refused["detail"].as_str().unwrap().contains("does not fit"),
        "{refused}"
    );
    changed["verify"]["secret"] = json!("6b65792d6f662d7465737473");
    one.api().put(&path, &changed).await.expect(200);

    one.api()
        .delete(&format!("/v1/sources/{id}"))
        .await
        .expect(204);
    one.api()
        .delete(&format!("/v1/sources/{id}"))
        .await
        .expect(204);
    for gateway in [&one, &other] {
        assert_eq!(send(gateway, "a secret of the provider").await, 404);
    }
    // Its name is free again.
    make(&one, json!({"name": "ci", "verify": {"kind": "github"}})).await;
}

#[tokio::test]
async fn signed_times_are_held_against_the_databases_clock() {
    let gateway = Gateway::fresh().await;
    let verify = json!({"kind": "stripe", "secret": "whsec_stripe", "tolerance": "1m"});
    let stripe = make(&gateway, json!({"name": "pay", "verify": verify})).await;
    let path = path(&stripe);
    let body = r#"{"id":"evt_1","type":"charge.succeeded","pending_webhooks":1}"#;
    let send = async |at: i64| {
        let signature = signed(b"whsec_stripe", format!("{at}.{body}").as_bytes());
        let value = format!("t={at},v1={}", hex(&signature));
        let headers = [
            ("stripe-signature", &*value),
            ("content-type", "application/json"),
        ];
        post(gateway.api(), &path, &headers, body).await
    };
    for at in [now() - 120, now() + 120] {
        assert_eq!(send(at).await.status, 401);
    }
    let sent = send(now()).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let id = stripe["id"].as_str().unwrap();
    let seen = gateway
        .api()
        .get(&format!("/v1/sources/{id}"))
        .await
        .expect(200);
    let reason = seen["seen"]["last_failures"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("away from now by the database's clock, 1m are allowed"),
        "{reason}"
    );
    let listed = gateway
        .api()
        .get("/v1/events?type=stripe.*")
        .await
        .expect(200);
    assert_eq!(listed["data"][0]["type"], "stripe.charge.succeeded");
    assert_eq!(listed["data"][0]["producer_id"], "evt_1");
}

#[tokio::test]
async fn challenges_are_answered_where_they_were_asked_for() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api().with_key(None);
    let slack = make(
        &gateway,
        json!({"name": "slack", "verify": {"kind": "slack"}}),
    )
    .await;
    assert_eq!(
        slack["has_secret"], false,
        "the provider has yet to show it"
    );
    let body = r#"{"type":"url_verification","challenge":"3eZbrw1a"}"#;
    let send = async || {
        let at = now().to_string();
        let content = format!("v0:{at}:{body}");
        let signature = format!("v0={}", hex(&signed(b"slack-secret", content.as_bytes())));
        let headers = [
            ("x-slack-signature", &*signature),
            ("x-slack-request-timestamp", &*at),
        ];
        post(&api, &path(&slack), &headers, body).await
    };
    assert_eq!(send().await.status, 401);
    let rotate = format!(
        "/v1/sources/{}/secret/rotate",
        slack["id"].as_str().unwrap()
    );
    let secret = json!({"secret": "slack-secret"});
    gateway.api().post(&rotate, &secret).await.expect(200);
    let answer = send().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "3eZbrw1a"));
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");

    let meta = json!({"name": "meta", "verify": {"kind": "hmac", "header": "x-hub-signature-256",
        "prefix": "sha256="}, "challenges": {"meta": true}, "verify_token": "meta-token",
        "type_from": {"pointer": "/object", "prefix": "meta."}});
    let meta = make(&gateway, meta).await;
    assert!(!meta.to_string().contains("meta-token"), "{meta}");
    let ask = async |token: &str| {
        let query = format!("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}");
        api.get(&format!("{}?{query}", path(&meta))).await
    };
    assert_eq!(ask("meta-token").await.text(), "1158201444");
    assert_eq!(ask("guessed").await.status, 404);

    let websub = json!({"name": "feed", "verify": {"kind": "hmac", "header": "x-hub-signature"},
        "challenges": {"websub": {"topics": ["https://a.example/feed"]},
                       "cloudevents": {"origins": ["grid.example"], "rate": 120}}});
    let websub = make(&gateway, websub).await;
    let query = "hub.mode=subscribe&hub.topic=https%3A%2F%2Fa.example%2Ffeed&hub.challenge=%3Cb%3E";
    let answer = api.get(&format!("{}?{query}", path(&websub))).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "<b>"));
    let options = async |origin: &str| {
        let request = api.request(Method::OPTIONS, &path(&websub));
        api.send(request.header("webhook-request-origin", origin))
            .await
    };
    let allowed = options("grid.example").await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.headers["webhook-allowed-origin"], "grid.example");
    assert_eq!(allowed.headers["webhook-allowed-rate"], "120");
    assert_eq!(options("other.example").await.status, 404);
    // A source that asked for nothing says nothing.
    assert_eq!(api.get(&path(&slack)).await.status, 405);
    let listed = gateway.api().get("/v1/events").await.expect(200);
    assert_eq!(listed["data"], json!([]), "challenges are no events");
}

#[tokio::test]
async fn a_hook_secret_is_learnt_once_and_then_verifies() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    let form = json!({"name": "tasks", "challenges": {"x_hook_secret": true},
        "verify": {"kind": "hmac", "header": "x-hook-signature"}, "id_from": {"pointer": "/n"}});
    let made = make(&gateway, form).await;
    assert_eq!(made["has_secret"], false);
    let path = path(&made);
    let greet = async |secret: &str| post(api, &path, &[("x-hook-secret", secret)], "").await;

    let greeted = greet("b537207f20cbfa02357cf448134da559").await;
    assert_eq!(greeted.status, 200, "{}", greeted.text());
    assert_eq!(
        greeted.headers["x-hook-secret"],
        "b537207f20cbfa02357cf448134da559"
    );
    assert_eq!(greet("b537207f20cbfa02357cf448134da559").await.status, 200);
    assert_eq!(greet("somebody-elses-secret").await.status, 401);
    let body = r#"{"n": 1}"#;
    let signature = hex(&signed(
        b"b537207f20cbfa02357cf448134da559",
        body.as_bytes(),
    ));
    for duplicate in [false, true] {
        let sent = post(api, &path, &[("x-hook-signature", &signature)], body).await;
        assert_eq!(sent.status, 200, "{}", sent.text());
        assert_eq!(sent.json()["events"][0]["duplicate"], duplicate);
    }
}

/// What one Hookgate sends another takes: the wire is the same standard.
#[tokio::test]
async fn deliveries_of_a_gateway_come_in_at_a_source_of_another() {
    let sending = Gateway::fresh().await;
    let taking = Gateway::fresh().await;
    let form = json!({"name": "upstream", "verify": {"kind": "standard-webhooks"}});
    let made = make(&taking, form).await;
    let wish = json!({"event_types": ["invoice.*"], "target_url": made["url"]});
    let subscribed = sending
        .api()
        .post("/v1/subscriptions", &wish)
        .await
        .expect(201);
    let rotate = format!("/v1/sources/{}/secret/rotate", made["id"].as_str().unwrap());
    let secret = json!({"secret": subscribed["secret"]});
    taking.api().post(&rotate, &secret).await.expect(200);

    sending.send(event("invoice.paid")).await;
    sending.settled().await;
    let listed = taking.api().get("/v1/events").await.expect(200);
    assert_eq!(listed["data"][0]["type"], "invoice.paid", "{listed}");
    assert_eq!(listed["data"][0]["source"], "upstream");
}

#[tokio::test]
async fn plugins_verify_what_the_gateway_does_not_know() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    let verify = json!({"kind": "plugin", "name": "stripe", "secret": "whsec_first"});
    let made = make(&gateway, json!({"name": "pay", "verify": verify})).await;
    let path = path(&made);
    let body = r#"{"id":"evt_9","object":"event","type":"charge.succeeded","created":1700000000,"data":{"object":{"id":"ch_1"}}}"#;
    let send = async |secret: &str| {
        let at = now();
        let signature = signed(secret.as_bytes(), format!("{at}.{body}").as_bytes());
        let value = format!("t={at},v1={}", hex(&signature));
        post(api, &path, &[("stripe-signature", &value)], body).await
    };
    let sent = send("whsec_first").await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let id = sent.json()["events"][0]["id"].as_str().unwrap().to_owned();
    let stored = api.get(&format!("/v1/events/{id}")).await.expect(200);
    assert_eq!(stored["type"], "stripe.charge.succeeded");
    assert_eq!(
        (&stored["subject"], &stored["source"]),
        (&json!("ch_1"), &json!("pay"))
    );
    let data = api.get(&format!("/v1/events/{id}/data")).await;
    assert_eq!(data.text(), body, "byte for byte");
    assert_eq!(send("whsec_other").await.status, 401);

    // Both secrets of a rotation are shown to it.
    let rotate = format!("/v1/sources/{}/secret/rotate", made["id"].as_str().unwrap());
    let secret = json!({"secret": "whsec_second"});
    api.post(&rotate, &secret).await.expect(200);
    for secret in ["whsec_first", "whsec_second"] {
        assert_eq!(send(secret).await.json()["events"][0]["duplicate"], true);
    }
    let deleted = api.delete("/v1/plugins/stripe").await;
    assert_eq!(deleted.status, 409, "{}", deleted.text());
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one journey")]
async fn sources_belong_to_their_tenant_and_say_what_is_wrong_with_them() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    let key = async |role: &str| {
        let form = json!({"role": role, "tenant": "acme"});
        let made = api.post("/v1/keys", &form).await.expect(201);
        api.with_key(made["key"].as_str())
    };
    let (own, viewer, publisher) = (
        key("subscriber").await,
        key("viewer").await,
        key("publisher").await,
    );
    let form = json!({"name": "ci", "verify": {"kind": "github"}});
    let made = own.post("/v1/sources", &form).await.expect(201);
    assert_eq!(made["tenant"], "acme");
    let one = format!("/v1/sources/{}", made["id"].as_str().unwrap());
    assert_eq!(viewer.get(&one).await.status, 200);
    for stranger in [&viewer, &publisher] {
        assert_eq!(stranger.post("/v1/sources", &form).await.status, 403);
        assert_eq!(stranger.delete(&one).await.status, 403);
    }
    let taken = own.post("/v1/sources", &form).await;
    assert_eq!(taken.status, 409, "{}", taken.text());
    let foreign = make(&gateway, form.clone()).await;
    let foreign = format!("/v1/sources/{}", foreign["id"].as_str().unwrap());
    assert_eq!(own.get(&foreign).await.status, 404);
    assert_eq!(own.put(&foreign, &form).await.status, 404);
    let listed = own.get("/v1/sources").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);

    // Its events are its tenant's, whatever they say.
    let secret = made["secret"].as_str().unwrap();
    let sent = github(api, &path(&made), (secret, "d", "{\"tenant\": \"other\"}")).await;
    assert_eq!(sent.status, 200);
    let events = own.get("/v1/events").await.expect(200);
    assert_eq!(events["data"][0]["tenant"], "acme");

    // Read, changed and written back, it keeps its secret.
    let changed =
        json!({"name": "ci-2", "verify": made["verify"], "type_from": {"text": "ci.ran"}});
    let changed = own.put(&one, &changed).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["has_secret"]),
        (&json!("ci-2"), &json!(true))
    );
    assert_eq!(changed["url"], made["url"]);
    assert_eq!(
        github(api, &path(&made), (secret, "d-2", "{}"))
            .await
            .status,
        200
    );

    for (body, pointer) in [
        (json!({"verify": {"kind": "github"}}), "#/name"),
        (
            json!({"name": "a b", "verify": {"kind": "github"}}),
            "#/name",
        ),
        (json!({"name": "a"}), "#/verify"),
        (
            json!({"name": "a", "verify": {"kind": "gitlab"}}),
            "#/verify",
        ),
        (
            json!({"name": "a", "verify": {"kind": "github", "secret": "short"}}),
            "#/verify/secret",
        ),
        (
            json!({"name": "a", "verify": {"kind": "standard-webhooks", "secret": "whsec_???????"}}),
            "#/verify/secret",
        ),
        (
            json!({"name": "a", "verify": {"kind": "hmac", "header": "x", "signed": "no"}}),
            "#/verify/signed",
        ),
        (
            json!({"name": "a", "verify": {"kind": "plugin", "name": "nobody"}}),
            "#/verify/name",
        ),
        (
            json!({"name": "a", "verify": {"kind": "github"}, "type_from": {}}),
            "#/type_from",
        ),
        (
            json!({"name": "a", "verify": {"kind": "github"}, "id_from": {"pointer": "id"}}),
            "#/id_from",
        ),
        (
            json!({"name": "a", "verify": {"kind": "github"}, "challenges": {"mata": true}}),
            "#/challenges",
        ),
        (
            json!({"name": "a", "verify": {"kind": "github"}, "typefrom": {}}),
            "#/typefrom",
        ),
    ] {
        let refused = api.post("/v1/sources", &body).await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.text());
        assert_eq!(
            refused.json()["errors"][0]["pointer"],
            pointer,
            "{}",
            refused.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_makes_lists_rotates_and_deletes() {
    let gateway = Gateway::fresh().await;
    let cli = Cli::of(&gateway);
    let made = cli
        .run(&["sources", "create", "github", "--name", "ci", "--json"])
        .await
        .good();
    let made: Value = serde_json::from_str(&made).unwrap();
    let (id, secret) = (
        made["id"].as_str().unwrap(),
        made["secret"].as_str().unwrap(),
    );
    let hmac = cli
        .run(&[
            "sources",
            "create",
            "hmac",
            "--name",
            "shop",
            "--secret",
            "a-long-secret",
            "--with",
            "{\"header\": \"x-sign\"}",
            "--type-from",
            "header=x-topic",
            "--prefix",
            "shop.",
            "--id-from",
            "header=x-id",
        ])
        .await
        .good();
    assert!(hmac.contains("Give the provider the address:"), "{hmac}");
    assert!(!hmac.contains("a-long-secret"), "{hmac}");
    let stripe = cli
        .run(&["sources", "create", "stripe", "--name", "pay"])
        .await
        .good();
    assert!(stripe.contains("rotate src_"), "{stripe}");
    let listed = cli.run(&["sources", "list"]).await.good();
    for part in ["SOURCE", "ci", "hmac", "stripe", "/in/"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }

    let sent = github(gateway.api(), &path(&made), (secret, "d", "{}")).await;
    assert_eq!(sent.status, 200);
    let got = cli.run(&["sources", "get", id]).await.good();
    assert!(got.contains("accepted: 1"), "{got}");
    let words = ["sources", "rotate", id, "--secret", "-", "--overlap", "0s"];
    let mut command = cli.command(&cli.path("."), &words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut rotating = command.spawn().unwrap();
    let mut input = rotating.stdin.take().unwrap();
    input.write_all(b"from-standard-input\n").await.unwrap();
    drop(input);
    assert!(rotating.wait_with_output().await.unwrap().status.success());
    let sent = github(
        gateway.api(),
        &path(&made),
        ("from-standard-input", "d-2", "{}"),
    )
    .await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let deleted = cli.run(&["sources", "delete", id]).await.good();
    assert!(deleted.contains("takes nothing more"), "{deleted}");
    let wrong = cli
        .run(&["sources", "create", "gitlab", "--name", "x"])
        .await
        .refused();
    assert!(wrong.contains("standard-webhooks"), "{wrong}");
}

#[tokio::test]
async fn shopify_and_generic_senders_are_known_by_their_own_ids() {
    let gateway = Gateway::fresh().await;
    let api = gateway.api();
    let verify = json!({"kind": "shopify", "secret": "shop-secret"});
    let shopify = make(&gateway, json!({"name": "shop", "verify": verify})).await;
    let body = r#"{"id":820982911946154508}"#;
    let signature = STANDARD.encode(signed(b"shop-secret", body.as_bytes()));
    let headers = [
        ("x-shopify-hmac-sha256", &*signature),
        ("x-shopify-topic", "orders/create"),
        ("x-shopify-webhook-id", "w-1"),
    ];
    for duplicate in [false, true] {
        let sent = post(api, &path(&shopify), &headers, body).await;
        assert_eq!(sent.status, 200, "{}", sent.text());
        assert_eq!(sent.json()["events"][0]["duplicate"], duplicate);
    }
    let listed = api
        .get("/v1/events?type=shopify.orders.*")
        .await
        .expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}
