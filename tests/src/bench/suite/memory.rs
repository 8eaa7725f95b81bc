//! What the gateway holds in memory: with a million deliveries due that nobody takes, and with a million
//! subscriptions. Prints what is resident and what was at the peak.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use super::super::cost::{peak_bytes, resident_bytes};
use super::super::gateway::{Gateway, Plugins};
use super::book::Book;
use super::rig::Rig;
use super::seed::{self, As};

const MEBIBYTE: f64 = 1_048_576.0;
/// Receivers that hang; each may hold a part of the memory.
const RECEIVERS: u32 = 50;
/// Text that only the statement that loads subscriptions has.
const LOAD: &str = "sealed_old_secret, s.old_secret_scheme";

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let due = book.setting.pick(50_000, 1_000_000);
    for how in ["parked", "in the log"] {
        due_deliveries(book, (due, how)).await?;
    }
    subscriptions(book, book.setting.pick(50_000, 1_000_000)).await
}

/// All are due at once, to receivers that take requests and never answer.
async fn due_deliveries(book: &mut Book, (due, how): (u64, &str)) -> anyhow::Result<()> {
    let rig = Rig::start(book).await?;
    let case = format!("{due} deliveries due, {how}");
    let idle = resident_bytes(rig.gateway.pid()?)? as f64 / MEBIBYTE;
    for _ in 0..RECEIVERS {
        let wish = json!({
            "event_types": ["bench.*"], "target_url": rig.sink.hanging_url(), "delivery": {"timeout": "5s"},
        });
        rig.gateway.subscribe_as(&wish).await?;
    }
    let template = seed::template(&rig).await?;
    super::tell(&case);
    let events = due / u64::from(RECEIVERS);
    let numbers = rig.ledger.reserve(events);
    let (ledger, sink, folder) = (
        Arc::clone(&rig.ledger),
        rig.sink.clone(),
        rig.gateway.data_folder(),
    );
    let rows = if how == "parked" {
        As::Parked(Duration::ZERO)
    } else {
        As::Undelivered
    };
    let kept = rig.gateway.stop_without_database().await?;
    seed::copies(&rig.database.pool, &template, (numbers.start, events), rows).await?;
    rig.database.close().await;
    kept.stop().await?;
    let gateway = Gateway::start_in(folder, &[]).await?;
    let rig = Rig::around(gateway, ledger, sink).await?;
    let watched = book
        .setting
        .pick(Duration::from_secs(8), Duration::from_secs(60));
    let began_at = Instant::now();
    while began_at.elapsed() < watched {
        tokio::time::sleep(Duration::from_millis(250)).await;
        ensure!(rig.gateway.pid().is_ok(), "the gateway has ended");
    }
    let pid = rig.gateway.pid()?;
    book.figure(&case, "resident when idle", (idle, "MiB"));
    book.figure(
        &case,
        "resident afterwards",
        (resident_bytes(pid)? as f64 / MEBIBYTE, "MiB"),
    );
    book.figure(
        &case,
        "resident at the peak",
        (peak_bytes(pid)? as f64 / MEBIBYTE, "MiB"),
    )
    .at_most(300.0 * 1e6 / MEBIBYTE);
    let open: i64 = sqlx::query_scalar(
        "select (select count(*) from parked) + (select coalesce(sum(cardinality(targets)), 0)
           from event e join lane l using (lane) where e.id > l.checkpoint and not l.is_settled
           and not exists (select from parked p where p.lane = e.lane and p.event_id = e.id))",
    )
    .fetch_one(&rig.database.pool)
    .await?;
    book.figure(&case, "deliveries that still wait", (open as f64, ""));
    ensure!(
        open.unsigned_abs() >= due * 9 / 10,
        "{open} of {due} deliveries are left: they were not held"
    );
    // Nobody answers, so it would wait for its deliveries to end.
    drop(rig);
    Ok(())
}

async fn subscriptions(book: &mut Book, count: u32) -> anyhow::Result<()> {
    let rig = Rig::start(book).await?;
    let case = format!("{count} subscriptions");
    super::tell(&case);
    rig.subscribe(1, Plugins::None).await?;
    seed::idle_subscriptions(&rig.database.pool, count).await?;
    let rig = rig.crash_and_restart().await?;
    let pid = rig.gateway.pid()?;
    book.figure(
        &case,
        "start to ready",
        (rig.gateway.ready_after().as_secs_f64(), "s"),
    );
    book.figure(
        &case,
        "resident",
        (resident_bytes(pid)? as f64 / MEBIBYTE, "MiB"),
    );
    let before = rig.database.rows_of(LOAD).await?;
    for receiver in 0..10 {
        let wish = json!({"event_types": ["bench.changed"], "target_url": rig.sink.url(receiver)});
        rig.gateway.subscribe_as(&wish).await?;
    }
    if let Some((after, before)) = rig.database.rows_of(LOAD).await?.zip(before) {
        let loaded = (after - before) as f64;
        book.figure(&case, "rows loaded for 10 new subscriptions", (loaded, ""))
            .at_most(40.0);
    }
    book.figure(
        &case,
        "resident at the peak, after 10 changes",
        (peak_bytes(pid)? as f64 / MEBIBYTE, "MiB"),
    )
    .at_most(600.0 * 1e6 / MEBIBYTE);
    rig.stop().await
}
