//! 64 plugins of one tenant that loop for ever, beside 500 deliveries a second of another.

use std::time::Duration;

use serde_json::json;

use super::pace::{Paced, Stream};
use super::{Figures, uploads};
use crate::component::{distinct, stamping};
use crate::{Gateway, Receiver, event, wait};

const LOOPING: u32 = 64;
const PER_SECOND: u32 = 500;
/// Each loops so often, then it is paused: sixteen seconds of two threads.
const LOOPS_EACH: u32 = 10;

pub(super) async fn measure(
    gateway: &Gateway,
    seconds: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let time = Duration::from_secs(seconds.min(10).into());
    let mut plain = Stream::open(gateway, "good.plain", None).await?;
    let mut slim = Stream::open(gateway, "good.slim", Some("skinny")).await?;
    let calm = [
        plain.keep(gateway, PER_SECOND, time / 2).await?,
        slim.keep(gateway, PER_SECOND, time / 2).await?,
    ];
    let receiver = Receiver::accepting().await;
    for number in 0..LOOPING {
        let name = format!("loops-{number}");
        uploads::upload(gateway, &name, distinct(&stamping(1), number)).await?;
        let body =
            json!({"tenant": "spinners", "event_types": ["spin"], "plugins": [{"name": name}]});
        gateway.subscribe_with(body, &receiver).await;
    }
    for _ in 0..LOOPS_EACH {
        // Data that begins with 3 makes it loop.
        let spin = event("spin").with("tenant", "spinners").data(&json!(3));
        gateway.send(spin).await;
    }
    wait::until("they loop", || async {
        let text = gateway.api().get("/metrics").await.text();
        text.lines()
            .any(|line| line.contains("loops-") && line.contains("timeout"))
            .then_some(())
    })
    .await;
    let busy = [
        plain.keep(gateway, PER_SECOND, time / 2).await?,
        slim.keep(gateway, PER_SECOND, time / 2).await?,
    ];
    for (what, calm, busy) in [
        ("without a plugin", calm[0], busy[0]),
        ("with skinny", calm[1], busy[1]),
    ] {
        tell(figures, what, calm, busy);
    }
    assert_eq!(receiver.count(), 0, "a plugin that loops lets nothing out");
    Ok(())
}

fn tell(figures: &mut Figures, what: &str, calm: Paced, busy: Paced) {
    let lost = (1.0 - busy.in_time / calm.in_time) * 100.0;
    figures.bound(
        &format!("500 deliveries/s {what}, lost to 64 that loop"),
        lost.max(0.0),
        "%",
        5.0,
    );
    figures.note(&format!("  p99 {what}, without them"), calm.p99_ms, "ms");
    figures.note(&format!("  p99 {what}, beside them"), busy.p99_ms, "ms");
}
