//! The clients: each asks once in a while whether there is something for it, and mostly there is not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::super::super::http::{Wire, find};
use super::{CLIENTS, EVERY};

const EVENT: &[u8] = b"\"event\":";

/// Requests and their bytes, both ways.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    requests: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Traffic {
    pub(super) fn add(&self, bytes: usize) {
        self.requests.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}

/// What polling came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Polled {
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) found: u64,
}

/// All clients poll for `window`, while `events` are published evenly over it but for its last round,
/// so that all of them are found.
pub(super) async fn poll<F>(
    api: SocketAddr,
    window: Duration,
    publish: impl Fn(u64) -> F,
    events: u64,
) -> anyhow::Result<Polled>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let (traffic, found) = (Traffic::default(), Arc::new(AtomicU64::new(0)));
    let began_at = Instant::now() + Duration::from_millis(500);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (traffic, found) = (traffic.clone(), Arc::clone(&found));
        let first_at = began_at + EVERY.mul_f64(f64::from(client) / f64::from(CLIENTS));
        clients.spawn(async move {
            let mut wire = Wire::open(api).await?;
            let request = format!(
                "GET /poll/{client} HTTP/1.1\r\nhost: {api}\r\nauthorization: Bearer hgk_client-{client}\r\n\
                 accept: application/json\r\nuser-agent: poller/1.0\r\n\r\n"
            );
            let mut at = first_at;
            while at < began_at + window {
                tokio::time::sleep_until(at.into()).await;
                wire.write(request.as_bytes()).await?;
                let answer = wire.next().await?.context("the API hung up")?;
                ensure!(answer.head.starts_with(b"HTTP/1.1 200"), "a poll was refused");
                traffic.add(request.len() + answer.head.len() + answer.body.len());
                found.fetch_add(occurrences(answer.body), Relaxed);
                at += EVERY;
            }
            anyhow::Ok(())
        });
    }
    for number in 0..events {
        let at = began_at
            + window
                .saturating_sub(EVERY)
                .mul_f64(number as f64 / events as f64);
        tokio::time::sleep_until(at.into()).await;
        publish(number).await?;
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(Polled {
        requests: traffic.requests.load(Relaxed),
        bytes: traffic.bytes(),
        found: found.load(Relaxed),
    })
}

fn occurrences(body: &[u8]) -> u64 {
    let (mut rest, mut count) = (body, 0);
    while let Some(at) = find(rest, EVENT) {
        count += 1;
        rest = &rest[at + EVENT.len()..];
    }
    count
}

/// Brings events to an API that is another process.
#[derive(Debug)]
pub(super) struct Publisher {
    wire: Mutex<Wire>,
    address: SocketAddr,
}

impl Publisher {
    pub(super) async fn to(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            wire: Mutex::new(Wire::open(address).await?),
            address,
        })
    }

    pub(super) async fn publish(&self, number: u64) -> anyhow::Result<()> {
        let pad = "x".repeat(super::super::super::load::DATA_BYTES);
        let body = format!(r#"{{"event":{number},"pad":"{pad}"}}"#);
        let request = format!(
            "POST /publish/{} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            number % u64::from(CLIENTS),
            self.address,
            body.len()
        );
        let status = self.wire.lock().await.exchange(request.as_bytes()).await?;
        ensure!(status == 202, "publishing was answered {status}");
        Ok(())
    }
}
