//! How deliveries go out: with which credentials, at which pace, through what.

use std::time::Duration;

use bytes::Bytes;
use hookgate_tests::{
    Gateway, GatewayOptions, Receiver, Reply, Subscribed, event, fresh_database, wait,
};
use serde_json::{Value, json};

use crate::sources::hex;

/// A server that grants `token` for a long time.
fn grants(token: &str) -> Reply {
    let answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600});
    Reply::Body(200, Bytes::from(answer.to_string()))
}

fn oauth2(server: &Receiver) -> Value {
    json!({"oauth2": {"token_url": server.url("/token"), "client_id": "gate",
        "client_secret": "very-secret-5up3r", "scope": "hooks"}})
}

async fn subscribe(gateway: &Gateway, receiver: &Receiver, delivery: Value) -> Subscribed {
    let body = json!({"event_types": ["*"], "delivery": delivery});
    gateway.subscribe_with(body, receiver).await
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_where_the_receiver_refuses_it() {
    let gateway = Gateway::fresh().await;
    let server = Receiver::answering([grants("first"), grants("second")]).await;
    let receiver = Receiver::answering([
        Reply::Status(200),
        Reply::Status(200),
        Reply::Status(401),
        Reply::Status(200),
    ])
    .await;
    let delivery = json!({"auth": oauth2(&server)});
    let subscribed = subscribe(&gateway, &receiver, delivery).await;

    let mut last = String::new();
    for _ in 0..3 {
        last = gateway.send(event("invoice.paid")).await;
        gateway.delivery_in((&last, &subscribed), "delivered").await;
    }

    let shown = |receipt: &hookgate_tests::Receipt| {
        receipt.header("authorization").map(str::to_owned).unwrap()
    };
    let tokens: Vec<String> = receiver.received(4).await.iter().map(shown).collect();
    assert_eq!(
        tokens,
        [
            "Bearer first",
            "Bearer first",
            "Bearer first",
            "Bearer second"
        ]
    );
    let asked = server.receipts();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=hooks");
    assert!(shown(&asked[0]).starts_with("Basic "));
    let delivery = gateway.delivery_in((&last, &subscribed), "delivered").await;
    assert_eq!(Gateway::attempt_log(&delivery), "1 accepted 200");
}

#[tokio::test]
async fn without_a_token_nothing_goes_out_and_the_attempt_says_why() {
    let gateway = Gateway::fresh().await;
    let denied = json!({"error": "invalid_client", "error_description": "no such client"});
    let server = Receiver::answering([
        Reply::Body(401, Bytes::from(denied.to_string())),
        grants("late"),
    ])
    .await;
    let receiver = Receiver::accepting().await;
    let delivery = json!({"auth": oauth2(&server), "retry_schedule": ["3s"]});
    let subscribed = subscribe(&gateway, &receiver, delivery).await;

    let id = gateway.send(event("invoice.paid")).await;

    let delivery = gateway.delivery_in((&id, &subscribed), "delivered").await;
    let attempts = delivery["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["outcome"], "refused", "{delivery}");
    assert_eq!(
        attempts[0]["status"],
        Value::Null,
        "it is not the receiver's"
    );
    assert_eq!(
        attempts[0]["reason"],
        "no access token: the token endpoint answered 401: invalid_client: no such client"
    );
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn secrets_are_sealed_never_shown_and_kept_by_a_change_that_leaves_them_out() {
    let gateway = Gateway::fresh().await;
    let server = Receiver::answering([grants("a")]).await;
    let receiver = Receiver::accepting().await;
    let auth = oauth2(&server);
    let subscribed = subscribe(&gateway, &receiver, json!({"auth": auth})).await;
    let path = format!("/v1/subscriptions/{}", subscribed.id);

    let shown = gateway.api().get(&path).await.expect(200);
    let mut without = auth.clone();
    without["oauth2"]
        .as_object_mut()
        .unwrap()
        .remove("client_secret");
    assert_eq!(shown["delivery"]["auth"], without);
    let row: String = sqlx::query_scalar("select subscription::text from subscription")
        .fetch_one(&gateway.database().pool().await)
        .await
        .unwrap();
    for text in ["very-secret", &hex(b"very-secret")] {
        assert!(!row.contains(text), "{row}");
    }
    // What was read can be changed and written back: the secret stays.
    let patch = json!({"description": "renamed"});
    gateway.api().patch(&path, &patch).await.expect(200);
    let id = gateway.send(event("invoice.paid")).await;
    gateway.delivery_in((&id, &subscribed), "delivered").await;
    // It goes to nobody new.
    let elsewhere = json!({"delivery": {"auth": {"oauth2": {"token_url": server.url("/other")}}}});
    let problem = gateway.api().patch(&path, &elsewhere).await.expect(422);
    let pointer = "#/delivery/auth/oauth2/client_secret";
    assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    let none = json!({"delivery": {"auth": null}});
    let changed = gateway.api().patch(&path, &none).await.expect(200);
    assert_eq!(changed["delivery"]["auth"], Value::Null);
    assert!(!gateway.log().contains("very-secret"));
}

#[tokio::test]
async fn certificates_and_keys_that_cannot_be_used_are_refused_at_once() {
    let gateway = Gateway::fresh().await;
    for (delivery, pointer, words) in [
        (
            json!({"ca_pem": "no certificate"}),
            "#/delivery/ca_pem",
            "holds no certificate",
        ),
        (
            json!({"auth": {"mtls": {"cert_pem": "-----BEGIN CERTIFICATE-----\nAA", "key_pem": ""}}}),
            "#/delivery/auth/mtls/cert_pem",
            "cannot be read as PEM",
        ),
        (
            json!({"auth": {}}),
            "#/delivery/auth",
            "one of oauth2 and mtls",
        ),
        (
            json!({"auth": {"oauth2": {"token_url": "http://127.0.0.1:1/", "client_id": "a"}}}),
            "#/delivery/auth/oauth2/client_secret",
            "is missing",
        ),
        (
            json!({"auth": {"oauth2": {"token_url": "ftp://a", "client_id": "", "client_secret": "x"}}}),
            "#/delivery/auth/oauth2/client_id",
            "visible ASCII",
        ),
        (
            json!({"headers": {"authorization": "Basic x"}, "auth": {"oauth2":
                {"token_url": "http://127.0.0.1:1/", "client_id": "a", "client_secret": "x"}}}),
            "#/delivery/headers/authorization",
            "contradicts",
        ),
    ] {
        let body = json!({"event_types": ["*"], "target_url": "http://127.0.0.1:1/",
            "delivery": delivery});
        let problem = gateway.api().post("/v1/subscriptions", &body).await;
        let problem = problem.expect(422);
        let first = &problem["errors"][0];
        assert_eq!(first["pointer"], pointer, "{problem}");
        assert!(
            first["detail"].as_str().unwrap().contains(words),
            "{problem}"
        );
    }
}

/// All events come in at one of two nodes. Where each node kept its share, it would take twice as
/// long as the limit says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exact_rate_limit_holds_over_all_nodes_together() {
    const PER_SECOND: u32 = 10;
    const EVENTS: usize = 50;
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    let _other = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    let limit = json!({"per": "1s", "max": PER_SECOND, "exact": true});
    subscribe(&one, &receiver, json!({"rate_limit": limit})).await;

    for _ in 0..EVENTS {
        one.send(event("invoice.paid")).await;
    }

    let receipts = receiver.received(EVENTS).await;
    let took = receipts[EVENTS - 1].arrived_at - receipts[0].arrived_at;
    let wanted = Duration::from_secs(1) * EVENTS as u32 / PER_SECOND;
    assert!(took < wanted * 17 / 10, "{took:?} for {wanted:?}");
    // In no second more than it says: one token may have been saved, and a wait may end a little
    // later than it should.
    for (first, last) in receipts.iter().zip(&receipts[PER_SECOND as usize + 2..]) {
        let span = last.arrived_at - first.arrived_at;
        assert!(span > Duration::from_millis(900), "{span:?}");
    }
}

#[tokio::test]
async fn how_a_receiver_fares_is_shown() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::answering([Reply::Status(503)]).await;
    let delivery = json!({"retry_schedule": ["1s", "1s", "1s", "1s", "1s", "1s"]});
    let subscribed = subscribe(&gateway, &receiver, delivery).await;
    let path = format!("/v1/subscriptions/{}", subscribed.id);
    let health = async || gateway.api().get(&path).await.expect(200)["health"].clone();
    let well = json!({"circuit": "closed", "failures": 0, "held_back_until": null,
        "max_per_second": null});
    assert_eq!(health().await, well);

    for _ in 0..6 {
        gateway.send(event("invoice.paid")).await;
    }
    receiver.received(6).await;
    wait::until("six failures are shown", || async {
        (health().await["failures"].as_u64()? >= 6).then_some(())
    })
    .await;
    receiver.now_answers([Reply::Status(200)]);
    wait::until("it is back on a ramp", || async {
        let health = health().await;
        let rate = health["max_per_second"].as_f64()?;
        (health["failures"] == 0 && rate >= 10.0).then_some(())
    })
    .await;
}

/// Whatever the environment calls a proxy, deliveries and token requests go straight; through the
/// one that Hookgate is given they go all.
#[tokio::test]
async fn the_environment_cannot_reroute_and_the_setting_does() {
    let trap = Receiver::answering([Reply::Status(403)]).await;
    let proxy = trap.url("");
    let database = fresh_database().await;
    let mut options = GatewayOptions::on(&database);
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        options = options.set((name, &proxy));
    }
    let mut gateway = Gateway::start(options.set(("NO_PROXY", ""))).await;
    let server = Receiver::answering([grants("a")]).await;
    let receiver = Receiver::accepting().await;
    let delivery = json!({"auth": oauth2(&server), "retry_schedule": ["1s", "1s"]});
    let subscribed = subscribe(&gateway, &receiver, delivery).await;
    let id = gateway.send(event("invoice.paid")).await;
    gateway.delivery_in((&id, &subscribed), "delivered").await;
    assert_eq!((trap.count(), server.count(), receiver.count()), (0, 1, 1));
    gateway.stop().await;

    let options = GatewayOptions::on(&database).set(("HOOKGATE_EGRESS_PROXY", &proxy));
    let gateway = Gateway::start(options).await;
    let id = gateway.send(event("invoice.paid")).await;
    let delivery = gateway.delivery_in((&id, &subscribed), "dead").await;
    let attempts = delivery["attempts"].as_array().unwrap();
    assert_eq!(
        attempts[0]["reason"],
        "no access token: the token endpoint: the egress proxy answered 403"
    );
    // A failure spares the token's server for two seconds, so not each attempt asks.
    assert!(trap.count() >= 1);
    assert_eq!((server.count(), receiver.count()), (1, 1));
    let request = &trap.receipts()[0];
    assert_eq!(request.method, "CONNECT");
}
