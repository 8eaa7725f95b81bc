//! Rows about the subscription as a resource.

use serde_json::json;

use super::bench::{Bench, Fault, ensure, failed, text};
use super::stage::Act;

pub(super) async fn holds_what_it_is(bench: &Bench) -> Result<String, Fault> {
    let hook = bench
        .subscribe(&["r1.paid"], vec![Act::Status(200)], json!({}))
        .await?;
    let read = bench.done("GET", &hook.at(), None).await?;
    ensure(
        read["event_types"] == json!(["r1.paid"]),
        "event_types are not kept",
    )?;
    ensure(read["tenant"] == bench.tenant(), "the owner is not kept")?;
    ensure(
        read["target_url"] == hook.body["target_url"],
        "the target is not kept",
    )?;
    ensure(read["state"] == "active", "the state is not active")?;
    Ok(String::new())
}

pub(super) async fn is_a_resource(bench: &Bench) -> Result<String, Fault> {
    let hook = bench
        .subscribe(&["r2.a"], vec![Act::Status(200)], json!({}))
        .await?;
    let list = format!("/v1/subscriptions?tenant={}&limit=500", bench.tenant());
    let list = bench.done("GET", &list, None).await?;
    let mut listed = list["data"].as_array().into_iter().flatten();
    ensure(
        listed.any(|one| one["id"] == hook.id.as_str()),
        "it is not in the list",
    )?;
    let change = json!({"description": "changed"});
    let changed = bench.done("PATCH", &hook.at(), Some(&change)).await?;
    ensure(changed["description"] == "changed", "PATCH changes nothing")?;
    let whole = json!({"event_types": ["r2.b"], "target_url": hook.body["target_url"]});
    let changed = bench.done("PUT", &hook.at(), Some(&whole)).await?;
    ensure(
        changed["event_types"] == json!(["r2.b"]),
        "PUT changes nothing",
    )?;
    for (method, body) in [("GET", None), ("PATCH", Some(&change)), ("DELETE", None)] {
        let answer = bench
            .client
            .call_without_key(method, &hook.at(), body)
            .await?;
        ensure(
            answer.status == 401,
            format!("{method} without a key answered {}", answer.status),
        )?;
    }
    bench.done("DELETE", &hook.at(), None).await?;
    let gone = bench.call("GET", &hook.at(), None).await?;
    ensure(gone.status == 404, "it is still there after DELETE")?;
    Ok("GET, POST, PATCH, PUT and DELETE; 401 without a key".to_owned())
}

pub(super) async fn third_party(bench: &Bench) -> Result<String, Fault> {
    let wanted =
        json!({"role": "subscriber", "tenant": bench.tenant(), "description": "conformance"});
    let made = bench.call("POST", "/v1/keys", Some(&wanted)).await?;
    if made.status == 403 {
        return Err(Fault::Missing(
            "a key that may make keys is needed".to_owned(),
        ));
    }
    ensure(
        made.status == 201,
        format!("POST /v1/keys answered {}", made.status),
    )?;
    let (key, id) = (text(&made.value, "key")?, text(&made.value, "id")?);
    let party = bench.client.with_key(&key)?;
    let (_, url) = bench.place(vec![Act::Status(200)]);
    let body = json!({"event_types": ["r3.a"], "target_url": url});
    let hook = party.call("POST", "/v1/subscriptions", Some(&body)).await?;
    ensure(
        hook.status == 201,
        format!("subscribing answered {}", hook.status),
    )?;
    let path = format!("/v1/subscriptions/{}", text(&hook.value, "id")?);
    let removed = party.call("DELETE", &path, None).await?;
    ensure(
        removed.status == 204,
        format!("unsubscribing answered {}", removed.status),
    )?;
    bench
        .done("DELETE", &format!("/v1/keys/{id}"), None)
        .await?;
    let refused = party.call("GET", "/v1/subscriptions", None).await?;
    ensure(refused.status == 401, "a revoked key still opens")?;
    Ok("by a key of its own, and no more once that is revoked".to_owned())
}

pub(super) async fn event_types(bench: &Bench) -> Result<String, Fault> {
    let exact = bench
        .subscribe(&["r4.paid"], vec![Act::Status(200)], json!({}))
        .await?;
    let all = bench
        .subscribe(&["r4.*"], vec![Act::Status(200)], json!({}))
        .await?;
    bench.send("r4.paid", "1").await?;
    bench.send("r4.sent", "2").await?;
    bench.arrivals(&all, 2).await?;
    let came = bench.arrivals(&exact, 1).await?;
    ensure(came.len() == 1, "another type was delivered too")?;
    let (_, url) = bench.place(vec![]);
    let body = json!({"event_types": ["r4*"], "target_url": url, "tenant": bench.tenant()});
    let refused = bench.call("POST", "/v1/subscriptions", Some(&body)).await?;
    ensure(
        refused.status == 422,
        "a pattern that means nothing is taken",
    )?;
    Ok("exact types and patterns by segment".to_owned())
}

pub(super) async fn unsubscribed(bench: &Bench) -> Result<String, Fault> {
    let hook = bench
        .subscribe(&["r25.a"], vec![Act::Status(200)], json!({}))
        .await?;
    let witness = bench
        .subscribe(&["r25.a"], vec![Act::Status(200)], json!({}))
        .await?;
    for _ in 0..2 {
        let answer = bench.call("DELETE", &hook.at(), None).await?;
        if answer.status != 204 {
            return failed(format!("DELETE answered {}", answer.status));
        }
    }
    bench.send("r25.a", "1").await?;
    bench.arrivals(&witness, 1).await?;
    ensure(
        bench.came(&hook).is_empty(),
        "it was sent an event after it unsubscribed",
    )?;
    Ok(String::new())
}
