//! How many events are acknowledged, each after its commit, beside what the same database takes by raw
//! batched inserts from as many producers.

use super::super::gateway::Plugins;
use super::super::ledger::quantile_ms;
use super::super::load::{self, DATA_BYTES, USUAL};
use super::book::Book;
use super::floor;
use super::rig::{Pace, Rig};

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let rig = Rig::start(book).await?;
    let window = book.setting.window;
    super::tell("raw batched inserts");
    let raw = floor::raw_inserts(&rig.database.pool, DATA_BYTES, window).await?;
    let sync = floor::fdatasync(rig.gateway.data_folder().path())?;
    super::tell("events that nobody wants");
    rig.ledger.fan_out_to(1);
    let before = rig.processes.used()?;
    let statements = rig.database.statements().await?;
    let sent = load::closed_loop(&rig.request(USUAL), &rig.ledger, window).await?;
    let used = rig.processes.used()? - before;
    let statements = rig.database.statements().await?.zip(statements);
    let account = rig.ledger.account(sent.numbers);
    let events = account.acknowledged.max(1) as f64;
    let case = "64 producers, 1 KB";
    book.figure(
        case,
        "fdatasync of 8 kB, p50",
        (quantile_ms(&sync, 0.5), "ms"),
    );
    book.figure(
        case,
        "events acknowledged",
        (events / sent.took.as_secs_f64(), "/s"),
    )
    .beside(raw)
    .at_least_of_floor(0.4);
    let us = |time: std::time::Duration| time.as_secs_f64() * 1e6 / events;
    book.figure(case, "gateway CPU per event", (us(used.gateway), "µs"));
    book.figure(case, "load CPU per event", (us(used.load), "µs"));
    book.figure(case, "Postgres CPU per event", (us(used.postgres), "µs"))
        .at_most(20.0);
    if let Some((after, before)) = statements {
        book.figure(
            case,
            "statements per event",
            ((after - before) as f64 / events, "x"),
        );
    }
    steady(book, &rig).await?;
    rig.stop().await
}

/// How long an answer takes where there is room: the commit and little else.
async fn steady(book: &mut Book, rig: &Rig) -> anyhow::Result<()> {
    super::tell("deliveries at 500 a second, while nobody is in a hurry");
    let ids = rig.subscribe(1, Plugins::None).await?;
    rig.warm_up().await?;
    let measured = rig
        .measure((USUAL, Pace::PerSecond(500)), book.setting.window)
        .await?;
    book.settle(measured.account);
    let each =
        measured.used.postgres.as_secs_f64() * 1e6 / measured.account.acknowledged.max(1) as f64;
    book.figure("500/s, delivered", "Postgres CPU per event", (each, "µs"));
    rig.unsubscribe(&ids).await
}
