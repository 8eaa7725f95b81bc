//! `hookgate plugin bench`: what a call takes, in an instance of its own and in a batch.
//!
//! Measures on this machine, now: two figures of one run can be compared, figures of two
//! machines cannot. Instructions can: they are counted.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use hookgate_plugin_host::{Limits, Trial, TrialCall, TrialRun};
use serde::Serialize;

use super::event::EventArgs;
use super::figures::{bytes, count, time};
use super::local::Local;
use super::place::{PlaceArgs, Plugin};
use super::progress::{patiently, step};
use crate::app::Machine;
use crate::cli::output::{Output, line};

/// Events that share an instance in a delivery, at most.
const BATCH: usize = 100;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin bench                              # the project here, with its event.json
  hookgate plugin bench only-small.wasm --event e.json --calls 10000

Times are those of the engine that deliveries run on; instructions are counted on another, and are
the same on every machine.")]
pub(super) struct BenchArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    event: EventArgs,
    /// Calls of each kind
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calls: u32,
}

/// What was measured.
#[derive(Serialize)]
struct Figures {
    plugin: String,
    calls: u32,
    /// An instance made for each call.
    fresh: Spread,
    /// Of it, the making of the instance.
    start: Spread,
    /// A call of a hundred that one instance answers.
    in_a_batch: Spread,
    /// Instructions of a call.
    fuel: u64,
    /// Instructions to make an instance.
    start_fuel: u64,
    memory_bytes: usize,
    size_bytes: usize,
    limits: Bounds,
}

#[derive(Serialize)]
struct Bounds {
    time_per_event_ns: u64,
    time_to_start_ns: u64,
    memory_bytes: usize,
    size_bytes: usize,
}

#[derive(Clone, Copy, Serialize)]
struct Spread {
    p50_ns: u64,
    p99_ns: u64,
}

pub(super) async fn run(
    args: BenchArgs,
    machine: &Machine,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let plugin = Plugin::at(&args.place.place).await?;
    let setting = args.event.setting(&plugin)?;
    let local = Local::start(machine)?;
    let trial = local.trial(plugin.component.clone()).await?;
    let call = setting
        .call_as_delivered(trial.plugin().exports())
        .map_err(anyhow::Error::msg)?;
    let first = trial.fresh(&call).await;
    if let Err(failure) = &first.result {
        bail!("nothing to measure: {failure}");
    }
    let timed = local.timed_trial(plugin.component.clone()).await?;
    let calls = args.calls as usize;
    let fresh = patiently("measuring fresh instances", fresh(&timed, &call, calls)).await;
    let batched = patiently("measuring batches", batched(&timed, &call, calls)).await;
    let (fresh, batched) = (answered(fresh)?, answered(batched)?);
    let figures = Figures {
        plugin: plugin.name.clone(),
        calls: args.calls,
        fresh: Spread::of(&fresh, |run| run.start_duration + run.duration),
        start: Spread::of(&fresh, |run| run.start_duration),
        in_a_batch: Spread::of(&batched, |run| run.duration),
        fuel: first.fuel,
        start_fuel: first.start_fuel,
        memory_bytes: first.memory_bytes,
        size_bytes: trial.plugin().size_bytes(),
        limits: Bounds::of(local.limits()),
    };
    if output.json {
        line(&serde_json::to_string(&figures)?)?;
    } else {
        figures.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn fresh(trial: &Trial, call: &TrialCall, calls: usize) -> Vec<TrialRun> {
    let mut runs = Vec::with_capacity(calls);
    for _ in 0..calls {
        runs.push(trial.fresh(call).await);
    }
    runs
}

/// Without the first of each instance, which is not like the others.
async fn batched(trial: &Trial, call: &TrialCall, calls: usize) -> Vec<TrialRun> {
    let batch = vec![call.clone(); BATCH];
    let mut runs = Vec::with_capacity(calls + BATCH);
    while runs.len() < calls {
        let answered = trial.batch(&batch).await;
        runs.extend(
            answered
                .into_iter()
                .filter(|run| run.start_duration.is_zero()),
        );
    }
    runs.truncate(calls);
    runs
}

fn answered(runs: Vec<TrialRun>) -> anyhow::Result<Vec<TrialRun>> {
    let failure = runs.iter().find_map(|run| run.result.as_ref().err());
    if let Some(failure) = failure {
        step("the plugin answers alone, but not each time");
        bail!("nothing to measure: {failure}");
    }
    Ok(runs)
}

impl Spread {
    fn of(runs: &[TrialRun], figure: impl Fn(&TrialRun) -> Duration) -> Self {
        let mut sorted: Vec<Duration> = runs.iter().map(figure).collect();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            ns(sorted.get(rank).copied().unwrap_or_default())
        };
        Self {
            p50_ns: at(50),
            p99_ns: at(99),
        }
    }

    fn text(self) -> String {
        let time = |ns| time(Duration::from_nanos(ns));
        format!(
            "p50 {:>8}   p99 {:>8}",
            time(self.p50_ns),
            time(self.p99_ns)
        )
    }
}

impl Bounds {
    fn of(limits: &Limits) -> Self {
        Self {
            time_per_event_ns: ns(limits.time_per_event),
            time_to_start_ns: ns(limits.time_to_instantiate),
            memory_bytes: limits.max_memory_bytes,
            size_bytes: limits.max_component_bytes,
        }
    }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Figures {
    fn print(&self) -> std::io::Result<()> {
        let limit = |ns| time(Duration::from_nanos(ns));
        line(&format!(
            "{}  {} calls of each kind, timed as deliveries run\n\
             fresh       {}   of {}: an instance and its one call\n\
             start       {}   of {}: of it, the making of the instance\n\
             in a batch  {}   of {}: a call of {BATCH} that one instance answers\n\
             fuel        {} instructions a call, {} to start; the same in every run\n\
             memory      {} of {}\nsize        {} of {}",
            self.plugin,
            count(self.calls.into()),
            self.fresh.text(),
            limit(self.limits.time_per_event_ns),
            self.start.text(),
            limit(self.limits.time_to_start_ns),
            self.in_a_batch.text(),
            limit(self.limits.time_per_event_ns),
            count(self.fuel),
            count(self.start_fuel),
            bytes(self.memory_bytes),
            bytes(self.limits.memory_bytes),
            bytes(self.size_bytes),
            bytes(self.limits.size_bytes)
        ))
    }
}
