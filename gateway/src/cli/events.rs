//! `hookgate events`: what was accepted, and erasing its data.

use std::process::ExitCode;

use serde_json::json;

use super::client::{Client, ClientArgs};
use super::jobs;
use super::output::{Column, Output};
use super::query::{Paging, Query};

/// Look at events, erase their data.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate events list --type 'invoice.*'
  hookgate events get evt_…          # with its deliveries
  hookgate events erase evt_…        # its data; that it existed stays
  hookgate events erase --tenant acme --confirm acme")]
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
    /// Erase the data of one, or of all of a tenant as a job. This cannot be undone.
    Erase(EraseArgs),
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["id", "tenant"])))]
struct EraseArgs {
    id: Option<String>,
    /// All events of this tenant.
    #[arg(long, requires = "confirm")]
    tenant: Option<String>,
    /// The tenant's name once more.
    #[arg(long, value_name = "TENANT", requires = "tenant")]
    confirm: Option<String>,
    /// Only events accepted before: 720h, or 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", requires = "tenant")]
    until: Option<String>,
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
    #[command(flatten)]
    paging: Paging,
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
        Command::Erase(erase) => return erase.run(&client, args.output).await,
    }
    Ok(ExitCode::SUCCESS)
}

impl EraseArgs {
    async fn run(self, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
        if let Some(id) = self.id {
            let reply = client.delete(&format!("/v1/events/{id}")).await?;
            output.done(&reply, &format!("{id}  its data is erased"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let tenant = self.tenant.unwrap_or_default();
        let body = json!({"confirm": self.confirm, "until": self.until});
        let path = format!("/v1/tenants/{tenant}/erase");
        let reply = client.post(&path, &body).await?;
        jobs::end(client, reply, output, false).await
    }
}

impl ListArgs {
    fn path(&self) -> String {
        Query::of("/v1/events")
            .with("tenant", self.tenant.as_deref())
            .with("type", self.event_type.as_deref())
            .with("since", self.since.as_deref())
            .with("until", self.until.as_deref())
            .page(&self.paging)
            .finish()
    }
}
