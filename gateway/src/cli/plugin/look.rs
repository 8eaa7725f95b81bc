//! `hookgate plugin list`, `get` and `delete`: the plugins of a gateway.

use std::process::ExitCode;

use anyhow::bail;

use crate::cli::client::{Client, ClientArgs, ClientError, Reply};
use crate::cli::output::{Column, Output};
use crate::cli::query::Query;
use crate::domain::plugin::PluginName;

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// With this tenant's own
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct GetArgs {
    name: PluginName,
    /// This tenant's, where it has one of that name
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A plugin that a subscription uses is not removed; the refusal lists them. Versions stay known, so
that attempts can name them.")]
pub(super) struct DeleteArgs {
    name: PluginName,
    /// Whose plugin; else the shared one, or that of your key's own tenant
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

const COLUMNS: &[Column] = &[
    ("NAME", "/name"),
    ("OWNER", "/owner"),
    ("TENANT", "/tenant"),
    ("ACTIVE", "/active_version"),
    ("CALLS", "/calls"),
    ("FAILED", "/failed_calls"),
    ("P50_US", "/p50_us"),
    ("P99_US", "/p99_us"),
];

pub(super) async fn list(args: ListArgs, output: Output) -> anyhow::Result<ExitCode> {
    let path = Query::of("/v1/plugins")
        .with("tenant", args.tenant.as_deref())
        .finish();
    let reply = Client::new(&args.client)?.get(&path).await?;
    output.list(&reply, COLUMNS)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn get(args: GetArgs, output: Output) -> anyhow::Result<ExitCode> {
    let path = Query::of(format!("/v1/plugins/{}", args.name))
        .with("tenant", args.tenant.as_deref())
        .finish();
    let reply = Client::new(&args.client)?.get(&path).await;
    output.item(&known(&args.name, reply)?)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn delete(args: DeleteArgs, output: Output) -> anyhow::Result<ExitCode> {
    let path = Query::of(format!("/v1/plugins/{}", args.name))
        .with("tenant", args.tenant.as_deref())
        .finish();
    let reply = Client::new(&args.client)?.delete(&path).await;
    let reply = known(&args.name, reply)?;
    output.done(&reply, &format!("{}  deleted", args.name))?;
    Ok(ExitCode::SUCCESS)
}

/// A 404 about a plugin or its version, in words of its own.
pub(super) fn known(name: &PluginName, reply: Result<Reply, ClientError>) -> anyhow::Result<Reply> {
    match reply {
        Err(ClientError::Refused(refusal)) if refusal.status == 404 => {
            if refusal.to_string().contains("such version") {
                bail!(
                    "{name} has no such version\n  cure: `hookgate plugin get {name}` lists them"
                );
            }
            bail!(
                "the gateway has no plugin {name}, or your key may not see it\n  cure: `hookgate \
                 plugin list` shows those it has; --tenant names another tenant's"
            )
        }
        reply => Ok(reply?),
    }
}
