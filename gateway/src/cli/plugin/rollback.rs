//! `hookgate plugin rollback`: back to the version before, in one command.

use std::process::ExitCode;

use serde_json::json;

use super::activate::{sentence, switch};
use crate::cli::client::{Client, ClientArgs};
use crate::cli::output::Output;
use crate::domain::plugin::PluginName;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin rollback only-small        # to the version that served before
  hookgate plugin rollback only-small --to 2

A canary is ended: the version that it was compared with meets all events again.")]
pub(super) struct RollbackArgs {
    name: PluginName,
    /// Another version than the one before
    #[arg(long = "to", value_name = "VERSION")]
    version: Option<i64>,
    /// Whose plugin; else the shared one, or that of your key's own tenant
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: RollbackArgs, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    let (name, tenant) = (&args.name, args.tenant.as_deref());
    let body = match args.version {
        Some(version) => json!({"version": version}),
        None => json!({"rollback": true}),
    };
    let reply = switch(&client, name, tenant, &body).await?;
    output.done(&reply, &sentence(name, None, &reply.value))?;
    Ok(ExitCode::SUCCESS)
}
