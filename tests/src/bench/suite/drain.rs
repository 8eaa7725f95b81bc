//! A backlog delivered: events that stand in the log without an outcome when the gateway starts.
//!
//! They are put there by SQL, because what is measured is how fast they go out again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::cost::peak_bytes;
use super::super::gateway::{Gateway, Plugins};
use super::book::Book;
use super::rig::Rig;
use super::seed::{self, As};

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let backlog = book.setting.pick(50_000, 1_000_000);
    let rig = Rig::start(book).await?;
    let floor = rig.usual_floor(book.setting.window).await?;
    rig.subscribe(1, Plugins::None).await?;
    let (rig, numbers) = with_backlog(rig, backlog).await?;
    super::tell(&format!("{backlog} deliveries go out"));
    let account = rig.arrivals(numbers.clone()).await;
    let used = rig.processes.used()?;
    let case = format!("backlog of {backlog}");
    let deliveries = account.arrived.max(1) as f64;
    book.settle(account);
    let took = rig.ledger.arrival_span(numbers);
    book.figure(&case, "deliveries", (deliveries / took.as_secs_f64(), "/s"))
        .beside(floor.per_second)
        .at_least_of_floor(0.4);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / deliveries;
    book.figure(
        &case,
        "gateway CPU per delivery, its start included",
        (each(used.gateway), "µs"),
    )
    .beside(floor.us);
    book.figure(
        &case,
        "Postgres CPU per delivery, its start included",
        (each(used.postgres), "µs"),
    );
    let peak = peak_bytes(rig.gateway.pid()?)? as f64 / 1_048_576.0;
    book.figure(&case, "gateway's memory at its peak", (peak, "MiB"))
        .at_most(300.0);
    rig.stop().await
}

/// Stops the gateway, leaves so many deliveries undone in the log, and starts it again. The ledger's
/// clock for them runs from the moment the new process is ready.
pub(super) async fn with_backlog(
    rig: Rig,
    backlog: u64,
) -> anyhow::Result<(Rig, std::ops::Range<u64>)> {
    super::tell(&format!("{backlog} events are put into the log"));
    let template = seed::template(&rig).await?;
    let numbers = rig.ledger.reserve(backlog);
    let (ledger, sink, folder) = (
        Arc::clone(&rig.ledger),
        rig.sink.clone(),
        rig.gateway.data_folder(),
    );
    // The database must outlive the gateway for as long as it is written to.
    let kept = rig.gateway.stop_without_database().await?;
    seed::copies(
        &rig.database.pool,
        &template,
        (numbers.start, backlog),
        As::Undelivered,
    )
    .await?;
    rig.database.vacuum().await?;
    rig.database.close().await;
    kept.stop().await?;
    ledger.released(numbers.clone(), Instant::now());
    let gateway = Gateway::start_in(folder, &[]).await?;
    Ok((Rig::around(gateway, ledger, sink).await?, numbers))
}
