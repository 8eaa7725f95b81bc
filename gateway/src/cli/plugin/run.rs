//! `hookgate plugin run`: one event, a pair or a request through a plugin; nothing is sent.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use hookgate_plugin_golden::{Cost, Exact, Setting, observed};
use hookgate_plugin_host::{Limits, LogLine, TrialRun};
use serde::Serialize;

use super::event::EventArgs;
use super::figures::{bytes, count, time, us, us_of};
use super::local::Local;
use super::place::Plugin;
use crate::app::Machine;
use crate::cli::client::{Client, ClientArgs, ClientError};
use crate::cli::output::{Output, line, printable};
use crate::domain::plugin::PluginName;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin run                               # the project here, with its event.json
  hookgate plugin run only-small.wasm --event e.json --config '{\"max\": 100}'
  hookgate send --help; echo '{\"type\": \"a.b\", \"data\": {}}' | hookgate plugin run --event -
  hookgate plugin run skinny --event e.json         # a plugin of the gateway, by its name

An event has a \"type\" and \"data\"; a fold is shown {\"earlier\": EVENT, \"later\": EVENT}; a receiver
is shown {\"method\": \"POST\", \"headers\": {…}, \"body\": {…}, \"secret\": \"…\"}.")]
pub(super) struct RunArgs {
    /// A project's folder, which is built first, a component's file, or a plugin of the gateway
    #[arg(value_name = "PLUGIN", default_value = ".")]
    place: PathBuf,
    #[command(flatten)]
    event: EventArgs,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(
    args: RunArgs,
    machine: &Machine,
    output: Output,
) -> anyhow::Result<ExitCode> {
    if !args.place.exists() {
        let name = args.place.to_string_lossy().parse::<PluginName>();
        return match name {
            Ok(name) => run_there(&name, &args, output).await,
            Err(_) => bail!(
                "there is no folder or file {}, and no plugin can have that name",
                args.place.display()
            ),
        };
    }
    let plugin = Plugin::at(&args.place).await?;
    let setting = args.event.setting(&plugin)?;
    let local = Local::start(machine)?;
    let trial = local.trial(plugin.component.clone()).await?;
    let call = setting
        .call_as_delivered(trial.plugin().exports())
        .map_err(anyhow::Error::msg)?;
    let run = trial.fresh(&call).await;
    if output.json {
        line(&serde_json::to_string(&shown(&run, local.limits()))?)?;
    } else {
        print(&run, local.limits())?;
    }
    Ok(match run.result {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

/// A run for machines. Never by way of `Value`, which would change numbers.
#[derive(Serialize)]
struct Shown<'a> {
    /// As a golden file would expect it.
    answer: Exact,
    failure: Option<String>,
    logs: &'a [LogLine],
    logs_cut: u32,
    cost: Cost,
    limits: Bounds,
}

#[derive(Serialize)]
struct Bounds {
    duration_us: u64,
    memory_bytes: usize,
}

fn shown<'a>(run: &'a TrialRun, limits: &Limits) -> Shown<'a> {
    Shown {
        answer: observed(&run.result, None),
        failure: run.result.as_ref().err().map(ToString::to_string),
        logs: &run.logs,
        logs_cut: run.logs_cut,
        cost: Cost::of(run),
        limits: Bounds {
            duration_us: us_of(limits.time_per_event),
            memory_bytes: limits.max_memory_bytes,
        },
    }
}

fn print(run: &TrialRun, limits: &Limits) -> std::io::Result<()> {
    for log in &run.logs {
        line(&format!("log      {}: {}", log.level.as_str(), log.text))?;
    }
    if run.logs_cut > 0 {
        line(&format!("log      {} more lines were cut", run.logs_cut))?;
    }
    match &run.result {
        Ok(_) => line(&answer_text(&observed(&run.result, None)))?,
        Err(failure) => line(&format!("failed   {}: {failure}", failure.kind()))?,
    }
    line(&format!(
        "time     {} of {}\nmemory   {} of {}\nfuel     {} instructions, the same in every run; {} \
         to start",
        us(Cost::of(run).duration_us),
        time(limits.time_per_event),
        bytes(run.memory_bytes),
        bytes(limits.max_memory_bytes),
        count(run.fuel),
        count(run.start_fuel)
    ))
}

/// `verdict  drop: too large`, or the kind and then its value.
pub(super) fn answer_text(answer: &Exact) -> String {
    let text = match answer {
        Exact::Object(members) => match members.first() {
            Some((kind, Exact::Text(text))) if kind.ends_with("_text") => format!("{kind}\n{text}"),
            Some((kind, Exact::Text(text))) => format!("{kind}: {text}"),
            Some((kind, Exact::Bool(value))) => format!("{kind}: {value}"),
            Some((kind, value)) => format!("{kind}\n{}", value.pretty(0)),
            None => String::new(),
        },
        Exact::Text(word) if word == "pass" => "pass: delivered as it is".to_owned(),
        other => other.pretty(0),
    };
    format!("verdict  {}", printable(&text))
}

/// The active version of a gateway's plugin.
async fn run_there(name: &PluginName, args: &RunArgs, output: Output) -> anyhow::Result<ExitCode> {
    if args.event.event.is_none() {
        bail!("no event to show: name one with --event FILE, or --event - for standard input");
    }
    let (place, text) = args.event.text(Path::new(""))?;
    Setting::read(&text).map_err(|flaw| anyhow::anyhow!("{place}: {flaw}"))?;
    let body = request_body(&text, args.event.config()?.as_deref())?;
    let client = Client::new(&args.client)?;
    let path = format!("/v1/plugins/{name}/run");
    let reply = match client.post_json_text(&path, body).await {
        Err(ClientError::Refused(refusal)) if matches!(refusal.status, 404 | 422) => {
            bail!("there is no folder or file {name} here, and the gateway refuses:\n{refusal}")
        }
        reply => reply?,
    };
    output.item(&reply)?;
    Ok(if reply.value["verdict"] == "failed" {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Wraps a bare event or request as the API wants it.
fn request_body(text: &str, config: Option<&str>) -> anyhow::Result<String> {
    let exact = Exact::parse(text.as_bytes())?;
    let member = |name: &str| {
        exact
            .get(name)
            .map(|value| (name.to_owned(), value.clone()))
    };
    let mut members: Vec<(String, Exact)> =
        ["event", "earlier", "later", "request", "export", "config"]
            .into_iter()
            .filter_map(member)
            .collect();
    let has = |name: &str| members.iter().any(|(known, _)| known == name);
    if !has("event") && !has("earlier") && !has("request") {
        let name = if exact.get("type").is_some() {
            "event"
        } else {
            "request"
        };
        members = vec![(name.to_owned(), exact)];
    }
    if let Some(config) = config {
        members.retain(|(name, _)| name != "config");
        members.push(("config".to_owned(), Exact::parse(config.as_bytes())?));
    }
    Ok(Exact::Object(members).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_to_a_gateways_plugin_keeps_its_bytes() {
        let body = |text: &str, config| request_body(text, config).unwrap();
        assert_eq!(
            body(r#"{"type":"a.b","data":{"n":1.50}}"#, Some("{\"keep\":[]}")),
            r#"{"event":{"type":"a.b","data":{"n":1.50}},"config":{"keep":[]}}"#
        );
        assert_eq!(
            body(
                r#"{"name":"x","event":{"type":"a"},"config":1,"expect":"pass"}"#,
                None
            ),
            r#"{"event":{"type":"a"},"config":1}"#
        );
        assert_eq!(
            body(r#"{"method":"POST"}"#, None),
            r#"{"request":{"method":"POST"}}"#
        );
    }
}
