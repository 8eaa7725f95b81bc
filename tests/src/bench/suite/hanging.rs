//! A receiver that hangs, with 10,000 deliveries due to it: what that costs the others.
//!
//! The same steady load is measured without it, beside it, and without it again, so that the machine's
//! own drift is seen too.

use std::time::Duration;

use serde_json::json;

use super::super::gateway::Plugins;
use super::super::ledger::quantile_ms;
use super::super::load::{self, DATA_BYTES, Shape, USUAL};
use super::book::Book;
use super::rig::{Pace, Rig};

const DUE: u64 = 10_000;
const STEADY: Pace = Pace::PerSecond(200);
const HANGING: Shape<'static> = Shape {
    event_type: "hang.sent",
    data_bytes: DATA_BYTES,
};

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let rig = Rig::start(book).await?;
    let window = book.setting.window.max(Duration::from_secs(5));
    rig.subscribe(1, Plugins::None).await?;
    rig.warm_up().await?;
    let mut calm = Vec::new();
    super::tell("without the receiver that hangs");
    calm.extend(steady(book, &rig, window).await?);
    let wish = json!({
        "event_types": ["hang.*"], "target_url": rig.sink.hanging_url(), "delivery": {"retry_schedule": ["1h"]},
    });
    let hanging = rig.gateway.subscribe_as(&wish).await?;
    load::burst(&rig.request(HANGING), &rig.ledger, DUE).await?;
    super::tell(&format!("beside it, {DUE} deliveries due"));
    let beside = steady(book, &rig, window).await?;
    let waiting: i64 = sqlx::query_scalar(
        "select $1 - count(*) from attempt a join event e on e.lane = a.lane and e.id = a.event_id
         where e.event_type = 'hang.sent'",
    )
    .bind(DUE.cast_signed())
    .fetch_one(&rig.database.pool)
    .await?;
    rig.gateway.unsubscribe(&hanging).await?;
    super::tell("and without it again");
    calm.extend(steady(book, &rig, window).await?);
    calm.sort_unstable();
    let case = format!("200/s beside {DUE} due to a receiver that hangs");
    book.figure(&case, "of these not tried yet", (waiting as f64, ""));
    let entry = book.figure(
        &case,
        "send to arrival, p50",
        (quantile_ms(&beside, 0.5), "ms"),
    );
    entry.beside(quantile_ms(&calm, 0.5));
    book.figure(
        &case,
        "send to arrival, p99",
        (quantile_ms(&beside, 0.99), "ms"),
    )
    .beside(quantile_ms(&calm, 0.99))
    .at_most_of_floor(1.1);
    book.note("the floor of these figures is the same load without the receiver that hangs, before and after it");
    rig.stop().await
}

async fn steady(book: &mut Book, rig: &Rig, window: Duration) -> anyhow::Result<Vec<Duration>> {
    let measured = rig.measure((USUAL, STEADY), window).await?;
    book.settle(measured.account);
    Ok(rig.ledger.first_waits(measured.numbers))
}
