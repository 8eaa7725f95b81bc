//! From the first byte of an upload to the answer that says that it serves, and from one version
//! to another.

use std::time::Instant;

use anyhow::ensure;
use bytes::Bytes;
use serde_json::json;

use super::{Figures, median};
use crate::Gateway;
use crate::component::distinct;

const REPETITIONS: u32 = 7;

pub(super) async fn measure(
    gateway: &Gateway,
    [skinny, slack]: [&Bytes; 2],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let rust = uploads(gateway, "bench-rust", skinny).await?;
    figures.bound("upload until active, Rust (skinny)", rust, "ms", 300.0);
    let javascript = uploads(gateway, "bench-js", slack).await?;
    figures.bound(
        "upload until active, JavaScript (slack)",
        javascript,
        "ms",
        4000.0,
    );

    let mut switches = Vec::new();
    for round in 0..40 {
        let started_at = Instant::now();
        let body = json!({"version": 1 + round % 2});
        let answer = gateway.api().post("/v1/plugins/bench-rust/activate", &body);
        answer.await.expect(200);
        switches.push(started_at.elapsed().as_secs_f64() * 1e3);
    }
    figures.bound(
        "another version by the API, until all nodes have it",
        median(switches),
        "ms",
        1000.0,
    );
    Ok(())
}

/// Milliseconds, of components that no cache knows.
async fn uploads(gateway: &Gateway, name: &str, component: &Bytes) -> anyhow::Result<f64> {
    let mut took = Vec::new();
    for number in 0..REPETITIONS {
        took.push(upload(gateway, name, distinct(component, number)).await?);
    }
    Ok(median(took))
}

/// Milliseconds of one upload, whose version is active then.
pub(super) async fn upload(gateway: &Gateway, name: &str, component: Bytes) -> anyhow::Result<f64> {
    let started_at = Instant::now();
    let answer = gateway.push(name, component).await;
    let ms = started_at.elapsed().as_secs_f64() * 1e3;
    ensure!(answer.status == 201, "{}", answer.text());
    let answer = answer.json();
    ensure!(answer["active"] == true, "{answer}");
    Ok(ms)
}
