//! The suite: what the gateway does under each kind of load, beside its floor from the same run.
//!
//! A benchmark is a function from a [`Setting`] to a [`Book`] of figures. Each starts a gateway of its
//! own, so that none stands on what another has left, and each keeps its result in a file of its own,
//! so that a run can go on where it was stopped. Nothing here is judged by a number alone: the machine
//! is whatever it is, hence every figure that can have one carries the floor it was measured beside.

mod backlog;
mod book;
mod chart;
mod database;
mod drain;
mod fan_out;
mod floor;
mod hanging;
mod idle_subscriptions;
mod ingest;
mod latency;
mod long_transaction;
mod memory;
mod nodes;
mod payload;
mod peers;
mod polling;
mod queue_peer;
mod restart;
mod rig;
mod seed;
mod table;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;

use super::tell;

pub use book::{Book, Figure, Goal, Outcome};
pub use queue_peer::serve as serve_queue_peer;

/// What can be measured. In the order in which `all` does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Bench {
    /// Events acknowledged by 64 producers, beside raw batched inserts
    Ingest,
    /// End to end at fan-out 1, 10, 100 and 1,000, and with a plugin on each
    FanOut,
    /// A backlog of 1 million (short: 50,000) delivered after a restart
    Drain,
    /// Send to arrival at 50, 500 and 2,000 events a second
    Latency,
    /// Payloads of 1 to 256 KB
    Payload,
    /// 10 to 1,000,000 (short: 10,000) subscriptions that want something else
    Subscriptions,
    /// 0 to 1 million (short: 50,000) deliveries that wait for their time
    Backlog,
    /// A long transaction beside the queue
    LongTransaction,
    /// From the start of the process to the first delivery, with and without a backlog
    Restart,
    /// 1, 2 and 3 nodes on one database
    Nodes,
    /// Memory with 1 million deliveries due, and with 1,000,000 subscriptions (short: a twentieth)
    Memory,
    /// 10,000 deliveries due to a receiver that hangs, and what that costs the others
    Hanging,
    /// The same job inline in FastAPI and Tornado, with drf-hooks, and by a SQL-table queue
    Peers,
    /// 1,000 clients that poll one API, against hooks, full and skinny
    Polling,
    /// All of them
    All,
}

impl Bench {
    /// As it is called on the command line, and its file.
    #[must_use]
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("none is hidden");
        value.get_name().to_owned()
    }

    fn shows(self) -> String {
        let value = self.to_possible_value().expect("none is hidden");
        value
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default()
    }
}

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Small data sets, for continuous integration.
    pub is_short: bool,
    /// How long one case is measured.
    pub window: Duration,
    /// Where results and the environment of the peers are kept.
    pub folder: PathBuf,
}

impl Setting {
    /// One of two sizes.
    fn pick<T>(&self, short: T, long: T) -> T {
        if self.is_short { short } else { long }
    }
}

/// Runs the benchmarks in order; what has a result in the folder already is taken from there where
/// `resumes`. Writes each result, and all of them as JSON, as a table and as a picture.
///
/// # Errors
/// Where a benchmark cannot be run at all; the results before it are kept.
pub async fn run(
    benches: &[Bench],
    setting: &Setting,
    resumes: bool,
) -> anyhow::Result<Vec<Outcome>> {
    let benches: Vec<Bench> = match benches.contains(&Bench::All) {
        true => Bench::value_variants()
            .iter()
            .copied()
            .filter(|bench| *bench != Bench::All)
            .collect(),
        false => benches.to_vec(),
    };
    std::fs::create_dir_all(&setting.folder)
        .with_context(|| format!("{}", setting.folder.display()))?;
    let mut outcomes = Vec::new();
    for (number, bench) in (1..).zip(&benches) {
        let (name, path) = (bench.name(), result_path(setting, *bench));
        if resumes && let Some(kept) = kept(&path, setting) {
            tell(&format!(
                "[{number}/{}] {name}: kept from {}",
                benches.len(),
                kept.measured_at
            ));
            outcomes.push(kept);
            continue;
        }
        tell(&format!(
            "[{number}/{}] {name}: {}",
            benches.len(),
            bench.shows()
        ));
        let started_at = Instant::now();
        let mut book = Book::new(setting.clone());
        one(*bench, &mut book)
            .await
            .with_context(|| format!("{name} could not be measured"))?;
        let outcome = book.close((name, bench.shows()), started_at.elapsed());
        std::fs::write(&path, serde_json::to_vec_pretty(&outcome)?)?;
        outcomes.push(outcome);
    }
    write_report(&setting.folder, &outcomes)?;
    Ok(outcomes)
}

async fn one(bench: Bench, book: &mut Book) -> anyhow::Result<()> {
    match bench {
        Bench::Ingest => ingest::run(book).await,
        Bench::FanOut => fan_out::run(book).await,
        Bench::Drain => drain::run(book).await,
        Bench::Latency => latency::run(book).await,
        Bench::Payload => payload::run(book).await,
        Bench::Subscriptions => idle_subscriptions::run(book).await,
        Bench::Backlog => backlog::run(book).await,
        Bench::LongTransaction => long_transaction::run(book).await,
        Bench::Restart => restart::run(book).await,
        Bench::Nodes => nodes::run(book).await,
        Bench::Memory => memory::run(book).await,
        Bench::Hanging => hanging::run(book).await,
        Bench::Peers => peers::run(book).await,
        Bench::Polling => polling::run(book).await,
        Bench::All => unreachable!("it stands for the others"),
    }
}

/// The table that goes to a terminal.
#[must_use]
pub fn markdown(outcomes: &[Outcome]) -> String {
    table::markdown(outcomes)
}

fn result_path(setting: &Setting, bench: Bench) -> PathBuf {
    let length = setting.pick("short", "long");
    setting
        .folder
        .join(format!("{}.{length}.json", bench.name()))
}

fn kept(path: &Path, setting: &Setting) -> Option<Outcome> {
    let outcome: Outcome = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (outcome.is_short == setting.is_short).then_some(outcome)
}

fn write_report(folder: &Path, outcomes: &[Outcome]) -> anyhow::Result<()> {
    std::fs::write(
        folder.join("results.json"),
        serde_json::to_vec_pretty(outcomes)?,
    )?;
    std::fs::write(folder.join("results.md"), table::markdown(outcomes))?;
    std::fs::write(folder.join("results.svg"), chart::svg(outcomes))?;
    tell(&format!(
        "results.json, results.md and results.svg are in {}",
        folder.display()
    ));
    Ok(())
}
