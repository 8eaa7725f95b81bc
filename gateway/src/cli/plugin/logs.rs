//! `hookgate plugin logs`: what a plugin logged, and where it failed, as the node that is asked saw
//! it.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::look::known;
use crate::cli::client::{Client, ClientArgs, Reply};
use crate::cli::output::{Output, Paint, line, printable};
use crate::cli::query::Query;
use crate::domain::plugin::PluginName;

/// How often a follower asks.
const EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin logs only-small            # the last lines and failures
  hookgate plugin logs only-small -f         # and those to come, until you stop it
  hookgate plugin logs only-small --json     # a JSON object a line

Lines are kept in memory by the node that made the call, so of several nodes name each with --url.")]
pub(super) struct LogsArgs {
    name: PluginName,
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    last: u16,
    /// This tenant's plugin, where it has one of that name
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: LogsArgs, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    let mut after = None;
    loop {
        let reply = ask(&client, &args, after).await?;
        let lines = reply.value["data"].as_array();
        let lines = lines.map(Vec::as_slice).unwrap_or_default();
        for entry in lines {
            print(entry, output)?;
        }
        if after.is_none() && lines.is_empty() && !output.json {
            let waiting = if args.follow { "; waiting" } else { "" };
            eprintln!("  nothing logged on this node since it started{waiting}");
        }
        after = reply.value["next"].as_u64().or(after).or(Some(0));
        if !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        if lines.is_empty() {
            tokio::time::sleep(EVERY).await;
        }
    }
}

async fn ask(client: &Client, args: &LogsArgs, after: Option<u64>) -> anyhow::Result<Reply> {
    let after = after.map(|after| after.to_string());
    let path = Query::of(format!("/v1/plugins/{}/logs", args.name))
        .with("tenant", args.tenant.as_deref())
        .with("limit", Some(&args.last.to_string()))
        .with("after", after.as_deref())
        .finish();
    known(&args.name, client.get(&path).await)
}

fn print(entry: &Value, output: Output) -> std::io::Result<()> {
    if output.json {
        return line(&entry.to_string());
    }
    let paint = Paint::for_stdout();
    let text = |member: &str| printable(entry[member].as_str().unwrap_or("-"));
    let level = text("level");
    let level = match level.as_str() {
        "failed" | "error" => paint.bad(&format!("{level:<6}")),
        _ => format!("{level:<6}"),
    };
    line(&format!(
        "{}  {level}  {}  {}",
        paint.faint(&text("at")),
        paint.faint(&text("event")),
        text("text")
    ))
}
