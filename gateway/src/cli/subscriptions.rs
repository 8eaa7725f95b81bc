//! `hookgate subscriptions`: who gets what, and where.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::client::{Client, ClientArgs, Reply};
use super::jobs;
use super::output::{Column, Output, Paint, line};
use super::query::{Paging, Query};

/// Create, look at, pause, resume, replay and delete subscriptions.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate subscriptions create 'invoice.*' --to https://example.com/hooks
  hookgate subscriptions create '*' --to http://127.0.0.1:9000/ --plugin 'skinny={\"keep\": [\"/id\"]}'
  hookgate subscriptions create '*' --to http://127.0.0.1:9000/ --filter \"subject LIKE 'eu-%'\" \\
      --filter '{\"data\": {\"pointer\": \"/amount\", \"gte\": 100}}'
  hookgate subscriptions explain sub_… evt_…   # why it got the event, or did not
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
        #[command(flatten)]
        paging: Paging,
    },
    /// Make one. Its secret is shown now and never again.
    Create(CreateArgs),
    /// Show one.
    Get { id: String },
    /// Say rule by rule why it gets an event or not.
    Explain {
        id: String,
        /// An event's id, or the file of a JSON event.
        event: String,
    },
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
        #[command(flatten)]
        paging: Paging,
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
    /// Only events for which this holds: a CESQL expression, or a filter as JSON; repeat for several.
    #[arg(long = "filter", value_name = "CESQL|JSON", value_parser = filter)]
    filters: Vec<Value>,
    /// What a delivery looks like.
    #[arg(long, value_parser = ["event", "raw", "cloudevents-structured", "cloudevents-binary"])]
    format: Option<String>,
    /// How deliveries are signed: with a shared secret, or with a key whose public half receivers get.
    #[arg(long, value_parser = ["v1", "v1a"])]
    signature: Option<String>,
    /// How the receiver consents before it is sent anything.
    #[arg(long, value_parser = ["none", "echo", "delayed", "cloudevents"])]
    verification: Option<String>,
    /// When it ends unless it is renewed: 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// At most so many deliveries in so long: 100/1s, 5/1m.
    #[arg(long, value_name = "MAX/SPAN", value_parser = rate)]
    rate: Option<Value>,
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
        Command::List { tenant, paging } => {
            let path = Query::of("/v1/subscriptions")
                .with("tenant", tenant.as_deref())
                .page(&paging)
                .finish();
            output.list(&client.get(&path).await?, COLUMNS)?;
        }
        Command::Create(create) => {
            let reply = client.post("/v1/subscriptions", &create.body()).await?;
            output.item(&reply)?;
            if !output.json && reply.value["secret"].is_string() {
                line("\nKeep the secret: it is not shown again.")?;
            }
        }
        Command::Get { id } => {
            output.item(&client.get(&format!("/v1/subscriptions/{id}")).await?)?;
        }
        Command::Explain { id, event } => {
            let event = event_argument(&event)?;
            let body = json!({"subscription_id": id, "event": event});
            let reply = client.post("/v1/subscriptions/explain", &body).await?;
            explain(output, &reply)?;
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
        Command::Missed { id, paging, .. } => {
            let path = format!("/v1/subscriptions/{id}/missed");
            let path = Query::of(path).page(&paging).finish();
            output.list(&client.get(&path).await?, MISSED)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Ids are taken as they are; anything else is a file.
fn event_argument(text: &str) -> anyhow::Result<Value> {
    if text.starts_with("evt_") {
        return Ok(json!(text));
    }
    let file = std::fs::read_to_string(text)
        .with_context(|| format!("{text} is no event's id and cannot be read as a file"))?;
    serde_json::from_str(&file).with_context(|| format!("{text} is not JSON"))
}

fn explain(output: Output, reply: &Reply) -> std::io::Result<()> {
    if output.json {
        return output.item(reply);
    }
    let paint = Paint::for_stdout();
    for rule in reply.value["rules"].as_array().into_iter().flatten() {
        let mark = if rule["holds"] == true {
            paint.good("✓")
        } else {
            paint.bad("✗")
        };
        let text = |member: &str| rule[member].as_str().unwrap_or_default().to_owned();
        line(&format!("{mark} {}  {}", text("rule"), text("detail")))?;
    }
    line(if reply.value["matches"] == true {
        "\nIt gets the event."
    } else {
        "\nIt does not get the event."
    })
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
        if !self.filters.is_empty() {
            body["filters"] = json!(self.filters);
        }
        if let Some(rate) = &self.rate {
            body["delivery"]["rate_limit"] = rate.clone();
        }
        let consent = [
            ("verification", &self.verification),
            ("expires_at", &self.expires_at),
        ];
        for (name, value) in consent {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        for (name, value) in [("format", &self.format), ("signature", &self.signature)] {
            if let Some(value) = value {
                body["delivery"][name] = json!(value);
            }
        }
        body
    }
}

fn plugin(text: &str) -> Result<Value, String> {
    let (name, config) = text.split_once('=').unwrap_or((text, "{}"));
    Ok(json!({"name": name, "config": object(config)?}))
}

fn rate(text: &str) -> Result<Value, String> {
    let parts = text.split_once('/');
    let parts = parts.and_then(|(max, per)| Some((max.trim().parse::<u32>().ok()?, per.trim())));
    let (max, per) = parts.ok_or("it must be a number and a span, as in 100/1s")?;
    Ok(json!({"max": max, "per": per}))
}

fn filter(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{') {
        return object(text);
    }
    Ok(json!({"sql": text}))
}

fn object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("it must be a JSON object".to_owned()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}
