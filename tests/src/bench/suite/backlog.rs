//! What deliveries cost that wait for their time: the same load without any, and beside many.

use std::time::Duration;

use super::super::gateway::Plugins;
use super::super::load::USUAL;
use super::book::Book;
use super::rig::{Measured, Pace, Rig};
use super::seed::{self, As};

/// None of them comes due while it is measured.
const DUE_AFTER: Duration = Duration::from_secs(6 * 3600);

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let backlog = book.setting.pick(50_000, 1_000_000);
    let rig = Rig::start(book).await?;
    let floor = rig.usual_floor(book.setting.window).await?;
    rig.subscribe(1, Plugins::None).await?;
    rig.warm_up().await?;
    let template = seed::template(&rig).await?;
    let none = rig
        .measure((USUAL, Pace::Full), book.setting.window)
        .await?;
    book.end_to_end("backlog of 0", &none, &floor);
    super::tell(&format!("{backlog} deliveries are parked"));
    let numbers = rig.ledger.reserve(backlog);
    seed::copies(
        &rig.database.pool,
        &template,
        (numbers.start, backlog),
        As::Parked(DUE_AFTER),
    )
    .await?;
    rig.database.vacuum().await?;
    rig.warm_up().await?;
    let many = rig
        .measure((USUAL, Pace::Full), book.setting.window)
        .await?;
    let case = format!("backlog of {backlog}");
    book.end_to_end(&case, &many, &floor);
    super::tell("and without it again");
    seed::clear_parked(&rig.database.pool).await?;
    rig.database.vacuum().await?;
    rig.warm_up().await?;
    let again = rig
        .measure((USUAL, Pace::Full), book.setting.window)
        .await?;
    book.end_to_end("backlog of 0, again", &again, &floor);
    let each = |measured: &Measured, time: Duration| {
        time.as_secs_f64() / measured.account.arrived.max(1) as f64
    };
    let calm = |of: fn(&Measured) -> Duration| {
        f64::midpoint(each(&none, of(&none)), each(&again, of(&again)))
    };
    let gateway = each(&many, many.used.gateway) / calm(|measured| measured.used.gateway);
    let postgres = each(&many, many.used.postgres) / calm(|measured| measured.used.postgres);
    let case = format!("{backlog} beside none");
    book.figure(&case, "gateway CPU per delivery", (gateway, "x"))
        .at_most(1.2);
    book.figure(&case, "Postgres CPU per event", (postgres, "x"))
        .at_most(1.2);
    rig.stop().await
}
