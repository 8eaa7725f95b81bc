//! The order of a run: idle, floor, acknowledgements, deliveries without and with a plugin, and
//! how late deliveries are at a steady pace.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cost::{Processes, Used, resident_bytes};
use super::gateway::{ADMIN_KEY, Gateway, Plugins};
use super::idle::Database;
use super::ledger::{Account, Ledger, quantile_ms};
use super::load::{self, Request, Sent};
use super::report::{Cost, Deliveries, Idle, Latency, Memory, Report};
use super::sink::{self, Sink};
use super::tell;

/// Pace of the events whose lateness is measured.
const STEADY_PER_SECOND: u32 = 50;
/// Connections open and plugins compile before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Without any arrival for so long, what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures everything, each part for `window`.
///
/// # Errors
/// Where the gateway does not start, refuses an event or does not stop; a lost event is no error
/// but in the report.
pub async fn run(window: Duration) -> anyhow::Result<Report> {
    let ledger = Arc::new(Ledger::new());
    let sink = sink::start(Arc::clone(&ledger)).await?;
    tell("starting the gateway");
    let gateway = Gateway::start().await?;
    let mut database = Database::beside(&gateway.database_url().await?).await?;
    let pid = gateway.pid()?;
    let processes = Processes {
        gateways: vec![pid],
        postmaster: database.postmaster().await?,
    };
    tell("idle");
    let idle = Idle {
        statements_per_second: database.idle_statements_per_second().await?,
    };
    let idle_bytes = resident_bytes(pid)?;
    let mut bench = Bench {
        event: Request::event(gateway.address(), ADMIN_KEY),
        ledger,
        sink,
        gateway,
        processes,
        window,
        account: Account::default(),
    };
    let (floor_per_second, floor_us) = bench.floor().await?;
    let acknowledged_per_second = bench.acknowledged().await?;
    let plain = bench.deliveries(Plugins::None).await?;
    let skinny = bench.deliveries(Plugins::Skinny).await?;
    let plain_latency = bench.latency(Plugins::None).await?;
    let skinny_latency = bench.latency(Plugins::Skinny).await?;
    let memory = Memory {
        idle_bytes,
        loaded_bytes: resident_bytes(pid)?,
    };
    tell("stopping the gateway");
    bench.gateway.stop().await?;
    Ok(Report {
        window_seconds: window.as_secs(),
        floor_per_second,
        floor_us,
        acknowledged_per_second,
        plain,
        skinny,
        plain_latency,
        skinny_latency,
        memory,
        idle,
        ledger: bench.account,
    })
}

struct Bench {
    event: Request,
    ledger: Arc<Ledger>,
    sink: Sink,
    gateway: Gateway,
    processes: Processes,
    window: Duration,
    /// Of all that was to be delivered.
    account: Account,
}

impl Bench {
    /// Requests per second, and this process's microseconds for each.
    async fn floor(&self) -> anyhow::Result<(f64, f64)> {
        tell("the floor: the same client and sink, no gateway");
        let delivery = Request::delivery(self.sink.address);
        let before = self.processes.used()?;
        let sent = load::closed_loop(&delivery, &self.ledger, self.window).await?;
        let used = self.processes.used()? - before;
        let count = self.ledger.account(sent.numbers).arrived as f64;
        let us = used.load.as_secs_f64() * 1e6 / count;
        Ok((count / sent.took.as_secs_f64(), us))
    }

    async fn acknowledged(&self) -> anyhow::Result<f64> {
        tell("events without a subscription");
        let sent = load::closed_loop(&self.event, &self.ledger, self.window).await?;
        Ok(self.acknowledged_per_second(&sent))
    }

    async fn deliveries(&mut self, plugins: Plugins) -> anyhow::Result<Deliveries> {
        tell(&format!("deliveries, plugins: {plugins:?}"));
        let subscription = self.subscribe(plugins).await?;
        let before = self.processes.used()?;
        let sent = load::closed_loop(&self.event, &self.ledger, self.window).await?;
        let account = self.settle(sent.numbers.clone()).await;
        let used = self.processes.used()? - before;
        self.gateway.unsubscribe(&subscription).await?;
        let took = self.ledger.span(sent.numbers.clone());
        Ok(Deliveries {
            acknowledged_per_second: self.acknowledged_per_second(&sent),
            per_second: account.arrived as f64 / took.as_secs_f64(),
            seconds_after_last_answer: took.saturating_sub(sent.took).as_secs_f64(),
            cost: cost(used, account.arrived),
        })
    }

    async fn latency(&mut self, plugins: Plugins) -> anyhow::Result<Latency> {
        tell(&format!(
            "{STEADY_PER_SECOND} events per second, plugins: {plugins:?}"
        ));
        let subscription = self.subscribe(plugins).await?;
        let pace = (STEADY_PER_SECOND, self.window);
        let sent = load::open_loop(&self.event, &self.ledger, pace).await?;
        self.settle(sent.numbers.clone()).await;
        self.gateway.unsubscribe(&subscription).await?;
        let waits = self.ledger.first_waits(sent.numbers);
        let at = |share| quantile_ms(&waits, share);
        Ok(Latency {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
        })
    }

    /// A subscription that has delivered already.
    async fn subscribe(&mut self, plugins: Plugins) -> anyhow::Result<String> {
        let id = self.gateway.subscribe(self.sink.address, plugins).await?;
        let sent = load::closed_loop(&self.event, &self.ledger, WARM_UP).await?;
        self.settle(sent.numbers).await;
        Ok(id)
    }

    fn acknowledged_per_second(&self, sent: &Sent) -> f64 {
        let account = self.ledger.account(sent.numbers.clone());
        account.acknowledged as f64 / sent.took.as_secs_f64()
    }

    /// Waits until all that was acknowledged has arrived, or nothing arrives any more, and books
    /// it.
    async fn settle(&mut self, numbers: Range<u64>) -> Account {
        let mut account = self.ledger.account(numbers.clone());
        let mut moved_at = Instant::now();
        while account.missing > 0 && moved_at.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.ledger.account(numbers.clone());
            if now.arrived > account.arrived {
                moved_at = Instant::now();
            }
            account = now;
        }
        self.account += account;
        account
    }
}

fn cost(used: Used, deliveries: u64) -> Cost {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / deliveries as f64;
    Cost {
        gateway_us: each(used.gateway),
        postgres_us: each(used.postgres),
        load_us: each(used.load),
    }
}
