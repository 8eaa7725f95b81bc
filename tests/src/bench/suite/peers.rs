//! What users would pick instead, doing the same job in the same run: the same load, the same sink.
//!
//! None of them keeps what Hookgate keeps; what each leaves out stands in its own file. Python's
//! packages are installed into an environment in the target folder; where that is not possible one line
//! says so, and what needs no Python is measured all the same.

mod process;
mod python;

use std::net::SocketAddr;
use std::time::Duration;

use super::super::cost;
use super::super::gateway::{ADMIN_KEY, Plugins};
use super::super::ledger::quantile_ms;
use super::super::load::{self, Request, USUAL};
use super::book::Book;
use super::rig::{Pace, Rig};

pub(super) use process::Peer;
pub(super) use python::Environment;

const STEADY_PER_SECOND: u32 = 50;

/// What one way of sending hooks came to.
#[derive(Clone, Copy, Debug)]
struct Score {
    acknowledged_per_second: f64,
    delivered_per_second: f64,
    server_us: f64,
    postgres_us: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Acknowledged, and never arrived.
    missing: u64,
}

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let rig = Rig::start(book).await?;
    let floor = rig.usual_floor(book.setting.window).await?;
    book.figure("client to sink", "requests", (floor.per_second, "/s"));
    let hookgate = hookgate(book, &rig).await?;
    record(book, "Hookgate", hookgate, None);
    super::tell("a table with skip locked");
    let queue = Peer::queue(&rig).await?;
    let score = measure(&rig, &queue, book.setting.window).await?;
    queue.stop().await?;
    record(
        book,
        "table with skip locked, one transaction a task",
        score,
        Some(hookgate),
    );
    if let Some(python) = Environment::ready(book).await? {
        for name in [
            "FastAPI, inline",
            "Tornado, inline",
            "Django with drf-hooks",
        ] {
            super::tell(name);
            let peer = match name {
                "FastAPI, inline" => Peer::fastapi(&rig, &python).await?,
                "Tornado, inline" => Peer::tornado(&rig, &python).await?,
                _ => Peer::drf_hooks(&rig, &python).await?,
            };
            let score = measure(&rig, &peer, book.setting.window).await?;
            peer.stop().await?;
            record(book, name, score, Some(hookgate));
        }
    }
    book.note("the floor of the others is Hookgate in the same run");
    rig.stop().await
}

async fn hookgate(book: &mut Book, rig: &Rig) -> anyhow::Result<Score> {
    super::tell("Hookgate");
    let ids = rig.subscribe(1, Plugins::None).await?;
    rig.warm_up().await?;
    let full = rig
        .measure((USUAL, Pace::Full), book.setting.window)
        .await?;
    let steady = rig
        .measure(
            (USUAL, Pace::PerSecond(STEADY_PER_SECOND)),
            book.setting.window,
        )
        .await?;
    book.settle(full.account);
    book.settle(steady.account);
    rig.unsubscribe(&ids).await?;
    let deliveries = full.account.arrived.max(1) as f64;
    let waits = rig.ledger.first_waits(steady.numbers);
    Ok(Score {
        acknowledged_per_second: full.account.acknowledged as f64 / full.sending.as_secs_f64(),
        delivered_per_second: deliveries / full.span.as_secs_f64(),
        server_us: full.used.gateway.as_secs_f64() * 1e6 / deliveries,
        postgres_us: full.used.postgres.as_secs_f64() * 1e6 / deliveries,
        p50_ms: quantile_ms(&waits, 0.5),
        p99_ms: quantile_ms(&waits, 0.99),
        missing: full.account.missing,
    })
}

async fn measure(rig: &Rig, peer: &Peer, window: Duration) -> anyhow::Result<Score> {
    rig.ledger.fan_out_to(1);
    let request = request(peer.address());
    let warm = load::closed_loop(&request, &rig.ledger, window / 4).await?;
    rig.arrivals(warm.numbers).await;
    let before = (cost::tree(peer.pid()?)?, rig.processes.used()?.postgres);
    let sent = load::closed_loop(&request, &rig.ledger, window).await?;
    let account = rig.arrivals(sent.numbers.clone()).await;
    let server = cost::tree(peer.pid()?)?.saturating_sub(before.0);
    let postgres = rig.processes.used()?.postgres.saturating_sub(before.1);
    let span = rig.ledger.span(sent.numbers);
    let steady = load::open_loop(&request, &rig.ledger, (STEADY_PER_SECOND, window)).await?;
    rig.arrivals(steady.numbers.clone()).await;
    let waits = rig.ledger.first_waits(steady.numbers);
    let deliveries = account.arrived.max(1) as f64;
    Ok(Score {
        acknowledged_per_second: account.acknowledged as f64 / sent.took.as_secs_f64(),
        delivered_per_second: deliveries / span.as_secs_f64(),
        server_us: server.as_secs_f64() * 1e6 / deliveries,
        postgres_us: postgres.as_secs_f64() * 1e6 / deliveries,
        p50_ms: quantile_ms(&waits, 0.5),
        p99_ms: quantile_ms(&waits, 0.99),
        missing: account.missing,
    })
}

fn request(address: SocketAddr) -> Request {
    Request::event_of((address, "/events"), ADMIN_KEY, USUAL)
}

fn record(book: &mut Book, case: &str, score: Score, beside: Option<Score>) {
    let values = |score: Score| {
        [
            ("events acknowledged", score.acknowledged_per_second, "/s"),
            ("deliveries", score.delivered_per_second, "/s"),
            ("server CPU per delivery", score.server_us, "µs"),
            ("Postgres CPU per delivery", score.postgres_us, "µs"),
            ("send to arrival at 50/s, p50", score.p50_ms, "ms"),
            ("send to arrival at 50/s, p99", score.p99_ms, "ms"),
        ]
    };
    let others = beside.map(values);
    for (at, (what, value, unit)) in values(score).into_iter().enumerate() {
        let entry = book.figure(case, what, (value, unit));
        if let Some(others) = &others {
            entry.beside(others[at].1);
        }
    }
    book.figure(
        case,
        "acknowledged and never arrived",
        (score.missing as f64, ""),
    );
}
