//! `hookgate subscriptions`: who gets what, and where.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::client::{Client, ClientArgs};
use super::output::{Column, Output, line};
use super::query::Query;

/// Create, look at, pause, resume and delete subscriptions.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate subscriptions create 'invoice.*' --to https://example.com/hooks
  hookgate subscriptions create '*' --to http://127.0.0.1:9000/ --plugin 'skinny={\"keep\": [\"/id\"]}'
  hookgate subscriptions pause sub_…       # events wait
  hookgate subscriptions resume sub_…      # and are delivered now")]
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
    }
    Ok(ExitCode::SUCCESS)
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
