//! `hookgate plugin check`: exactly the checks of an upload, without a gateway.

use std::process::ExitCode;

use hookgate_plugin_host::{CheckReport, Prepared, Refused};

use super::local::{Local, print_checks};
use super::place::{PlaceArgs, Plugin};
use super::progress::patiently;
use crate::app::Machine;
use crate::cli::output::{Output, line};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin check                      # builds the project here and checks it
  hookgate plugin check only-small.wasm

Fails where an upload would be refused. Checks after the first failed one are not made.")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) async fn run(
    args: CheckArgs,
    machine: &Machine,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let plugin = Plugin::at(&args.place.place).await?;
    let local = Local::start(machine)?;
    let prepared = prepare(&local, plugin).await;
    let report = match &prepared {
        Ok(prepared) => &prepared.report,
        Err(refused) => &refused.report,
    };
    print(report, output)?;
    Ok(match prepared {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

/// As the gateway does it on an upload.
pub(super) async fn prepare(local: &Local, plugin: Plugin) -> Result<Prepared, Refused> {
    let prepared = local.host.prepare(plugin.component);
    patiently("checking and compiling the component", prepared).await
}

fn print(report: &CheckReport, output: Output) -> anyhow::Result<()> {
    if output.json {
        line(&serde_json::to_string(report)?)?;
    } else {
        print_checks(report)?;
    }
    Ok(())
}
