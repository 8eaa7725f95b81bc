//! Rows about the optional patterns of REST Hooks.

use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::bench::{Bench, Fault, ensure, failed, json_of, text};
use super::stage::Act;

pub(super) async fn missed(bench: &Bench) -> Result<String, Fault> {
    let hook = bench
        .subscribe(&["r16.a"], vec![Act::Status(410)], json!({}))
        .await?;
    bench.send("r16.a", "1").await?;
    bench.in_state(&hook, "disabled").await?;
    let event = bench.send("r16.a", "2").await?;
    let path = format!("{}/missed", hook.at());
    if bench.call("GET", &path, None).await?.status == 404 {
        return Err(Fault::Missing("there is no …/missed".to_owned()));
    }
    bench
        .until("what was missed is listed", &path, |value| {
            value.to_string().contains(&event).then_some(())
        })
        .await?;
    bench.now_answers(&hook, vec![Act::Status(200)]);
    bench
        .done("POST", &format!("{}/resume", hook.at()), Some(&json!({})))
        .await?;
    bench
        .done("POST", &format!("{path}/release"), Some(&json!({})))
        .await?;
    bench.delivery(&event, &hook, "delivered").await?;
    Ok("listed, released and delivered".to_owned())
}

pub(super) async fn intent(bench: &Bench) -> Result<String, Fault> {
    let echo = json!({"verification": "echo"});
    let hook = bench
        .subscribe(&["r17.a"], vec![Act::Echo, Act::Status(200)], echo)
        .await?;
    ensure(
        hook.body["state"] == "pending",
        "it is active before anything was agreed",
    )?;
    bench.in_state(&hook, "active").await?;

    let delayed = json!({"verification": "delayed"});
    let later = bench
        .subscribe(&["r17.a"], vec![Act::Status(200)], delayed)
        .await?;
    let came = bench.arrivals(&later, 1).await?;
    let secret = came[0].arrival.header("x-hook-secret").to_owned();
    ensure(!secret.is_empty(), "the handshake has no X-Hook-Secret")?;
    bench.send("r17.a", "1").await?;
    bench.arrivals(&hook, 2).await?;
    ensure(
        bench.came(&later).len() == 1,
        "an event was sent before it was agreed to",
    )?;
    let confirm = format!("{}/confirm", later.at());
    let wrong = json!({"secret": "0".repeat(64)});
    let refused = bench
        .client
        .call_without_key("POST", &confirm, Some(&wrong))
        .await?;
    ensure(refused.status == 401, "a wrong secret is taken")?;
    let right = json!({"secret": secret});
    let taken = bench
        .client
        .call_without_key("POST", &confirm, Some(&right))
        .await?;
    ensure(
        taken.status == 200,
        format!("the secret was answered with {}", taken.status),
    )?;
    bench.send("r17.a", "2").await?;
    bench.arrivals(&later, 2).await?;
    Ok("at once by an echo, and later by bringing the secret back".to_owned())
}

pub(super) async fn signed(bench: &Bench) -> Result<String, Fault> {
    let policy = json!({"delivery": {"hook_signature": true}});
    let hook = bench
        .subscribe(&["r18.a"], vec![Act::Status(200)], policy)
        .await?;
    bench.send("r18.a", "1").await?;
    let came = bench.arrivals(&hook, 1).await?;
    let arrival = &came[0].arrival;
    bench.verify(&hook, arrival)?;
    let secret = text(&hook.body, "secret")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(&arrival.body);
    let expected = HEXLOWER.encode(&mac.finalize().into_bytes());
    ensure(
        arrival.header("x-hook-signature") == expected,
        "X-Hook-Signature is not the HMAC-SHA256 of the body",
    )?;
    Ok("webhook-signature and X-Hook-Signature".to_owned())
}

pub(super) async fn skinny(bench: &Bench) -> Result<String, Fault> {
    let plugin = json!({"plugins": [{"name": "skinny",
        "config": {"keep": ["/id"], "data_url": true}}]});
    let hook = bench
        .subscribe(&["r19.a"], vec![Act::Status(200)], plugin)
        .await?;
    let data = format!(r#"{{"id": 7,  "text": "{}"}}"#, "x".repeat(2000));
    bench.send("r19.a", &data).await?;
    let came = bench.arrivals(&hook, 1).await?;
    let body = json_of(&came[0].arrival)?;
    let sent = came[0].arrival.body.len();
    ensure(sent < data.len(), "the payload is not smaller")?;
    let address = text(&body["data"], "data_url")?;
    let whole = bench.client.fetch(&address).await?;
    ensure(
        whole == data.as_bytes(),
        "the address does not hold the data byte for byte",
    )?;
    Ok(format!(
        "{sent} bytes instead of {}, and the rest behind an address",
        data.len()
    ))
}

pub(super) async fn debounced(bench: &Bench) -> Result<String, Fault> {
    let policy = json!({"delivery": {"debounce":
        {"quiet": "1s", "max_wait": "10s", "keep": "latest"}}});
    let hook = bench
        .subscribe(&["r20.a"], vec![Act::Status(200)], policy)
        .await?;
    for number in 0..5 {
        let body = json!({"type": "r20.a", "tenant": bench.tenant(), "key": "k", "data": number});
        bench.done("POST", "/v1/events", Some(&body)).await?;
    }
    let came = bench.arrivals(&hook, 1).await?;
    let body = json_of(&came[0].arrival)?;
    ensure(body["data"] == 4, "it is not the latest")?;
    ensure(
        bench.came(&hook).len() == 1,
        "more than one delivery for one window",
    )?;
    Ok("one delivery for five updates, the latest".to_owned())
}

pub(super) async fn batched(bench: &Bench) -> Result<String, Fault> {
    let policy = json!({"delivery": {"batch":
        {"max_events": 5, "max_wait": "10s", "max_bytes": 262_144}}});
    let hook = bench
        .subscribe(&["r21.a"], vec![Act::Status(200)], policy)
        .await?;
    for number in 0..5 {
        bench.send("r21.a", &number.to_string()).await?;
    }
    let came = bench.arrivals(&hook, 1).await?;
    bench.verify(&hook, &came[0].arrival)?;
    let body = json_of(&came[0].arrival)?;
    let items = body["items"].as_array().map_or(0, Vec::len);
    ensure(
        items == 5,
        format!("{items} items in the first hook, 5 were sent"),
    )?;
    Ok("five events, one request, one signature".to_owned())
}

pub(super) async fn no_polling(bench: &Bench) -> Result<String, Fault> {
    const EVENTS: usize = 20;
    let hook = bench
        .subscribe(&["r22.a"], vec![Act::Status(200)], json!({}))
        .await?;
    let mut last = String::new();
    for number in 0..EVENTS {
        last = bench.send("r22.a", &number.to_string()).await?;
    }
    bench.delivery(&last, &hook, "delivered").await?;
    let came = bench.arrivals(&hook, EVENTS).await?;
    ensure(
        came.len() == EVENTS,
        format!("{} requests for {EVENTS} events", came.len()),
    )?;
    let polls = Duration::from_secs(86_400).as_secs() / 30;
    Ok(format!(
        "{EVENTS} requests for {EVENTS} events, none while nothing happens; a poll every 30 s asks {polls} times a day"
    ))
}

pub(super) async fn samples(bench: &Bench) -> Result<String, Fault> {
    let hook = bench
        .subscribe(&["r23.a"], vec![Act::Status(200)], json!({}))
        .await?;
    let event = bench.send("r23.a", "23").await?;
    let path = format!("{}/samples", hook.at());
    let answer = bench.call("GET", &path, None).await?;
    if answer.status == 404 {
        return Err(Fault::Missing("there is no …/samples".to_owned()));
    }
    let sample = &answer.value["data"][0];
    ensure(
        sample["id"] == event.as_str(),
        "the newest event is not the first sample",
    )?;
    ensure(sample["data"] == 23, "the sample has other data")?;
    Ok(String::new())
}

pub(super) async fn expiry(bench: &Bench) -> Result<String, Fault> {
    let at = |wait: u64| {
        let at = bench.clock.now().plus(Duration::from_secs(wait));
        json!({"expires_at": at.to_rfc3339()})
    };
    let hook = bench
        .subscribe(&["r24.a"], vec![Act::Status(200)], at(3))
        .await?;
    ensure(
        hook.body["expires_at"].is_string(),
        "the answer does not say when it ends",
    )?;
    bench.in_state(&hook, "expired").await?;
    let renewed = bench.done("PATCH", &hook.at(), Some(&at(3600))).await?;
    ensure(
        renewed["state"] == "active",
        "a later time does not renew it",
    )?;
    bench.send("r24.a", "1").await?;
    bench.arrivals(&hook, 1).await?;
    Ok("ended by the clock, renewed by a later expires_at".to_owned())
}

pub(super) async fn options(bench: &Bench) -> Result<String, Fault> {
    let allow = Act::Headers(200, vec![("webhook-allowed-origin", "*".to_owned())]);
    let asked = json!({"verification": "cloudevents"});
    let hook = bench
        .subscribe(&["r26.a"], vec![allow, Act::Status(200)], asked)
        .await?;
    bench.in_state(&hook, "active").await?;
    bench.send("r26.a", "1").await?;
    let came = bench.arrivals(&hook, 2).await?;
    if came[0].arrival.head.method != "OPTIONS" {
        return failed("the handshake is no OPTIONS request");
    }
    let origin = came[0].arrival.header("webhook-request-origin");
    ensure(
        !origin.is_empty(),
        "the handshake has no WebHook-Request-Origin",
    )?;
    ensure(
        came[1].arrival.header("webhook-request-origin") == origin,
        "the delivery does not carry the origin",
    )?;
    Ok(String::new())
}
