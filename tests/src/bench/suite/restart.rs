//! From the start of the process until it is ready, and until it delivers, with and without a backlog
//! in the log. Postgres is started anew each time too.

use std::time::Duration;

use anyhow::Context as _;

use super::super::gateway::Plugins;
use super::book::Book;
use super::drain::with_backlog;
use super::rig::Rig;
use crate::wait;

const LIMIT: Duration = Duration::from_secs(60);

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    for backlog in [1, book.setting.pick(50_000, 1_000_000)] {
        let rig = Rig::start(book).await?;
        rig.subscribe(1, Plugins::None).await?;
        let (rig, numbers) = with_backlog(rig, backlog).await?;
        let case = format!("{backlog} undelivered");
        let ready = rig.gateway.ready_after();
        book.figure(&case, "start to ready", (ready.as_secs_f64() * 1e3, "ms"));
        // The ledger's clock runs from the start of the process.
        let first = wait::within(LIMIT, || async {
            rig.ledger.first_waits(numbers.clone()).first().copied()
        })
        .await
        .context("nothing was delivered after the restart")?;
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
