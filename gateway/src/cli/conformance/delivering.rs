//! Rows about deliveries, and about what receivers answer.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bench::{Bench, Fault, Hook, ensure, json_of};
use super::stage::Act;

/// Waits of a second, as many as are wanted.
fn quick(waits: usize) -> Value {
    json!({"delivery": {"retry_schedule": vec!["1s"; waits]}})
}

fn attempts(delivery: &Value) -> usize {
    delivery["attempts"].as_array().map_or(0, Vec::len)
}

async fn delivered(bench: &Bench, event: &str, hook: &Hook, tries: usize) -> Result<(), Fault> {
    let delivery = bench.delivery(event, hook, "delivered").await?;
    let made = attempts(&delivery);
    ensure(
        made == tries,
        format!("{made} attempts are on record, {tries} were made"),
    )
}

pub(super) async fn payload(bench: &Bench) -> Result<String, Fault> {
    let hook = bench
        .subscribe(&["r5.paid"], vec![Act::Status(200)], json!({}))
        .await?;
    let data = r#"{ "id":42.0,  "amount":1e2, "id2":12345678901234567890 }"#;
    bench.send("r5.paid", data).await?;
    let came = bench.arrivals(&hook, 1).await?;
    let arrival = &came[0].arrival;
    let is_whole = arrival
        .body
        .windows(data.len())
        .any(|window| window == data.as_bytes());
    ensure(is_whole, "the data did not arrive byte for byte")?;
    let body = json_of(arrival)?;
    for member in ["type", "timestamp", "id"] {
        ensure(
            body[member].is_string(),
            format!("the body has no {member}"),
        )?;
    }
    ensure(body["type"] == "r5.paid", "the type is another one")?;
    ensure(
        !arrival.header("webhook-id").is_empty(),
        "there is no webhook-id",
    )?;
    Ok("byte for byte, with type, timestamp and id".to_owned())
}

pub(super) async fn background(bench: &Bench) -> Result<String, Fault> {
    let slow = || vec![Act::Slow(Duration::from_secs(3))];
    let one = bench.subscribe(&["r6.a"], slow(), json!({})).await?;
    let other = bench.subscribe(&["r6.a"], slow(), json!({})).await?;
    let begun = Instant::now();
    bench.send("r6.a", "1").await?;
    let took = begun.elapsed();
    ensure(
        took < Duration::from_secs(3),
        "sending waited for the receivers",
    )?;
    for hook in [&one, &other] {
        let came = bench.arrivals(hook, 1).await?;
        ensure(came[0].arrival.head.method == "POST", "it is no POST")?;
    }
    Ok(format!(
        "accepted in {} ms while receivers took 3 s",
        took.as_millis()
    ))
}

pub(super) async fn many(bench: &Bench) -> Result<String, Fault> {
    const MANY: usize = 500;
    let hook = bench
        .subscribe(&["r7.a"], vec![Act::Status(200)], json!({}))
        .await?;
    let events: Vec<Value> = (0..MANY)
        .map(|number| json!({"type": "r7.a", "tenant": bench.tenant(), "data": number}))
        .collect();
    let begun = Instant::now();
    bench
        .done("POST", "/v1/events/batch", Some(&json!(events)))
        .await?;
    let came = bench.arrivals(&hook, MANY).await?;
    let took = begun.elapsed();
    let mut numbers = Vec::with_capacity(MANY);
    for came in &came {
        numbers.push(json_of(&came.arrival)?["data"].as_u64().unwrap_or_default());
    }
    numbers.sort_unstable();
    numbers.dedup();
    ensure(
        numbers.len() == MANY,
        format!("{} of {MANY} came", numbers.len()),
    )?;
    ensure(
        came.len() == MANY,
        format!("{} requests for {MANY} events", came.len()),
    )?;
    Ok(format!(
        "{MANY} events in {} ms, each once",
        took.as_millis()
    ))
}

pub(super) async fn accepted(bench: &Bench) -> Result<String, Fault> {
    for status in [200, 201, 202, 204] {
        let event_type = format!("r8.s{status}");
        let hook = bench
            .subscribe(&[&event_type], vec![Act::Status(status)], quick(2))
            .await?;
        let event = bench.send(&event_type, "1").await?;
        delivered(bench, &event, &hook, 1).await?;
        ensure(
            bench.came(&hook).len() == 1,
            format!("{status} was sent again"),
        )?;
    }
    Ok("200, 201, 202 and 204".to_owned())
}

pub(super) async fn redirected(bench: &Bench) -> Result<String, Fault> {
    let (elsewhere, url) = bench.place(vec![Act::Status(200)]);
    let redirect = Act::Headers(302, vec![("location", url)]);
    let hook = bench
        .subscribe(&["r9.a"], vec![redirect, Act::Status(200)], quick(2))
        .await?;
    let event = bench.send("r9.a", "1").await?;
    delivered(bench, &event, &hook, 2).await?;
    ensure(bench.came_to(&elsewhere) == 0, "the redirect was followed")?;
    Ok("a failure, tried again at the target itself".to_owned())
}

pub(super) async fn client_error(bench: &Bench) -> Result<String, Fault> {
    let acts = vec![Act::Status(404), Act::Status(401), Act::Status(200)];
    let hook = bench.subscribe(&["r10.a"], acts, quick(3)).await?;
    let event = bench.send("r10.a", "1").await?;
    delivered(bench, &event, &hook, 3).await?;
    Ok("404 and 401, then accepted".to_owned())
}

pub(super) async fn gone(bench: &Bench) -> Result<String, Fault> {
    let hook = bench
        .subscribe(&["r11.a"], vec![Act::Status(410)], quick(3))
        .await?;
    let witness = bench
        .subscribe(&["r11.b"], vec![Act::Status(200)], json!({}))
        .await?;
    bench.send("r11.a", "1").await?;
    let ended = bench.in_state(&hook, "disabled").await?;
    ensure(ended["state_reason"].is_string(), "no reason is given")?;
    bench.send("r11.a", "2").await?;
    bench.send("r11.b", "3").await?;
    bench.arrivals(&witness, 1).await?;
    ensure(bench.came(&hook).len() == 1, "something was sent after 410")?;
    Ok(format!(
        "disabled: {}",
        ended["state_reason"].as_str().unwrap_or_default()
    ))
}

pub(super) async fn server_error(bench: &Bench) -> Result<String, Fault> {
    let acts = vec![
        Act::Status(500),
        Act::Drop,
        Act::Slow(Duration::from_secs(5)),
        Act::Status(200),
    ];
    let policy = json!({"delivery": {"retry_schedule": ["1s", "1s", "1s"], "timeout": "1s"}});
    let hook = bench.subscribe(&["r12.a"], acts, policy).await?;
    let event = bench.send("r12.a", "1").await?;
    delivered(bench, &event, &hook, 4).await?;
    let came = bench.came(&hook);
    let first = came[0].arrival.header("webhook-id");
    let is_same = came
        .iter()
        .all(|came| came.arrival.header("webhook-id") == first);
    ensure(is_same, "the id changed between attempts")?;
    Ok("500, a dropped connection and a timeout, then accepted with the same id".to_owned())
}

pub(super) async fn backoff(bench: &Bench) -> Result<String, Fault> {
    let waits = json!({"delivery": {"retry_schedule": ["1s", "2s"]}});
    let hook = bench
        .subscribe(&["r13.a"], vec![Act::Status(500)], waits)
        .await?;
    let event = bench.send("r13.a", "1").await?;
    let delivery = bench.delivery(&event, &hook, "dead").await?;
    let made = attempts(&delivery);
    ensure(made == 3, format!("{made} attempts, 3 were asked for"))?;
    let came = bench.came(&hook);
    let gap = |index: usize| came[index + 1].at.duration_since(came[index].at);
    let is_slow = gap(0) >= Duration::from_millis(900) && gap(1) >= Duration::from_millis(1900);
    ensure(
        is_slow && came.len() == 3,
        "the waits are shorter than asked for",
    )?;
    Ok(format!(
        "{} ms, {} ms, then dead",
        gap(0).as_millis(),
        gap(1).as_millis()
    ))
}

pub(super) async fn told(bench: &Bench) -> Result<String, Fault> {
    let notice = "hookgate.subscription.disabled";
    let teller = bench
        .subscribe(&[notice], vec![Act::Status(200)], json!({}))
        .await?;
    let hook = bench
        .subscribe(&["r14.a"], vec![Act::Status(410)], json!({}))
        .await?;
    bench.send("r14.a", "1").await?;
    bench.in_state(&hook, "disabled").await?;
    let came = bench.arrivals(&teller, 1).await?;
    for came in &came {
        if json_of(&came.arrival)?["data"]["subscription"] == hook.id.as_str() {
            return Ok(format!("by an event, {notice}"));
        }
    }
    super::bench::failed("the notice is about another subscription")
}

pub(super) async fn sequence(bench: &Bench) -> Result<String, Fault> {
    let hook = bench
        .subscribe(&["r15.a"], vec![Act::Status(200)], json!({}))
        .await?;
    for number in 0..5 {
        bench.send("r15.a", &number.to_string()).await?;
    }
    let mut by_number = Vec::new();
    for came in bench.arrivals(&hook, 5).await? {
        let body = json_of(&came.arrival)?;
        let sequence = super::bench::text(&body, "sequence")?;
        by_number.push((body["data"].as_u64(), sequence));
    }
    by_number.sort();
    let ascends = by_number.windows(2).all(|pair| pair[0].1 < pair[1].1);
    ensure(
        ascends,
        "the sequence does not follow the order in which events were accepted",
    )?;
    Ok("ascends as events were accepted".to_owned())
}
