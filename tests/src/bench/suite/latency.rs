//! How late deliveries are at 50, 500 and 2,000 events a second, beside the same client straight to the
//! sink at the same pace, and beside one `fdatasync`.

use super::super::gateway::Plugins;
use super::super::ledger::quantile_ms;
use super::super::load::{self, Request, USUAL};
use super::book::Book;
use super::floor;
use super::rig::{Pace, Rig};

const RATES: [u32; 3] = [50, 500, 2_000];

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let rig = Rig::start(book).await?;
    let window = book.setting.window.max(std::time::Duration::from_secs(4));
    let sync = floor::fdatasync(rig.gateway.data_folder().path())?;
    let sync_ms = (quantile_ms(&sync, 0.5), quantile_ms(&sync, 0.99));
    book.figure("fdatasync of 8 kB", "p50", (sync_ms.0, "ms"));
    book.figure("fdatasync of 8 kB", "p99", (sync_ms.1, "ms"));
    for rate in RATES {
        super::tell(&format!("{rate} events a second"));
        let delivery = Request::delivery(rig.sink.address);
        rig.ledger.fan_out_to(1);
        let straight = load::open_loop(&delivery, &rig.ledger, (rate, window)).await?;
        rig.arrivals(straight.numbers.clone()).await;
        let floor = rig.ledger.first_waits(straight.numbers);
        let ids = rig.subscribe(1, Plugins::None).await?;
        rig.warm_up().await?;
        let measured = rig.measure((USUAL, Pace::PerSecond(rate)), window).await?;
        book.settle(measured.account);
        let waits = rig.ledger.first_waits(measured.numbers.clone());
        let case = format!("{rate}/s");
        book.quantiles((&case, "send to arrival"), &waits, &floor);
        if rate == RATES[0] {
            // Commits cannot be faster than the disk of this run.
            let beyond = |share: f64, sync: f64| quantile_ms(&waits, share) - sync;
            book.figure(
                &case,
                "send to arrival beyond one fdatasync, p50",
                (beyond(0.5, sync_ms.0), "ms"),
            )
            .at_most(1.2);
            book.figure(
                &case,
                "send to arrival beyond one fdatasync, p99",
                (beyond(0.99, sync_ms.1), "ms"),
            )
            .at_most(2.5);
        }
        let busy = measured.used.gateway.as_secs_f64() / measured.span.as_secs_f64() * 100.0;
        book.figure(&case, "gateway CPU", (busy, "% of a core"));
        rig.unsubscribe(&ids).await?;
    }
    rig.stop().await
}
