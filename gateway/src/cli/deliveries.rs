//! `hookgate deliveries`: what became of each event for each subscription, and doing it again.

use std::process::ExitCode;

use serde_json::json;

use super::client::{Client, ClientArgs, Reply};
use super::jobs;
use super::output::{Column, Output, line, printable};
use super::query::{Paging, Query};

/// Look at deliveries, retry, cancel and verify them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate deliveries list --state dead             # what was given up
  hookgate deliveries list --event evt_…            # who got this event
  hookgate deliveries get dlv_…                     # with all its attempts
  hookgate deliveries retry dlv_…                   # send it again now, with the same webhook-id
  hookgate deliveries retry --state dead --subscription sub_… --since 24h --dry-run
  hookgate deliveries retry --state dead --since 24h --rate 100
  hookgate deliveries verify dlv_…                  # make it again, compare it with what was sent")]
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
    /// Send one again now, whatever became of it; or many, by filters, as a job.
    Retry(RetryArgs),
    /// Give one up that waits.
    Cancel { id: String },
    /// Make a past one again with the plugins and the config it had, and compare the bytes; fails
    /// where they differ.
    Verify {
        id: String,
        /// The attempt's number; the last that sent something where it is left out.
        #[arg(long, value_name = "NUMBER")]
        attempt: Option<u16>,
    },
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true)
    .args(["id", "tenant", "subscription", "event", "state", "types", "since"])))]
struct RetryArgs {
    /// One delivery; without it the filters say which.
    #[arg(conflicts_with_all = ["tenant", "subscription", "event", "state", "types", "since", "until", "rate", "dry_run"])]
    id: Option<String>,
    #[arg(long)]
    tenant: Option<String>,
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// dead (where it is left out), cancelled, expired, dropped, merged or delivered.
    #[arg(long)]
    state: Option<String>,
    /// Only events of these types: 'invoice.*'.
    #[arg(long = "type", value_name = "PATTERN")]
    types: Vec<String>,
    /// Events since then: 24h, or 2026-01-31T12:00:00Z; the last 24 hours where it is left out.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Deliveries a second; 1000 where it is left out.
    #[arg(long, value_name = "NUMBER")]
    rate: Option<u32>,
    /// Only count.
    #[arg(long)]
    dry_run: bool,
    /// Do not wait for the job's end.
    #[arg(long)]
    detach: bool,
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
    #[command(flatten)]
    paging: Paging,
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
        Command::Retry(retry) => return retry.run(&client, args.output).await,
        Command::Cancel { id } => {
            let path = format!("/v1/deliveries/{id}/cancel");
            let reply = client.post(&path, &json!({})).await?;
            args.output.done(&reply, &format!("{id}  cancelled"))?;
        }
        Command::Verify { id, attempt } => {
            let query = attempt.map(|number| format!("?attempt={number}"));
            let query = query.unwrap_or_default();
            let path = format!("/v1/deliveries/{id}/verify{query}");
            let reply = client.get(&path).await?;
            return verified(&reply, args.output);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn verified(reply: &Reply, output: Output) -> anyhow::Result<ExitCode> {
    let value = &reply.value;
    let is_same = value["same"] == true;
    if output.json {
        line(&reply.text)?;
    } else {
        let text = |member: &str| printable(value[member].as_str().unwrap_or("-"));
        let word = if is_same { "same" } else { "DIFFERS" };
        line(&format!(
            "{word}  attempt {}: {}",
            value["attempt"],
            text("detail")
        ))?;
        line(&format!("sent  {}", text("sent_sha256")))?;
        line(&format!("now   {}", text("now_sha256")))?;
        for plugin in value["plugins"].as_array().into_iter().flatten() {
            let part = |member: &str| printable(plugin[member].as_str().unwrap_or("?"));
            line(&format!("with  {} {}", part("name"), part("digest")))?;
        }
        if value["config_is_current"] == false {
            line("The subscription has changed since; this was verified with its config of then.")?;
        }
    }
    Ok(if is_same {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl RetryArgs {
    async fn run(self, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
        if let Some(id) = &self.id {
            let path = format!("/v1/deliveries/{id}/retry");
            let reply = client.post(&path, &json!({})).await?;
            output.done(&reply, &format!("{id}  is due now"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let body = json!({
            "tenant": self.tenant, "subscription": self.subscription, "event": self.event,
            "state": self.state, "types": self.types, "since": self.since, "until": self.until,
            "rate": self.rate, "dry_run": self.dry_run,
        });
        let reply = client.post("/v1/deliveries/retry", &body).await?;
        jobs::end(client, reply, output, self.detach || self.dry_run).await
    }
}

impl ListArgs {
    fn path(&self) -> String {
        Query::of("/v1/deliveries")
            .with("tenant", self.tenant.as_deref())
            .with("subscription", self.subscription.as_deref())
            .with("event", self.event.as_deref())
            .with("state", self.state.as_deref())
            .with("since", self.since.as_deref())
            .page(&self.paging)
            .finish()
    }
}
