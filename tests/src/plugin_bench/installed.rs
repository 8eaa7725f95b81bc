//! What plugins weigh that are installed, and whether deliveries notice them.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use tokio::task::JoinSet;

use super::pace::Stream;
use super::{Extent, Figures};
use crate::Gateway;
use crate::bench::resident_bytes;
use crate::component::distinct;

const PER_SECOND: u32 = 100;
const AT_ONCE: usize = 2;

pub(super) async fn measure(
    gateway: &Gateway,
    skinny: &Bytes,
    extent: Extent,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let stretch = Duration::from_secs(extent.seconds.into());
    let mut stream = Stream::open(gateway, "few.slim", Some("skinny")).await?;
    let few = stream.keep(gateway, PER_SECOND, stretch).await?;
    let pid = gateway.pid().context("the gateway runs")?;
    let before = resident_bytes(pid)?;
    let mut installing = JoinSet::new();
    let uploads = (0..extent.installed).map(|number| {
        let component = distinct(skinny, 1_000_000 + number);
        (format!("installed-{number}"), component)
    });
    let path = |name: &str| format!("/v1/plugins/{name}");
    for (name, component) in uploads {
        while installing.len() >= AT_ONCE {
            installing.join_next().await.transpose()?;
        }
        let (api, path) = (gateway.api().clone(), path(&name));
        installing.spawn(async move {
            let answer = api.put_bytes(&path, "application/wasm", component).await;
            answer.expect(201)
        });
    }
    installing.join_all().await;
    let weight = resident_bytes(pid)?.saturating_sub(before) as f64 / 1e6;
    figures.bound(
        &format!("memory of {} installed plugins", extent.installed),
        weight,
        "MB",
        150.0,
    );
    let many = stream.keep(gateway, PER_SECOND, stretch).await?;
    figures.note("  delivery before, median", few.p50_ms, "ms");
    figures.note("  delivery with all of them, median", many.p50_ms, "ms");
    figures.bound(
        "  the ratio of the medians",
        many.p50_ms / few.p50_ms,
        "x",
        1.25,
    );
    Ok(())
}
