//! `hookgate deliveries`: what became of each event for each subscription, and doing it again.

use std::process::ExitCode;

use serde_json::json;

use super::client::{Client, ClientArgs};
use super::output::{Column, Output};
use super::query::Query;

/// Look at deliveries, retry and cancel them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate deliveries list --state dead             # what was given up
  hookgate deliveries list --event evt_…            # who got this event
  hookgate deliveries get dlv_…                     # with all its attempts
  hookgate deliveries retry dlv_…                   # send it again now, with the same webhook-id")]
pub struct DeliveriesArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List them, newest first; those of the last 24 hours.
    List(ListArgs),
    /// Show one with its attempts.
    Get { id: String },
    /// Send one again now, whatever became of it.
    Retry { id: String },
    /// Give one up that waits.
    Cancel { id: String },
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[arg(long)]
    tenant: Option<String>,
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// pending, delivered, dropped, merged, dead, cancelled or expired.
    #[arg(long)]
    state: Option<String>,
    /// From this moment on: 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[arg(long)]
    limit: Option<u16>,
    /// Go on where the last list ended.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

const COLUMNS: &[Column] = &[
    ("DELIVERY", "/id"),
    ("TYPE", "/event_type"),
    ("STATE", "/state"),
    ("SUBSCRIPTION", "/subscription"),
    ("EVENT", "/event"),
    ("DUE", "/due_at"),
    ("REASON", "/reason"),
];

/// # Errors
/// Where the gateway is not there or refuses.
pub async fn run(args: DeliveriesArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    match args.command {
        Command::List(list) => {
            let reply = client.get(&list.path()).await?;
            args.output.list(&reply, COLUMNS)?;
        }
        Command::Get { id } => {
            let reply = client.get(&format!("/v1/deliveries/{id}")).await?;
            args.output.item(&reply)?;
        }
        Command::Retry { id } => {
            let path = format!("/v1/deliveries/{id}/retry");
            let reply = client.post(&path, &json!({})).await?;
            args.output.done(&reply, &format!("{id}  is due now"))?;
        }
        Command::Cancel { id } => {
            let path = format!("/v1/deliveries/{id}/cancel");
            let reply = client.post(&path, &json!({})).await?;
            args.output.done(&reply, &format!("{id}  cancelled"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl ListArgs {
    fn path(&self) -> String {
        Query::of("/v1/deliveries")
            .with("tenant", self.tenant.as_deref())
            .with("subscription", self.subscription.as_deref())
            .with("event", self.event.as_deref())
            .with("state", self.state.as_deref())
            .with("since", self.since.as_deref())
            .with(
                "limit",
                self.limit.map(|limit| limit.to_string()).as_deref(),
            )
            .with("after", self.after.as_deref())
            .finish()
    }
}
