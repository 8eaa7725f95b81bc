//! Kills, freezes and stops gateways and their Postgres by a seeded plan, and balances the books
//! afterwards. `cargo xtask chaos` builds and starts it.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use hookgate_tests::chaos::{History, Plan, Setting, check, run};

/// Kill, freeze and stop gateways and their Postgres under load, and balance the books afterwards
///
/// Each acknowledged event must have exactly one end for each of its subscriptions, each receipt
/// must be wanted, signed and byte for byte what was sent, and each repeat must have a cause.
/// A run ends with the line that starts it again.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask chaos")]
struct Arguments {
    /// Makes the plan; taken from the clock where not given
    #[arg(long)]
    seed: Option<u64>,
    /// How long troubles go on; coming to rest takes up to three minutes more
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    seconds: u64,
    /// Gateways on one database
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=9))]
    gateways: u64,
    /// Publishers, each with one request at a time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=256))]
    publishers: u64,
    /// Keep what was seen in this file
    #[arg(long)]
    history: Option<PathBuf>,
    /// Only show what the seed has planned
    #[arg(long)]
    plan: bool,
    /// Only check what an earlier run has kept
    #[arg(long, conflicts_with_all = ["seed", "plan", "history"])]
    check: Option<PathBuf>,
}

/// Fails where the books do not balance.
#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(kept) = &arguments.check {
        let file = File::open(kept).with_context(|| format!("{}", kept.display()))?;
        return Ok(judge(&serde_json::from_reader(std::io::BufReader::new(
            file,
        ))?));
    }
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let setting = Setting {
        seed,
        span: Duration::from_secs(arguments.seconds),
        gateways: usize::try_from(arguments.gateways)?,
        publishers: usize::try_from(arguments.publishers)?,
    };
    let again = format!(
        "cargo xtask chaos --seed {seed} --seconds {} --gateways {} --publishers {}",
        arguments.seconds, arguments.gateways, arguments.publishers
    );
    println!("{again}");
    if arguments.plan {
        for (calm, trouble) in Plan::of(seed, setting.span, setting.gateways).steps {
            println!("after {:>5} ms: {trouble}", calm.as_millis());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let history = run(setting, |step| eprintln!("chaos: {step}")).await;
    if let Some(path) = &arguments.history {
        let file = File::create(path).with_context(|| format!("{}", path.display()))?;
        serde_json::to_writer(std::io::BufWriter::new(file), &history)?;
    }
    let code = judge(&history);
    println!("again: {again}");
    Ok(code)
}

fn judge(history: &History) -> ExitCode {
    let verdict = check(history);
    print!("{verdict}");
    println!(
        "{} troubles, {} events acknowledged, {} stored, {} requests received: {}",
        history.troubles.len(),
        history.acknowledged.len(),
        history.events.len(),
        history.receipts.len(),
        if verdict.is_clean() {
            "the books balance"
        } else {
            "THE BOOKS DO NOT BALANCE"
        }
    );
    if verdict.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
