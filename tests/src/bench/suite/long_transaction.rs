//! A transaction that stays open holds up vacuum: the queue must not care.

use std::time::Duration;

use super::super::gateway::Plugins;
use super::super::ledger::quantile_ms;
use super::super::load::USUAL;
use super::book::Book;
use super::rig::{Measured, Pace, Rig};

const STEADY: Pace = Pace::PerSecond(500);

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let rig = Rig::start(book).await?;
    let window = book.setting.window;
    let held = book
        .setting
        .pick(window * 2, Duration::from_secs(1800).min(window * 30));
    let floor = rig.usual_floor(window).await?;
    rig.subscribe(1, Plugins::None).await?;
    rig.warm_up().await?;
    super::tell("without it");
    let calm = rig.measure((USUAL, STEADY), window).await?;
    book.settle(calm.account);
    let before = rig.measure((USUAL, Pace::Full), window).await?;
    book.end_to_end("no transaction", &before, &floor);
    super::tell(&format!(
        "beside a transaction that is open for {} s",
        held.as_secs()
    ));
    let mut transaction = rig.database.pool.begin().await?;
    sqlx::raw_sql("set transaction isolation level repeatable read; select pg_current_xact_id(), count(*) from event")
        .execute(&mut *transaction)
        .await?;
    let busy = rig.measure((USUAL, STEADY), held).await?;
    book.settle(busy.account);
    let beside = rig.measure((USUAL, Pace::Full), window).await?;
    book.end_to_end("a transaction open", &beside, &floor);
    transaction.rollback().await?;
    let p99 =
        |measured: &Measured| quantile_ms(&rig.ledger.first_waits(measured.numbers.clone()), 0.99);
    book.figure(
        "500/s, a transaction open",
        "send to arrival, p99",
        (p99(&busy), "ms"),
    )
    .beside(p99(&calm))
    .at_most_of_floor(3.0);
    let each = |measured: &Measured| {
        measured.used.postgres.as_secs_f64() / measured.account.arrived.max(1) as f64
    };
    book.figure(
        "a transaction open, beside none",
        "Postgres CPU per event",
        (each(&beside) / each(&before), "x"),
    )
    .at_most(1.2);
    rig.stop().await
}
