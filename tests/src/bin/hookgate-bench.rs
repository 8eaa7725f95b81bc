//! Measures a release build of the gateway: throughput, latency and cost, all in one run and all
//! beside what the same machine does without a gateway. `cargo xtask bench` builds and starts it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use hookgate_tests::bench::{self, suite};

/// Measure a release build: throughput, latency and cost, beside what the same machine does without
/// a gateway
///
/// Everything runs on this machine: the gateway with its own durable Postgres, the load and the
/// receivers. Without a NAME, an overview: it takes about half a minute and six times SECONDS.
/// With names, each benchmark starts a gateway of its own and leaves its result in the folder;
/// at the end all results are there as JSON, as a table and as a picture.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", after_help = EXAMPLES)]
struct Arguments {
    /// What to measure, in the order given; `all` is everything
    #[arg(value_enum, value_name = "NAME")]
    benches: Vec<suite::Bench>,
    /// Small data sets and short windows: seconds a benchmark
    #[arg(long)]
    short: bool,
    /// How long each part is measured; 10, or 2 with --short
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// Print the numbers as JSON
    #[arg(long)]
    json: bool,
    /// Take what has a result in the folder already from there
    #[arg(long)]
    resume: bool,
    /// Where results are kept; `bench` in the target folder where not given
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Serve as one of the things that the gateway is compared with
    #[arg(long, hide = true, num_args = 2, value_names = ["DATABASE_URL", "TARGET"])]
    be_the_queue: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench                          the overview
  cargo xtask bench all --short              everything, small
  cargo xtask bench fan-out latency          two of them, at full size
  cargo xtask bench all --resume             go on where it was stopped
  cargo xtask bench peers --json             beside FastAPI, Tornado, drf-hooks and a table with skip locked";

/// Fails where an acknowledged event never arrived.
#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let [database_url, target] = arguments.be_the_queue.as_slice() {
        let target: SocketAddr = target.parse().context("the target is an address")?;
        suite::serve_queue_peer(database_url, target).await?;
    }
    let default = if arguments.short { 2 } else { 10 };
    let window = Duration::from_secs(arguments.seconds.unwrap_or(default));
    let missing = match arguments.benches.is_empty() {
        true => overview(&arguments, window).await?,
        false => measured(&arguments, window).await?,
    };
    Ok(match missing {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn overview(arguments: &Arguments, window: Duration) -> anyhow::Result<u64> {
    let report = bench::run(window).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(report.ledger.missing)
}

async fn measured(arguments: &Arguments, window: Duration) -> anyhow::Result<u64> {
    let folder = match &arguments.out {
        Some(folder) => folder.clone(),
        None => beside_this_program()?,
    };
    let setting = suite::Setting {
        is_short: arguments.short,
        window,
        folder,
    };
    let outcomes = suite::run(&arguments.benches, &setting, arguments.resume).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&outcomes)?);
    } else {
        println!("{}", suite::markdown(&outcomes));
    }
    Ok(outcomes.iter().map(|outcome| outcome.ledger.missing).sum())
}

/// This program is in the folder of its profile, and that in the target folder.
fn beside_this_program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .context("this program is in a folder")?;
    Ok(target.join("bench"))
}
