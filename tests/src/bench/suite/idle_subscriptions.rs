//! What subscriptions cost that want something else: 10 of them, and as many as there may be.
//!
//! Also asks the gateway's own index in this process how long it takes to find who wants an event.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use hookgate::config::MasterKey;
use hookgate::domain::clock::{Clock, Timestamp};
use hookgate::domain::event::Attributes;
use hookgate::domain::filter::Candidate;
use hookgate::store::feed::Feed;
use hookgate::store::seal::Sealer;

use super::super::gateway::{MASTER_KEY, Plugins};
use super::super::ledger::quantile_ms;
use super::super::load::USUAL;
use super::book::Book;
use super::rig::{Measured, Pace, Rig};
use super::seed;

const FEW: u32 = 10;
const LOOKS: usize = 20_000;

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let many = book.setting.pick(10_000, 1_000_000);
    let rig = Rig::start(book).await?;
    let floor = rig.usual_floor(book.setting.window).await?;
    rig.subscribe(1, Plugins::None).await?;
    seed::idle_subscriptions(&rig.database.pool, FEW).await?;
    // Both begin with a process of the same age.
    let rig = rig.crash_and_restart().await?;
    rig.warm_up().await?;
    let few = rig
        .measure((USUAL, Pace::Full), book.setting.window)
        .await?;
    book.end_to_end(&format!("{FEW} idle subscriptions"), &few, &floor);
    super::tell(&format!("{many} subscriptions are put into the table"));
    seed::idle_subscriptions(&rig.database.pool, many - FEW).await?;
    let rig = rig.crash_and_restart().await?;
    let case = format!("{many} idle subscriptions");
    book.figure(
        &case,
        "start to ready",
        (rig.gateway.ready_after().as_secs_f64(), "s"),
    );
    rig.warm_up().await?;
    let measured = rig
        .measure((USUAL, Pace::Full), book.setting.window)
        .await?;
    book.end_to_end(&case, &measured, &floor);
    // By the load's own, so that the machine's drift is in neither.
    let cost = |measured: &Measured| {
        measured.used.gateway.as_secs_f64() / measured.used.load.as_secs_f64()
    };
    let growth = cost(&measured) / cost(&few);
    book.figure(
        &format!("{many} beside {FEW}"),
        "gateway CPU / (load + sink CPU)",
        (growth, "x"),
    )
    .at_most(1.2);
    let waits = matching(&rig).await?;
    let us = |share: f64| quantile_ms(&waits, share) * 1e3;
    book.figure(&case, "finding who wants an event, p50", (us(0.5), "µs"));
    book.figure(&case, "finding who wants an event, p99", (us(0.99), "µs"))
        .at_most(1_000.0);
    rig.stop().await
}

/// How long the index takes, the shortest first: for the type that is sent, one that a third of all
/// share by filter, and one of a single subscription.
async fn matching(rig: &Rig) -> anyhow::Result<Vec<Duration>> {
    super::tell("the index, asked in this process");
    let key = MasterKey::parse(MASTER_KEY).context("the benchmark's own key")?;
    let clock = Clock::new(|| Timestamp::from(time::OffsetDateTime::now_utc()));
    let feed = Feed::start(rig.database.pool.clone(), Sealer::new(1, &key), clock).await?;
    let catalog = feed.catalog();
    let name = "default".parse().context("the first tenant's name")?;
    let tenant = catalog.tenant_id(&name).context("the first tenant")?;
    let types = ["bench.sent", "idle.shared", "idle.12"];
    let shared = Attributes {
        subject: Some("s12".into()),
        ..Attributes::default()
    };
    let mut waits: Vec<Duration> = (0..LOOKS)
        .map(|number| {
            let began_at = Instant::now();
            let candidate = Candidate::new(types[number % types.len()], &shared, b"{}");
            std::hint::black_box(catalog.wishes(tenant, &candidate));
            began_at.elapsed()
        })
        .collect();
    waits.sort_unstable();
    Ok(waits)
}
