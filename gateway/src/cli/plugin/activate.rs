//! `hookgate plugin activate`: another version, for all events or for a share of them.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::look::known;
use super::push::{percent, share};
use crate::cli::client::{Client, ClientArgs, Reply};
use crate::cli::output::Output;
use crate::cli::query::Query;
use crate::domain::plugin::PluginName;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin activate only-small 2              # every event, on every node
  hookgate plugin activate only-small 3 --share 10%  # a canary; the rest meets what was active
  hookgate plugin activate only-small 4f1c…          # by digest, as attempts name it

`hookgate plugin get NAME` lists the versions.")]
pub(super) struct ActivateArgs {
    name: PluginName,
    /// A version's number or its whole digest
    #[arg(value_name = "VERSION|DIGEST")]
    version: String,
    /// Only for a share of the events, such as 10%, chosen by their ids
    #[arg(long, value_name = "SHARE", value_parser = share)]
    share: Option<f64>,
    /// Whose plugin; else the shared one, or that of your key's own tenant
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: ActivateArgs, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    let mut body = match args.version.parse::<i32>() {
        Ok(number) => json!({"version": number}),
        Err(_) => json!({"digest": args.version}),
    };
    if let Some(share) = args.share {
        body["share"] = json!(share);
    }
    let reply = switch(&client, &args.name, args.tenant.as_deref(), &body).await?;
    output.done(&reply, &sentence(&args.name, args.share, &reply.value))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn switch(
    client: &Client,
    name: &PluginName,
    tenant: Option<&str>,
    body: &Value,
) -> anyhow::Result<Reply> {
    let path = Query::of(format!("/v1/plugins/{name}/activate"))
        .with("tenant", tenant)
        .finish();
    known(name, client.post(&path, body).await)
}

/// Says what was active before, since that is the way back.
pub(super) fn sentence(name: &PluginName, share: Option<f64>, reply: &Value) -> String {
    let version = &reply["version"];
    let mut sentence = match share {
        Some(share) if share < 1.0 => {
            format!(
                "{name}  version {version} meets {} of the events",
                percent(share)
            )
        }
        _ => format!("{name}  version {version} is active"),
    };
    match reply["previous_version"].as_i64() {
        Some(previous) if reply["previous_version"] != *version => {
            sentence.push_str(&format!("; version {previous} was before"));
        }
        _ => {}
    }
    sentence
}
