//! Measures a release build of the gateway: throughput, latency and cost, all in one run and all
//! beside what the same machine does without a gateway. `cargo xtask bench` builds and starts it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hookgate_tests::bench;

/// Measure a release build: throughput, latency and cost, beside what the same machine does without
/// a gateway
///
/// Everything runs on this machine: the gateway with its own durable Postgres, the load and the
/// receiver. A run takes about half a minute and six times SECONDS.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// How long each part is measured
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Print the numbers as JSON
    #[arg(long)]
    json: bool,
}

/// Fails where an acknowledged event never arrived.
#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let report = bench::run(Duration::from_secs(arguments.seconds)).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(match report.ledger.missing {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
