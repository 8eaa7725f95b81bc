//! The figures that the plugin platform is held to, each beside its bound: what a plugin costs an
//! event, what an upload takes, what installed plugins weigh, and what loops, uploads and
//! backtests cost everybody else.
//!
//! What is compared is measured in one run on one machine, so that the ratios mean something
//! wherever the absolute times do not. It tunes nothing.

mod backtest;
mod figure;
mod inside;
mod installed;
mod loops;
mod pace;
mod uploads;

use std::path::PathBuf;

use anyhow::Context as _;
use bytes::Bytes;

use crate::Gateway;
use crate::bench::tell;

pub use figure::{Figure, Figures};

/// What can be measured on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// What a plugin costs an event, beside the same work without WebAssembly
    Inside,
    /// From an upload to the answer that it serves
    Uploads,
    /// 64 plugins that loop, beside 500 deliveries a second
    Loops,
    /// A backtest, and what live deliveries notice of it
    Backtest,
    /// Memory of many installed plugins
    Installed,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How long each pace is kept.
    pub seconds: u32,
    pub installed: u32,
    pub backtest_events: u32,
}

/// Measures everything.
///
/// # Errors
/// Where a shipped plugin is missing, or the gateway refuses what it should take.
pub async fn run(extent: Extent, parts: &[Part]) -> anyhow::Result<Figures> {
    let wants = |part| parts.is_empty() || parts.contains(&part);
    let (skinny, slack) = (shipped("skinny")?, shipped("slack")?);
    let mut figures = Figures::default();
    if wants(Part::Inside) {
        tell("plugins beside the same work without WebAssembly");
        inside::measure(&skinny, &slack, &mut figures).await?;
    }
    tell("starting a gateway");
    let gateway = Gateway::fresh().await;
    if wants(Part::Uploads) {
        tell("uploads");
        uploads::measure(&gateway, [&skinny, &slack], &mut figures).await?;
    }
    if wants(Part::Loops) {
        tell("64 plugins that loop");
        loops::measure(&gateway, extent.seconds, &mut figures).await?;
    }
    if wants(Part::Backtest) {
        tell("a backtest beside live deliveries");
        backtest::measure(&gateway, &skinny, extent, &mut figures).await?;
    }
    if wants(Part::Installed) {
        tell("many installed plugins");
        installed::measure(&gateway, &skinny, extent, &mut figures).await?;
    }
    Ok(figures)
}

/// A component that `cargo xtask build` made.
fn shipped(name: &str) -> anyhow::Result<Bytes> {
    let folder = std::env::var_os("HOOKGATE_SHIPPED_PLUGINS")
        .context("HOOKGATE_SHIPPED_PLUGINS names no folder: use `cargo xtask bench plugins`")?;
    let path = PathBuf::from(folder).join(name).with_extension("wasm");
    let bytes = std::fs::read(&path).with_context(|| format!("{} is missing", path.display()))?;
    Ok(bytes.into())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
