//! End to end: one event to 1, 10, 100 and 1,000 receivers, and to one through a plugin.

use super::super::gateway::Plugins;
use super::super::load::USUAL;
use super::book::Book;
use super::floor::Floor;
use super::rig::{Pace, Rig};

/// Receivers, and events in a run of so many; none: as many as the time allows.
const CASES: [(u32, Option<u64>); 4] = [
    (1, None),
    (10, Some(1_000)),
    (100, Some(100)),
    (1_000, Some(10)),
];

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let rig = Rig::start(book).await?;
    let floor = rig.usual_floor(book.setting.window).await?;
    book.figure("client to sink", "requests", (floor.per_second, "/s"));
    for (receivers, events) in CASES {
        case(book, &rig, (receivers, events, Plugins::None), &floor).await?;
    }
    case(book, &rig, (1, None, Plugins::Skinny), &floor).await?;
    rig.stop().await
}

async fn case(
    book: &mut Book,
    rig: &Rig,
    (receivers, events, plugins): (u32, Option<u64>, Plugins),
    floor: &Floor,
) -> anyhow::Result<()> {
    let name = match plugins {
        Plugins::None => format!("fan-out {receivers}"),
        Plugins::Skinny => format!("fan-out {receivers}, skinny on each"),
    };
    super::tell(&name);
    let ids = rig.subscribe(receivers, plugins).await?;
    if receivers == 1 {
        rig.warm_up().await?;
    } else {
        let warm = rig
            .measure((USUAL, Pace::Count(4)), book.setting.window)
            .await?;
        book.settle(warm.account);
    }
    // The long form sends as many times more as its window is longer.
    let times = book.setting.pick(1, book.setting.window.as_secs().max(1));
    let pace = events.map_or(Pace::Full, |count| Pace::Count(count * times));
    let measured = rig.measure((USUAL, pace), book.setting.window).await?;
    book.end_to_end(&name, &measured, floor);
    if receivers > 1 {
        let waits = rig.ledger.last_waits(measured.numbers.clone());
        book.quantiles(
            (&name, "send to last arrival, under full load"),
            &waits,
            &[],
        );
    }
    rig.unsubscribe(&ids).await
}
