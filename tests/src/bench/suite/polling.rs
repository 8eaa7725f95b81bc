//! The claim of REST Hooks: 1,000 clients that poll one API, against hooks, with events so sparse that
//! 1.5 % of the polls find something.
//!
//! Counted is what all of it takes together: requests, bytes both ways, and processor time of clients,
//! servers and database. The API that is polled does less than any real one: it keeps everything in
//! memory and asks nobody who is calling. The other one is FastAPI, with the same in memory.

mod api;
mod client;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;

use super::super::cost;
use super::super::gateway::Plugins;
use super::super::http::Wire;
use super::super::load::{DATA_BYTES, Shape};
use super::book::Book;
use super::peers::{Environment, Peer};
use super::rig::Rig;
use api::Api;
use client::{Polled, Traffic};

pub(super) const CLIENTS: u32 = 1_000;
/// Each client asks once in so long.
pub(super) const EVERY: Duration = Duration::from_secs(1);
const FOUND: f64 = 0.015;

/// What it took to tell the clients of all events.
#[derive(Clone, Copy, Debug)]
struct Bill {
    events: u64,
    requests: u64,
    bytes: u64,
    cpu: Duration,
    /// Told, of all events.
    told: u64,
}

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let rig = Rig::start(book).await?;
    let window = book.setting.window.max(Duration::from_secs(5));
    let events = (f64::from(CLIENTS) * window.as_secs_f64() / EVERY.as_secs_f64() * FOUND) as u64;
    super::tell(&format!(
        "{CLIENTS} clients poll for {} s, {events} events",
        window.as_secs()
    ));
    let mut polled = vec![(
        "an API in memory",
        polled_in_memory(&rig, (events, window)).await?,
    )];
    if let Some(python) = Environment::ready(book).await? {
        super::tell("the same, FastAPI");
        polled.push((
            "FastAPI",
            polled_fastapi(&rig, &python, (events, window)).await?,
        ));
    }
    for (name, bill) in &polled {
        record(book, &format!("polling {name}"), *bill);
    }
    for (name, plugins) in [("full", Plugins::None), ("skinny", Plugins::Skinny)] {
        super::tell(&format!("{CLIENTS} hooks, {name}"));
        let hooks = hooks(book, &rig, (plugins, events, window)).await?;
        record(book, &format!("hooks, {name}"), hooks);
        for (polling, bill) in &polled {
            compare(
                book,
                (&format!("{name} hooks instead of polling {polling}"), *bill),
                hooks,
            );
        }
    }
    rig.stop().await
}

async fn polled_in_memory(rig: &Rig, (events, window): (u64, Duration)) -> anyhow::Result<Bill> {
    let api = Api::start().await?;
    let before = rig.processes.used()?;
    let polled = client::poll(api.address(), window, |number| api.publish(number), events).await?;
    let used = rig.processes.used()? - before;
    Ok(bill(&polled, events, used.load))
}

async fn polled_fastapi(
    rig: &Rig,
    python: &Environment,
    (events, window): (u64, Duration),
) -> anyhow::Result<Bill> {
    let peer = Peer::polled(python).await?;
    let before = (rig.processes.used()?, cost::tree(peer.pid()?)?);
    let publisher = client::Publisher::to(peer.address()).await?;
    let polled = client::poll(
        peer.address(),
        window,
        |number| publisher.publish(number),
        events,
    )
    .await?;
    let used = rig.processes.used()? - before.0;
    let server = cost::tree(peer.pid()?)?.saturating_sub(before.1);
    peer.stop().await?;
    Ok(bill(&polled, events, used.load + server))
}

fn bill(polled: &Polled, events: u64, cpu: Duration) -> Bill {
    Bill {
        events,
        requests: polled.requests,
        bytes: polled.bytes,
        cpu,
        told: polled.found,
    }
}

/// The same events, each sent to the gateway, which calls the client.
async fn hooks(
    book: &mut Book,
    rig: &Rig,
    (plugins, events, window): (Plugins, u64, Duration),
) -> anyhow::Result<Bill> {
    rig.ledger.fan_out_to(1);
    let mut ids = Vec::new();
    for client in 0..CLIENTS {
        let wish = json!({
            "event_types": [format!("client.{client}")], "target_url": rig.sink.url(0),
            "plugins": plugins.wish(),
        });
        ids.push(rig.gateway.subscribe_as(&wish).await?);
    }
    let mut wire = Wire::open(rig.gateway.address()).await?;
    let (before, sink_before) = (rig.processes.used()?, rig.sink.bytes());
    let (began_at, first) = (Instant::now(), rig.ledger.next_number());
    let traffic = Traffic::default();
    for number in 0..events {
        let at = began_at + window.mul_f64(number as f64 / events as f64);
        tokio::time::sleep_until(at.into()).await;
        let event_type = format!("client.{}", number % u64::from(CLIENTS));
        let shape = Shape {
            event_type: &event_type,
            data_bytes: DATA_BYTES,
        };
        let mut request = rig.request(shape);
        let taken = rig.ledger.take_number();
        request.set_number(taken);
        rig.ledger.sent(taken, Instant::now());
        wire.write(request.bytes()).await?;
        let answer = wire.next().await?.context("the gateway hung up")?;
        anyhow::ensure!(
            answer.head.starts_with(b"HTTP/1.1 202"),
            "an event was refused"
        );
        traffic.add(request.bytes().len() + answer.head.len() + answer.body.len());
        rig.ledger.acknowledged(taken);
    }
    tokio::time::sleep_until((began_at + window).into()).await;
    let account = rig.arrivals(first..rig.ledger.next_number()).await;
    let used = rig.processes.used()? - before;
    book.settle(account);
    rig.unsubscribe(&ids).await?;
    Ok(Bill {
        events,
        requests: events + account.arrived,
        bytes: traffic.bytes() + rig.sink.bytes() - sink_before,
        cpu: used.gateway + used.postgres + used.load,
        told: account.arrived,
    })
}

fn record(book: &mut Book, case: &str, bill: Bill) {
    book.figure(case, "events", (bill.events as f64, ""));
    book.figure(case, "told", (bill.told as f64, ""));
    book.figure(case, "requests", (bill.requests as f64, ""));
    book.figure(case, "bytes", (bill.bytes as f64 / 1e6, "MB"));
    book.figure(
        case,
        "CPU of all that takes part",
        (bill.cpu.as_secs_f64(), "s"),
    );
}

fn compare(book: &mut Book, (case, polling): (&str, Bill), hooks: Bill) {
    let fewer = |polling: f64, hooks: f64| polling / hooks.max(f64::MIN_POSITIVE);
    let to_clients = hooks.requests - hooks.events;
    let requests = fewer(polling.requests as f64, to_clients as f64);
    book.figure(
        case,
        "requests between API and clients, fewer by",
        (requests, "x"),
    );
    let all = fewer(polling.requests as f64, hooks.requests as f64);
    book.figure(
        case,
        "requests with those that bring events, fewer by",
        (all, "x"),
    );
    let bytes = fewer(polling.bytes as f64, hooks.bytes as f64);
    book.figure(case, "bytes, fewer by", (bytes, "x"));
    let cpu = fewer(polling.cpu.as_secs_f64(), hooks.cpu.as_secs_f64());
    book.figure(case, "CPU, less by", (cpu, "x"));
}
