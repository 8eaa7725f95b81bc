//! `hookgate subscriptions`: who gets what, and where.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::client::{Client, ClientArgs};
use super::jobs;
use super::output::{Column, Output, line};
use super::query::Query;

/// Create, look at, pause, resume, replay and delete subscriptions.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate subscriptions create 'invoice.*' --to https://example.com/hooks
  hookgate subscriptions create '*' --to http://127.0.0.1:9000/ --plugin 'skinny={\"keep\": [\"/id\"]}'
  hookgate subscriptions pause sub_…       # events wait
  hookgate subscriptions resume sub_…      # and are delivered now
  hookgate subscriptions replay sub_… --since 24h --state dead --dry-run
  hookgate subscriptions replay sub_… --since 24h --rate 50 --to http://127.0.0.1:9000/
  hookgate subscriptions missed sub_…      # while it was disabled; --release sends it")]
pub struct SubscriptionsArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List them.
    List {
        #[arg(long)]
        tenant: Option<String>,
        #[arg(long)]
        limit: Option<u16>,
        /// Go on where the last list ended.
        #[arg(long, value_name = "CURSOR")]
        after: Option<String>,
    },
    /// Make one. Its secret is shown now and never again.
    Create(CreateArgs),
    /// Show one.
    Get { id: String },
    /// Let its events wait.
    Pause { id: String },
    /// Deliver again, and what has waited.
    Resume { id: String },
    /// Delete it; what still waits is cancelled.
    Delete { id: String },
    /// Deliver its events of a range once more, with the same ids; shows the progress.
    Replay(ReplayArgs),
    /// Show what it missed while it was disabled or expired, or send it.
    Missed {
        id: String,
        /// Send it, as a job.
        #[arg(long)]
        release: bool,
        /// Deliveries a second.
        #[arg(long, requires = "release", value_name = "NUMBER")]
        rate: Option<u32>,
        #[arg(long)]
        limit: Option<u16>,
        /// Go on where the last list ended.
        #[arg(long, value_name = "CURSOR")]
        after: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct ReplayArgs {
    id: String,
    /// Events since then: 24h, or 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: String,
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only events of these types: 'invoice.*'.
    #[arg(long = "type", value_name = "PATTERN")]
    types: Vec<String>,
    /// delivered, dropped, merged, dead, cancelled, expired, or missing (they match, but were never
    /// to be delivered to it); repeat for several. All where it is left out.
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<String>,
    /// Deliveries a second; 1000 where it is left out.
    #[arg(long, value_name = "NUMBER")]
    rate: Option<u32>,
    /// Send them there once instead, for debugging; not recorded as attempts.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Only count.
    #[arg(long)]
    dry_run: bool,
    /// Do not wait for the job's end.
    #[arg(long)]
    detach: bool,
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// Event types: invoice.paid, invoice.*, or * for all.
    #[arg(value_name = "PATTERN", required = true)]
    event_types: Vec<String>,
    /// Where to deliver.
    #[arg(long, value_name = "URL")]
    to: String,
    #[arg(long)]
    tenant: Option<String>,
    #[arg(long)]
    description: Option<String>,
    /// A plugin to run, with its config; repeat for several, in their order.
    #[arg(long = "plugin", value_name = "NAME[=JSON]", value_parser = plugin)]
    plugins: Vec<Value>,
    /// Further members of the API's body, as one JSON object: '{"delivery": {"timeout": "5s"}}'.
    #[arg(long, value_name = "JSON", value_parser = object)]
    with: Option<Value>,
}

const COLUMNS: &[Column] = &[
    ("SUBSCRIPTION", "/id"),
    ("STATE", "/state"),
    ("TYPES", "/event_types"),
    ("TARGET", "/target_url"),
    ("TENANT", "/tenant"),
    ("PLUGINS", "/plugins/0/name"),
];

const MISSED: &[Column] = &[
    ("DELIVERY", "/delivery"),
    ("EVENT", "/event"),
    ("TYPE", "/event_type"),
    ("RECEIVED", "/received_at"),
];

/// # Errors
/// Where the gateway is not there or refuses.
pub async fn run(args: SubscriptionsArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    let output = args.output;
    match args.command {
        Command::List {
            tenant,
            limit,
            after,
        } => {
            let path = Query::of("/v1/subscriptions")
                .with("tenant", tenant.as_deref())
                .with("limit", limit.map(|limit| limit.to_string()).as_deref())
                .with("after", after.as_deref())
                .finish();
            output.list(&client.get(&path).await?, COLUMNS)?;
        }
        Command::Create(create) => {
            let reply = client.post("/v1/subscriptions", &create.body()).await?;
            output.item(&reply)?;
            if !output.json {
                line("\nKeep the secret: it is not shown again.")?;
            }
        }
        Command::Get { id } => {
            output.item(&client.get(&format!("/v1/subscriptions/{id}")).await?)?;
        }
        Command::Pause { id } => {
            let path = format!("/v1/subscriptions/{id}/pause");
            let reply = client.post(&path, &json!({})).await?;
            output.done(&reply, &format!("{id}  paused; its events wait"))?;
        }
        Command::Resume { id } => {
            let path = format!("/v1/subscriptions/{id}/resume");
            let reply = client.post(&path, &json!({})).await?;
            output.done(&reply, &format!("{id}  active"))?;
        }
        Command::Delete { id } => {
            let reply = client.delete(&format!("/v1/subscriptions/{id}")).await?;
            output.done(&reply, &format!("{id}  deleted"))?;
        }
        Command::Replay(replay) => return replay.run(&client, output).await,
        Command::Missed {
            id,
            release: true,
            rate,
            ..
        } => {
            let path = format!("/v1/subscriptions/{id}/missed/release");
            let reply = client.post(&path, &json!({"rate": rate})).await?;
            return jobs::end(&client, reply, output, false).await;
        }
        Command::Missed {
            id, limit, after, ..
        } => {
            let path = format!("/v1/subscriptions/{id}/missed");
            let path = Query::of(&path)
                .with("limit", limit.map(|limit| limit.to_string()).as_deref())
                .with("after", after.as_deref())
                .finish();
            output.list(&client.get(&path).await?, MISSED)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl ReplayArgs {
    async fn run(self, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
        let mut body = json!({
            "since": self.since, "until": self.until, "types": self.types, "rate": self.rate,
            "target_url": self.to, "dry_run": self.dry_run,
        });
        if !self.states.is_empty() {
            body["states"] = json!(self.states);
        }
        let path = format!("/v1/subscriptions/{}/replay", self.id);
        let reply = client.post(&path, &body).await?;
        jobs::end(client, reply, output, self.detach || self.dry_run).await
    }
}

impl CreateArgs {
    fn body(&self) -> Value {
        let mut body = self.with.clone().unwrap_or_else(|| json!({}));
        body["event_types"] = json!(self.event_types);
        body["target_url"] = json!(self.to);
        if let Some(tenant) = &self.tenant {
            body["tenant"] = json!(tenant);
        }
        if let Some(description) = &self.description {
            body["description"] = json!(description);
        }
        if !self.plugins.is_empty() {
            body["plugins"] = json!(self.plugins);
        }
        body
    }
}

fn plugin(text: &str) -> Result<Value, String> {
    let (name, config) = text.split_once('=').unwrap_or((text, "{}"));
    Ok(json!({"name": name, "config": object(config)?}))
}

fn object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("it must be a JSON object".to_owned()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}
