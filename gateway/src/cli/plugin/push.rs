//! `hookgate plugin push`: a component to a gateway, which checks, compiles and activates it.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};

use super::activate::{sentence, switch};
use super::backtest::{GATE_CLOSED, GateArgs};
use super::figures;
use super::place::{PlaceArgs, Plugin};
use super::progress::patiently;
use crate::cli::client::{Client, ClientArgs, Reply};
use crate::cli::output::Output;
use crate::cli::query::Query;
use crate::domain::plugin::PluginName;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin push                       # builds the project here; active on every node
  hookgate plugin push only-small.wasm --name small
  hookgate plugin push --canary 10%          # a tenth of the events meet it; `activate` for all
  hookgate plugin push --inactive            # stored, for `activate` or a backtest
  hookgate plugin push --require-backtest --max-changed 1% --since 24h
  hookgate plugin push --tenant acme         # acme's alone; else shared by all tenants

Exit codes: 0 done, 1 refused or failed, 3 stored but not active because its backtest does not hold.")]
pub(super) struct PushArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Its name on the gateway; the project's or the file's where it is left out
    #[arg(long)]
    name: Option<PluginName>,
    /// Only this tenant's; else shared by all, or the own tenant of your key
    #[arg(long)]
    tenant: Option<String>,
    /// Store it without switching to it
    #[arg(long)]
    inactive: bool,
    /// Give it a share of the events, such as 10%, chosen by their ids
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "inactive")]
    canary: Option<f64>,
    #[command(flatten)]
    gate: GateArgs,
    #[command(flatten)]
    client: ClientArgs,
}

/// `10%` or `0.1`, between nothing and all.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    match number {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("write a share as 10% or 0.1, above 0 and at most 100%".to_owned()),
    }
}

pub(super) async fn run(args: PushArgs, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    // Before minutes of building for a gateway that is not there.
    client.get("/v1/plugins").await?;
    let plugin = Plugin::at(&args.place.place).await?;
    let upload = Upload {
        name: match args.name {
            Some(name) => name,
            None => name_of(&plugin)?,
        },
        tenant: args.tenant,
        activate: !args.inactive && args.canary.is_none() && !args.gate.is_wanted(),
    };
    let reply = upload.send(&client, &plugin).await?;
    let version = reply.value["version"].clone();
    let whose = (&upload.name, upload.tenant.as_deref());
    let is_gated = args.gate.is_wanted() && reply.value["active"] != true;
    if is_gated && !args.gate.holds(&client, whose, &version, output).await? {
        return Ok(ExitCode::from(GATE_CLOSED));
    }
    let Some(share) = args.canary else {
        if is_gated {
            let body = json!({"version": version});
            let switched = switch(&client, whose.0, whose.1, &body).await?;
            output.done(&switched, &sentence(whose.0, None, &switched.value))?;
        } else {
            output.done(&reply, &upload.sentence(&reply.value))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let body = json!({"version": version, "share": share});
    let switched = switch(&client, &upload.name, upload.tenant.as_deref(), &body).await?;
    let sentence = format!(
        "{}  version {version} meets {} of the events; `hookgate plugin activate {} {version}` for all",
        upload.name,
        percent(share),
        upload.name
    );
    output.done(&switched, &sentence)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn percent(share: f64) -> String {
    format!("{}%", (share * 10_000.0).round() / 100.0)
}

pub(super) fn name_of(plugin: &Plugin) -> anyhow::Result<PluginName> {
    match plugin.name.parse() {
        Ok(name) => Ok(name),
        Err(error) => bail!(
            "{:?} is no name for a plugin: {error}\n  cure: --name NAME",
            plugin.name
        ),
    }
}

/// A component on its way.
pub(super) struct Upload {
    pub(super) name: PluginName,
    pub(super) tenant: Option<String>,
    pub(super) activate: bool,
}

impl Upload {
    pub(super) async fn send(&self, client: &Client, plugin: &Plugin) -> anyhow::Result<Reply> {
        let path = format!("/v1/plugins/{}", self.name);
        let activate = if self.activate { "true" } else { "false" };
        let path = Query::of(path)
            .with("activate", Some(activate))
            .with("tenant", self.tenant.as_deref())
            .finish();
        let sent = client.put_wasm(&path, plugin.component.to_vec());
        let what = format!(
            "uploading {}; the gateway checks and compiles it",
            figures::bytes(plugin.component.len())
        );
        Ok(patiently(&what, sent).await?)
    }

    pub(super) fn sentence(&self, reply: &Value) -> String {
        let state = if reply["active"] == true {
            "is active"
        } else {
            "is stored"
        };
        let compiled = match reply["compile_ms"].as_u64() {
            Some(0) | None => "compiled before".to_owned(),
            Some(ms) => format!("compiled in {ms} ms"),
        };
        format!(
            "{}  version {} {state}; {}, {compiled}",
            self.name,
            reply["version"],
            figures::bytes(
                usize::try_from(reply["size_bytes"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX)
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_told_in_percent() {
        assert_eq!(share("10%"), Ok(0.1));
        assert_eq!(share("0.25"), Ok(0.25));
        assert_eq!(share("100%"), Ok(1.0));
        for wrong in ["0", "101%", "-1", "a tenth", "%", "nan"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        assert_eq!(percent(0.07), "7%");
        assert_eq!(percent(0.125), "12.5%");
    }
}
