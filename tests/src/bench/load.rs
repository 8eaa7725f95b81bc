//! The load: numbered events from producers with a connection each, as fast as they are answered
//! or at a steady pace.
//!
//! A request is made once and only its number changes, so the load costs little more than its
//! system calls.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;

use super::http::{Wire, find};
use super::ledger::{FIRST_NUMBER, Ledger};

/// What the sink looks for.
pub(super) const NUMBER_MEMBER: &[u8] = b"\"n\":";
pub(super) const PRODUCERS: u32 = 64;
/// Size of an event's data.
pub(super) const DATA_BYTES: usize = 1024;
/// A steady pace needs so many connections, so that a slow answer delays no other event.
const STEADY_PRODUCERS: u32 = 64;
/// Lateness that is the timer's.
const TIMER_TICK: Duration = Duration::from_millis(10);

/// Where a request goes, what it is, and the status that means success.
#[derive(Clone, Debug)]
pub(super) struct Request {
    address: SocketAddr,
    bytes: Vec<u8>,
    number_at: usize,
    success: u16,
}

/// An event that is not the usual one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'a> {
    pub(super) event_type: &'a str,
    pub(super) data_bytes: usize,
}

/// What most benchmarks send.
pub(super) const USUAL: Shape<'static> = Shape {
    event_type: "bench.sent",
    data_bytes: DATA_BYTES,
};

impl Request {
    /// An event for the gateway.
    pub(super) fn event(address: SocketAddr, key: &str) -> Self {
        Self::event_of((address, "/v1/events"), key, USUAL)
    }

    /// Another event, for the gateway or for what is measured in its stead.
    pub(super) fn event_of(to: (SocketAddr, &str), key: &str, shape: Shape<'_>) -> Self {
        let body = format!(
            r#"{{"type":"{}","data":{}}}"#,
            shape.event_type,
            data(shape.data_bytes)
        );
        let headers = format!("authorization: Bearer {key}\r\n");
        Self::post(to, &headers, (&body, 202))
    }

    /// What the gateway would make of that event, straight to the sink.
    pub(super) fn delivery(address: SocketAddr) -> Self {
        Self::delivery_of(address, DATA_BYTES)
    }

    pub(super) fn delivery_of(address: SocketAddr, data_bytes: usize) -> Self {
        let body = format!(
            r#"{{"type":"bench.sent","timestamp":"2026-01-01T00:00:00.000Z","data":{},"id":"evt_{}","sequence":"{}"}}"#,
            data(data_bytes),
            "0".repeat(13),
            "0".repeat(19)
        );
        let headers = format!(
            "webhook-id: dlv_{}\r\nwebhook-timestamp: 1700000000\r\nwebhook-signature: v1,{}\r\n\
             user-agent: Hookgate/0.1.0\r\ntraceparent: 00-{}-{}-00\r\n",
            "0".repeat(26),
            "0".repeat(44),
            "0".repeat(32),
            "0".repeat(16)
        );
        Self::post((address, "/"), &headers, (&body, 200))
    }

    /// All of it, with the number of the first event.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn post(
        (address, path): (SocketAddr, &str),
        headers: &str,
        (body, success): (&str, u16),
    ) -> Self {
        let bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\n{headers}content-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes();
        let number_at =
            find(&bytes, NUMBER_MEMBER).expect("the data has a number") + NUMBER_MEMBER.len();
        Self {
            address,
            bytes,
            number_at,
            success,
        }
    }

    pub(super) fn set_number(&mut self, mut number: u64) {
        for digit in self.bytes[self.number_at..][..10].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

/// `{"n": …, "id": …, "pad": …}` of so many bytes.
fn data(data_bytes: usize) -> String {
    let open = format!(r#"{{"n":{FIRST_NUMBER},"id":"inv_0001","pad":""#);
    let pad = "x".repeat(data_bytes.saturating_sub(open.len() + 2));
    format!("{open}{pad}\"}}")
}

/// One connection, and what it sends over and over.
struct Producer {
    wire: Wire,
    request: Request,
    ledger: Arc<Ledger>,
}

impl Producer {
    async fn open(request: &Request, ledger: &Arc<Ledger>) -> anyhow::Result<Self> {
        Ok(Self {
            wire: Wire::open(request.address).await.context("no connection")?,
            request: request.clone(),
            ledger: Arc::clone(ledger),
        })
    }

    /// `at` is when it was to be sent.
    async fn send(&mut self, at: Instant) -> anyhow::Result<()> {
        let number = self.ledger.take_number();
        self.request.set_number(number);
        self.ledger.sent(number, at);
        let status = self.wire.exchange(&self.request.bytes).await?;
        ensure!(status == self.request.success, "answered {status}");
        self.ledger.acknowledged(number);
        Ok(())
    }
}

/// A burst or a stream of events that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) numbers: Range<u64>,
    /// From the first send to the last answer.
    pub(super) took: Duration,
}

/// Every producer sends its next event once the last is acknowledged.
pub(super) async fn closed_loop(
    request: &Request,
    ledger: &Arc<Ledger>,
    window: Duration,
) -> anyhow::Result<Sent> {
    closed_loop_at(std::slice::from_ref(request), ledger, window).await
}

/// The same, the producers in turn at each of several nodes.
pub(super) async fn closed_loop_at(
    requests: &[Request],
    ledger: &Arc<Ledger>,
    window: Duration,
) -> anyhow::Result<Sent> {
    let first = ledger.next_number();
    let mut producers = JoinSet::new();
    let mut opened = Vec::new();
    for request in requests.iter().cycle().take(PRODUCERS as usize) {
        opened.push(Producer::open(request, ledger).await?);
    }
    let started_at = Instant::now();
    for mut producer in opened {
        producers.spawn(async move {
            while started_at.elapsed() < window {
                producer.send(Instant::now()).await?;
            }
            anyhow::Ok(())
        });
    }
    finished(producers).await?;
    Ok(Sent {
        numbers: first..ledger.next_number(),
        took: started_at.elapsed(),
    })
}

/// Exactly so many events, as fast as they are acknowledged.
pub(super) async fn burst(
    request: &Request,
    ledger: &Arc<Ledger>,
    count: u64,
) -> anyhow::Result<Sent> {
    let first = ledger.next_number();
    let left = Arc::new(AtomicU64::new(count));
    let started_at = Instant::now();
    let mut producers = JoinSet::new();
    for _ in 0..PRODUCERS {
        let mut producer = Producer::open(request, ledger).await?;
        let left = Arc::clone(&left);
        producers.spawn(async move {
            let take_one = |left: u64| left.checked_sub(1);
            while left.fetch_update(Relaxed, Relaxed, take_one).is_ok() {
                producer.send(Instant::now()).await?;
            }
            anyhow::Ok(())
        });
    }
    finished(producers).await?;
    Ok(Sent {
        numbers: first..ledger.next_number(),
        took: started_at.elapsed(),
    })
}

/// Events at a steady pace, whether or not the ones before are acknowledged.
pub(super) async fn open_loop(
    request: &Request,
    ledger: &Arc<Ledger>,
    (per_second, window): (u32, Duration),
) -> anyhow::Result<Sent> {
    let first = ledger.next_number();
    let pace = Duration::from_secs(1) / per_second;
    let mut opened = Vec::new();
    for _ in 0..STEADY_PRODUCERS {
        opened.push(Producer::open(request, ledger).await?);
    }
    let started_at = Instant::now();
    let mut producers = JoinSet::new();
    for (index, mut producer) in (0..).zip(opened) {
        producers.spawn(async move {
            let mut at = started_at + pace * index;
            while at < started_at + window {
                tokio::time::sleep_until(at.into()).await;
                // The timer ticks in milliseconds; what it is late is not the gateway's. What an
                // answer before was late is.
                let now = Instant::now();
                let is_held_up = now.duration_since(at) > TIMER_TICK;
                producer.send(if is_held_up { at } else { now }).await?;
                at += pace * STEADY_PRODUCERS;
            }
            anyhow::Ok(())
        });
    }
    finished(producers).await?;
    Ok(Sent {
        numbers: first..ledger.next_number(),
        took: started_at.elapsed(),
    })
}

async fn finished(mut producers: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(producer) = producers.join_next().await {
        producer.context("a producer panicked")??;
    }
    Ok(())
}
