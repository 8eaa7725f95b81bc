//! Rigs for bad days, and the page that says what they and the tests saw. `cargo xtask chaos soak`,
//! `cargo xtask chaos powercut` and `cargo xtask promises` build and start it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use hookgate_tests::faults::{power, soak};
use hookgate_tests::{figures, promises};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A steady load for as long as one likes, with kills and reloads of a plugin
    ///
    /// Two gateways, one Postgres, receivers that fail now and then. The plugin is replaced a dozen times, a gateway or
    /// Postgres is killed three times; the other gateway's memory and files are watched. Fails where the books do not
    /// balance, and after 50 minutes also where memory, files or latency grow beyond their bounds.
    Soak {
        #[arg(long, default_value_t = 60.0)]
        minutes: f64,
        /// Events a second
        #[arg(long, default_value_t = 40)]
        rate: u32,
    },
    /// Power cuts under load, on a disk that loses what was not synced
    ///
    /// Needs root and /dev/fuse. Every other cut takes the gateway with it. Afterwards the same is done, a few times
    /// each, with `fsync=off` and with `synchronous_commit=off`, which must lose events or the whole database: else the
    /// rig shows nothing, and fails.
    Powercut {
        #[arg(long, default_value_t = 30)]
        cuts: u32,
        /// Events acknowledged between two cuts
        #[arg(long, default_value_t = 1700)]
        events: usize,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How often each of the two unsafe settings is tried
        #[arg(long, default_value_t = 3)]
        controls: u32,
        /// The program that is the disk
        #[arg(long, env = "HOOKGATE_LOSSY_DISK", hide = true)]
        disk: PathBuf,
    },
    /// Runs the tests of promises, and writes docs/promises.md from what was seen
    Promises {
        /// Only these, as in R7 I4; all where none is named
        ids: Vec<String>,
        /// Runs nothing: takes the figures that are there and writes the page
        #[arg(long, conflicts_with = "ids")]
        page: bool,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Soak { minutes, rate } => Ok(endure(minutes, rate).await),
        Command::Powercut {
            cuts,
            events,
            seed,
            controls,
            disk,
        } => {
            let setting = power::Setting {
                disk: &disk,
                cuts,
                events,
                seed,
            };
            Ok(cut(setting, controls).await)
        }
        Command::Promises { ids, page } => {
            let record = if page {
                promises::write(promises::read()?)?
            } else {
                promises::run(&ids)?
            };
            println!("{}", promises::page_path().display());
            let failed = record.tests.values();
            let has_failed = failed
                .into_iter()
                .any(|how| *how == promises::Ended::Failed);
            Ok(code(!has_failed))
        }
    }
}

fn code(is_well: bool) -> ExitCode {
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn cut(setting: power::Setting<'_>, controls: u32) -> ExitCode {
    let kept = power::run(setting, power::Promise::Kept, |step| println!("{step}")).await;
    let (mut caught, mut tried) = (0, 0);
    for control in power::Promise::CONTROLS {
        for round in 0..controls {
            let once = power::Setting {
                cuts: 1,
                events: setting.events.min(500),
                seed: setting.seed + u64::from(round),
                ..setting
            };
            let tell = |step: &str| println!("{}: {step}", control.name());
            let seen = power::run(once, control, tell).await;
            tried += 1;
            caught += u32::from(seen.lost > 0 || seen.is_broken);
        }
    }
    let figure = format!(
        "{} power cuts: {} of {} acknowledged lost; with fsync=off or synchronous_commit=off events lost or no start in {caught} of {tried}",
        kept.cuts, kept.lost, kept.acknowledged
    );
    let command = format!(
        "cargo xtask chaos powercut --cuts {} --events {} --seed {}",
        setting.cuts, setting.events, setting.seed
    );
    figures::record_of_rig("R3", figure, command);
    code(kept.lost == 0 && !kept.is_broken && caught == tried)
}

async fn endure(minutes: f64, rate: u32) -> ExitCode {
    let span = Duration::from_secs_f64(minutes * 60.0);
    let setting = soak::Setting {
        rate,
        ..soak::Setting::over(span)
    };
    let report = soak::run(setting, |step| println!("{step}")).await;
    let (early, late) = report.p99;
    let is_telling = span >= soak::TELLING;
    let mut figure = format!(
        "{minutes} minutes, {} kills, {} reloads: 0 of {} acknowledged lost, {} repeats; memory {:+.1} MB/h at {:.0} MB, files \
         within {}, p99 of an acknowledgement {:.0} ms early and {:.0} ms late",
        report.kills,
        report.reloads,
        report.acknowledged,
        report.repeats,
        report.memory_mib_per_hour,
        report.memory_mib,
        report.files_apart,
        early.as_secs_f64() * 1000.0,
        late.as_secs_f64() * 1000.0
    );
    if !is_telling {
        figure.push_str(" (too short to judge the slope)");
    }
    let command = format!("cargo xtask chaos soak --minutes {minutes} --rate {rate}");
    figures::record_of_rig("R18", figure, command);
    let is_steady = report.memory_mib_per_hour < 1.0 && late <= early.mul_f64(1.1);
    code(!is_telling || is_steady)
}
