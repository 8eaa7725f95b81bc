//! `hookgate plugin …`: from an idea to a version that serves.
//!
//! One file a command. `new`, `build`, `check`, `inspect`, `test`, `run` and `bench` work on this
//! machine alone, with the checks and limits of an upload; the rest talks to a gateway. How a
//! plugin is compiled, run and compared is the business of the kit, the host and the golden tests.

mod activate;
mod backtest;
mod bench;
mod build;
mod check;
mod event;
mod figures;
mod inspect;
mod local;
mod logs;
mod look;
mod place;
mod progress;
mod push;
mod rollback;
mod run;
mod test;
mod watch;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::Output;
use crate::app::Machine;

/// Build plugins, try them out and bring them to a gateway.
#[derive(Debug, Args)]
#[command(after_help = "\
From nothing to a delivery:
  hookgate plugin new only-small --lang ts   # or rust, js, python, go, c
  cd only-small
  hookgate plugin test                       # builds it and runs tests/*.json
  hookgate plugin push                       # checked, compiled, active on every node
  hookgate subscriptions create '*' --to http://127.0.0.1:9000/ --plugin only-small
  hookgate send invoice.paid --data '{\"id\": 1}'
  hookgate plugin logs only-small -f         # what it logs and where it fails

Where it says [PLUGIN], give a project's folder (built first) or a component's file.")]
pub struct PluginArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a project that builds and passes its tests as it is
    /// Build a project to a component
    Build(build::BuildArgs),
    /// Check a component as an upload would be
    Check(check::CheckArgs),
    /// Show what a component is: exports, imports, size, digest, resources
    Inspect(inspect::InspectArgs),
    /// Run golden tests: tests/*.json with events and the answers that are expected
    Test(test::TestArgs),
    /// Run it over one event, here; nothing is sent
    Run(run::RunArgs),
    /// Measure it: fresh and in a batch, beside the limits
    Bench(bench::BenchArgs),
    /// Rebuild on every change, push, and show what it makes of the gateway's last events
    Watch(watch::WatchArgs),
    /// Bring it to a gateway
    Push(push::PushArgs),
    /// Compare another version with the one that serves, over stored events; nothing is sent
    Backtest(Box<backtest::BacktestArgs>),
    /// Switch to a version, for all events or for a share of them
    Activate(activate::ActivateArgs),
    /// Switch back to the version before
    Rollback(rollback::RollbackArgs),
    /// List the gateway's plugins
    List(look::ListArgs),
    /// Show one with its versions, calls and last failures
    Get(look::GetArgs),
    /// Show what it logged, and where it failed
    Logs(logs::LogsArgs),
    /// Remove it; refused while a subscription uses it
    Delete(look::DeleteArgs),
}

/// # Errors
/// Names the cause and the cure.
pub async fn run(args: PluginArgs, machine: &Machine) -> anyhow::Result<ExitCode> {
    let output = args.output;
    match args.command {
        Command::Build(args) => build::run(args, machine, output).await,
        Command::Check(args) => check::run(args, machine, output).await,
        Command::Inspect(args) => inspect::run(args, machine, output).await,
        Command::Test(args) => test::run(args, machine, output).await,
        Command::Run(args) => run::run(args, machine, output).await,
        Command::Bench(args) => bench::run(args, machine, output).await,
        Command::Watch(args) => watch::run(args, machine).await,
        Command::Push(args) => push::run(args, output).await,
        Command::Backtest(args) => backtest::run(*args, output).await,
        Command::Activate(args) => activate::run(args, output).await,
        Command::Rollback(args) => rollback::run(args, output).await,
        Command::List(args) => look::list(args, output).await,
        Command::Get(args) => look::get(args, output).await,
        Command::Logs(args) => logs::run(args, output).await,
        Command::Delete(args) => look::delete(args, output).await,
    }
}
