//! From the start of the process until it is ready, and until it delivers, with and without a backlog
//! in the log. Postgres is started anew each time too.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use super::book::Book;
use super::drain::with_backlog;
use super::rig::Rig;

const LOOK_EVERY: Duration = Duration::from_millis(2);
const LIMIT: Duration = Duration::from_secs(60);

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    for backlog in [1, book.setting.pick(50_000, 1_000_000)] {
        let rig = Rig::start(book).await?;
        rig.subscribe(1, &json!([])).await?;
        let (rig, numbers) = with_backlog(rig, backlog).await?;
        let case = format!("{backlog} undelivered");
        let ready = rig.gateway.ready_after();
        book.figure(&case, "start to ready", (ready.as_secs_f64() * 1e3, "ms"));
        let began_at = Instant::now();
        while rig.ledger.first_waits(numbers.clone()).is_empty() {
            ensure!(
                began_at.elapsed() < LIMIT,
                "nothing was delivered after the restart"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // The ledger's clock runs from the start of the process.
        let first = rig.ledger.first_waits(numbers.clone());
        let first = first.first().copied().unwrap_or_default();
        book.figure(
            &case,
            "start to first delivery",
            (first.as_secs_f64() * 1e3, "ms"),
        );
        let account = rig.arrivals(numbers).await;
        book.settle(account);
        rig.stop().await?;
    }
    Ok(())
}
