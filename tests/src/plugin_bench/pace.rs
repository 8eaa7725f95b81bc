//! Deliveries at a steady pace, and how late they are.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{Gateway, Receiver};

const TICK: Duration = Duration::from_millis(20);
/// What came later than this after it was due did not keep up.
const IN_TIME: Duration = Duration::from_secs(1);
/// Without any arrival for so long, the rest is not waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A subscription of one event type, and whoever receives it.
pub(super) struct Stream {
    event_type: String,
    receiver: Receiver,
    sent: u64,
}

/// How one stretch went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paced {
    /// The part that arrived in time.
    pub(super) in_time: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Stream {
    /// `plugin` keeps the member `n` of the data, where there is one.
    pub(super) async fn open(
        gateway: &Gateway,
        event_type: &str,
        plugin: Option<&str>,
    ) -> anyhow::Result<Self> {
        let receiver = Receiver::accepting().await;
        let plugins = match plugin {
            Some(name) => json!([{"name": name, "config": {"keep": ["/n"]}}]),
            None => json!([]),
        };
        let body = json!({"event_types": [event_type], "plugins": plugins,
            "delivery": {"max_in_flight": 64}});
        gateway.subscribe_with(body, &receiver).await;
        let mut stream = Self {
            event_type: event_type.to_owned(),
            receiver,
            sent: 0,
        };
        // Connections open and code is loaded before anything counts.
        stream.keep(gateway, 100, Duration::from_secs(1)).await?;
        Ok(stream)
    }

    /// Sends `per_second` events for `time`, and waits for their deliveries.
    pub(super) async fn keep(
        &mut self,
        gateway: &Gateway,
        per_second: u32,
        time: Duration,
    ) -> anyhow::Result<Paced> {
        let each = u64::from(per_second) * u64::try_from(TICK.as_millis())? / 1000;
        let ticks = u32::try_from(time.as_millis() / TICK.as_millis())?;
        let first = self.sent;
        let already = self.receiver.count();
        let started_at = Instant::now();
        let mut sending = JoinSet::new();
        for tick in 0..ticks {
            tokio::time::sleep_until((started_at + TICK * tick).into()).await;
            let numbers = self.sent..self.sent + each;
            self.sent = numbers.end;
            let batch: Vec<Value> = numbers
                .map(|n| json!({"type": self.event_type, "data": {"n": n, "pad": "x".repeat(200)}}))
                .collect();
            let api = gateway.api().clone();
            sending.spawn(async move { api.post("/v1/events/batch", &batch).await.status });
        }
        for status in sending.join_all().await {
            ensure!(status == 202, "events are refused: {status}");
        }
        let total = usize::try_from(self.sent - first)?;
        self.arrivals(already + total).await;
        let waits = self.waits(already, (first, each), started_at);
        Ok(paced(waits, total))
    }

    async fn arrivals(&self, goal: usize) {
        let (mut count, mut moved_at) = (self.receiver.count(), Instant::now());
        while count < goal && moved_at.elapsed() < PATIENCE {
            tokio::time::sleep(TICK).await;
            let now = self.receiver.count();
            if now > count {
                (count, moved_at) = (now, Instant::now());
            }
        }
    }

    /// From when each was due.
    fn waits(
        &self,
        already: usize,
        (first, each): (u64, u64),
        started_at: Instant,
    ) -> Vec<Duration> {
        let receipts = self.receiver.receipts().split_off(already);
        receipts
            .iter()
            .filter_map(|receipt| {
                let n = receipt.json()["data"]["n"].as_u64()?.checked_sub(first)?;
                let tick = u32::try_from(n / each).ok()?;
                let due_at = started_at + TICK * tick;
                Some(receipt.arrived_at.saturating_duration_since(due_at))
            })
            .collect()
    }
}

fn paced(mut waits: Vec<Duration>, total: usize) -> Paced {
    waits.sort_unstable();
    let in_time = waits.iter().filter(|wait| **wait <= IN_TIME).count();
    // What never arrived is later than everything.
    let at = |share: f64| {
        let index = (total as f64 * share) as usize;
        waits
            .get(index)
            .map_or(f64::INFINITY, |wait| wait.as_secs_f64() * 1e3)
    };
    Paced {
        in_time: in_time as f64 / total as f64,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
    }
}
