//! `hookgate events`: what was accepted.

use std::process::ExitCode;

use super::client::{Client, ClientArgs};
use super::output::{Column, Output};
use super::query::Query;

/// Look at events.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate events list --type 'invoice.*'
  hookgate events get evt_…          # with its deliveries")]
pub struct EventsArgs {
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
    /// Show one with its deliveries.
    Get { id: String },
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[arg(long)]
    tenant: Option<String>,
    /// A pattern: invoice.*
    #[arg(long = "type", value_name = "PATTERN")]
    event_type: Option<String>,
    /// From this moment on: 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Up to this moment.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[arg(long)]
    limit: Option<u16>,
    /// Go on where the last list ended.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

const COLUMNS: &[Column] = &[
    ("EVENT", "/id"),
    ("TYPE", "/type"),
    ("TENANT", "/tenant"),
    ("RECEIVED", "/received_at"),
];

/// # Errors
/// Where the gateway is not there or refuses.
pub async fn run(args: EventsArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    match args.command {
        Command::List(list) => {
            let reply = client.get(&list.path()).await?;
            args.output.list(&reply, COLUMNS)?;
        }
        Command::Get { id } => {
            let reply = client.get(&format!("/v1/events/{id}")).await?;
            args.output.item(&reply)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl ListArgs {
    fn path(&self) -> String {
        Query::of("/v1/events")
            .with("tenant", self.tenant.as_deref())
            .with("type", self.event_type.as_deref())
            .with("since", self.since.as_deref())
            .with("until", self.until.as_deref())
            .with(
                "limit",
                self.limit.map(|limit| limit.to_string()).as_deref(),
            )
            .with("after", self.after.as_deref())
            .finish()
    }
}
