//! `hookgate plugin watch`: every change is built, tested, pushed and shown at work.
//!
//! A round that fails says why and waits for the next change; only a watcher that cannot watch
//! ends the command.

mod changes;
mod replay;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use hookgate_plugin_host::Trial;

use self::changes::Changes;
use self::replay::Replay;
use super::figures::{self, plural};
use super::local::Local;
use super::place::{self, Plugin};
use super::push::{Upload, name_of};
use super::test::{self, Outcome};
use crate::app::Machine;
use crate::cli::client::{Client, ClientArgs};
use crate::cli::output::{Paint, line};
use crate::domain::plugin::PluginName;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin watch                              # the project here
  hookgate plugin watch --last 20 --type 'invoice.*'
  hookgate plugin watch --no-push                    # build and test only

Each change is built, put to its golden tests and pushed, and the gateway's last events are shown
to it: here, so nothing is sent again. Their config is that of the first subscription that uses the
plugin, or --config. Point it at a gateway for development, not at production.")]
pub(super) struct WatchArgs {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Its name on the gateway; the project's where it is left out
    #[arg(long)]
    name: Option<PluginName>,
    /// Only this tenant's
    #[arg(long)]
    tenant: Option<String>,
    /// Leave the gateway as it is
    #[arg(long)]
    no_push: bool,
    #[command(flatten)]
    replay: Replay,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: WatchArgs, machine: &Machine) -> anyhow::Result<ExitCode> {
    let project = place::project(&args.dir)?;
    let mut changes = Changes::of(&project.dir)?;
    let local = Local::start(machine)?;
    let client = Client::new(&args.client)?;
    loop {
        changes.forget();
        if let Err(error) = round(&args, &local, &client).await {
            let paint = Paint::for_stdout();
            line(&format!("{} {error:#}", paint.bad("error:")))?;
        }
        line(&Paint::for_stdout().faint("watching for changes; ctrl-c ends it"))?;
        changes.next().await?;
    }
}

async fn round(args: &WatchArgs, local: &Local, client: &Client) -> anyhow::Result<()> {
    let started_at = Instant::now();
    let plugin = Plugin::at(&args.dir).await?;
    line(&format!(
        "{}  built in {}, {}",
        Paint::for_stdout().strong(&plugin.name),
        figures::time(started_at.elapsed()),
        figures::bytes(plugin.component.len())
    ))?;
    let trial = local.trial(plugin.component.clone()).await?;
    let is_good = tested(&plugin, local, &trial).await?;
    let upload = Upload {
        name: match &args.name {
            Some(name) => name.clone(),
            None => name_of(&plugin)?,
        },
        tenant: args.tenant.clone(),
        activate: true,
    };
    if !args.no_push && is_good {
        let reply = upload.send(client, &plugin).await?;
        line(&upload.sentence(&reply.value))?;
    } else if !args.no_push {
        line("not pushed: its tests fail")?;
    }
    args.replay.show(client, &upload, &trial).await
}

/// Whether its golden tests passed; shows only those that did not.
async fn tested(plugin: &Plugin, local: &Local, trial: &Trial) -> anyhow::Result<bool> {
    let folder = plugin.folder.join("tests");
    if !folder.is_dir() {
        return Ok(true);
    }
    let files = test::read(&folder)?;
    let cases: Vec<_> = files.cases().collect();
    let reports = hookgate_plugin_golden::run(trial, &cases).await;
    let outcome = Outcome {
        plugin: &plugin.name,
        trial,
        limits: local.limits(),
        reports: &reports,
        written: &[],
    };
    if outcome.is_good() {
        line(&format!("{} passed", plural(reports.len(), "case")))?;
    } else {
        outcome.print(false)?;
    }
    Ok(outcome.is_good())
}
