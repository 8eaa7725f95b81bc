//! Measures the plugin platform of a release build against its bounds. `cargo xtask bench plugins`
//! builds and starts it.

use std::process::ExitCode;

use clap::Parser;
use hookgate_tests::plugin_bench::{Extent, Part, run};

/// Measure what plugins cost: an event, an upload, a thousand installed ones, loops, a backtest
///
/// Each figure stands beside its bound; what is compared is measured in the same run. It takes
/// about ten minutes, most of them for a thousand uploads.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench plugins")]
struct Arguments {
    /// How long each pace is kept
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(4..=600))]
    seconds: u32,
    /// Plugins that are installed
    #[arg(long, default_value_t = 1000)]
    installed: u32,
    /// Events that are compared, in thousands
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    backtest_thousands: u32,
    /// Only these parts, several with commas between them
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Fails where a figure is beyond its bound.
#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let extent = Extent {
        seconds: arguments.seconds,
        installed: arguments.installed,
        backtest_events: arguments.backtest_thousands * 1000,
    };
    let figures = run(extent, &arguments.only).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!("{figures}");
    }
    Ok(if figures.missed().is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
