//! A backtest over many stored events, and what live deliveries notice of it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::pace::Stream;
use super::{Extent, Figures, inside, uploads};
use crate::Gateway;
use crate::component::distinct;

const BATCH: u32 = 500;
const LIVE_PER_SECOND: u32 = 100;

pub(super) async fn measure(
    gateway: &Gateway,
    skinny: &Bytes,
    extent: Extent,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    store(gateway, extent.backtest_events).await?;
    uploads::upload(gateway, "candidate", distinct(skinny, 1)).await?;
    uploads::upload(gateway, "candidate", distinct(skinny, 2)).await?;
    let mut live = Stream::open(gateway, "live.slim", Some("skinny")).await?;
    let stretch = Duration::from_secs(extent.seconds.into());
    let calm = live.keep(gateway, LIVE_PER_SECOND, stretch).await?;

    let job = start(gateway, extent.backtest_events).await?;
    let mut busy = Vec::new();
    let done = loop {
        busy.push(
            live.keep(gateway, LIVE_PER_SECOND, Duration::from_secs(2))
                .await?,
        );
        let path = format!("/v1/jobs/{job}");
        let seen = gateway.api().get(&path).await.expect(200);
        if seen["finished_at"].is_string() || seen["state"] == "done" || seen["state"] == "failed" {
            break seen;
        }
    };
    ensure!(done["state"] == "done", "{done}");
    let result = &done["result"];
    ensure!(result["compared"] == extent.backtest_events, "{result}");
    let seconds = result["seconds"].as_f64().context("it took some time")?;
    let full = 100_000.0 / f64::from(extent.backtest_events);
    figures.bound(
        "backtest of 100,000 events of 1 KB, Rust",
        seconds * full,
        "s",
        60.0,
    );
    figures.note("  live deliveries, p99 before it", calm.p99_ms, "ms");
    let p99 = busy.iter().map(|paced| paced.p99_ms).fold(0.0, f64::max);
    figures.note(
        "  live deliveries, worst p99 of two seconds beside it",
        p99,
        "ms",
    );
    figures.note("  the ratio", p99 / calm.p99_ms, "x");
    Ok(())
}

async fn store(gateway: &Gateway, count: u32) -> anyhow::Result<()> {
    let data: Value = serde_json::from_str(&inside::data())?;
    let one = json!({"type": "past.invoice", "data": data});
    let body = serde_json::to_string(&vec![one; BATCH as usize])?;
    let mut sending = JoinSet::new();
    for _ in 0..count / BATCH {
        while sending.len() >= 4 {
            ensure!(
                sending.join_next().await.transpose()? == Some(202),
                "not stored"
            );
        }
        let (api, body) = (gateway.api().clone(), body.clone());
        sending.spawn(async move {
            let sent = api.post_bytes("/v1/events/batch", "application/json", body);
            sent.await.status
        });
    }
    let stored = sending.join_all().await.iter().all(|status| *status == 202);
    ensure!(stored, "not stored");
    Ok(())
}

async fn start(gateway: &Gateway, last: u32) -> anyhow::Result<String> {
    let body = json!({"version": 1, "against": 2, "last": last, "types": ["past.invoice"],
        "config": {"keep": ["/id", "/customer/email", "/status"]}});
    let answer = gateway
        .api()
        .post("/v1/plugins/candidate/backtest", &body)
        .await;
    ensure!(answer.status < 300, "{}", answer.text());
    let id = answer.json()["id"].as_str().map(str::to_owned);
    id.context("a job has an id")
}
