//! `hookgate plugin backtest`: what would change if another version served, as a readable report;
//! and the gate that `push --require-backtest` stands behind.
//!
//! Runs on the gateway, over its stored events; nothing is sent.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::figures;
use crate::cli::client::{Client, ClientArgs, Reply};
use crate::cli::jobs;
use crate::cli::output::{Output, line, printable};
use crate::cli::query::Query;
use crate::domain::plugin::PluginName;

/// Exit code where the gate does not hold, so that a pipeline can tell it from a failure.
pub(super) const GATE_CLOSED: u8 = 3;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin push --inactive                        # stores version 2, version 1 serves on
  hookgate plugin backtest skinny --version 2            # over the last 1000 events of each subscription
  hookgate plugin backtest skinny --version 2 --since 24h --subscription sub_…
  hookgate plugin backtest skinny --version 2 --against 1 --config config.json --type 'invoice.*'
  hookgate plugin backtest skinny --version 2 --max-changed 1%

Exit codes: 0 compared (and the gate holds), 1 it could not be done, 3 the gate of --max-changed does
not hold.")]
pub(super) struct BacktestArgs {
    name: PluginName,
    /// The candidate's number
    #[arg(long, value_name = "NUMBER", required_unless_present = "digest")]
    version: Option<i32>,
    /// The candidate by its digest
    #[arg(long, value_name = "HEX", conflicts_with = "version")]
    digest: Option<String>,
    /// The version to compare with; the active one where it is left out
    #[arg(long, value_name = "NUMBER")]
    against: Option<i32>,
    /// Only as this subscription uses it; else as all that use it
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    /// With this config, whatever subscriptions say
    #[arg(long, value_name = "FILE", conflicts_with = "subscription")]
    config: Option<PathBuf>,
    /// With --config: only events of these types
    #[arg(long = "type", value_name = "PATTERN", requires = "config")]
    types: Vec<String>,
    /// The tenant whose plugin and events are meant
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    events: EventArgs,
    /// Differences shown in full, 0 to 50
    #[arg(long, value_name = "NUMBER")]
    samples: Option<u16>,
    /// Fail where more than this share of the events comes out otherwise: 1%
    #[arg(long, value_name = "SHARE", value_parser = portion)]
    max_changed: Option<f64>,
    #[command(flatten)]
    client: ClientArgs,
}

/// Which stored events.
#[derive(Debug, Default, clap::Args)]
pub(super) struct EventArgs {
    /// The newest so many events of each subscription; 1000 where neither is given
    #[arg(long, value_name = "NUMBER")]
    last: Option<u32>,
    /// Events since then: 24h, or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "last")]
    since: Option<String>,
}

/// `1%` or `0.01`, from nothing to all.
pub(super) fn portion(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    match number {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("write a share as 1% or 0.01, from 0 to 100%".to_owned()),
    }
}

pub(super) async fn run(args: BacktestArgs, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    let config: Option<Value> = match &args.config {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("could not read {}", file.display()))?;
            Some(serde_json::from_str(&text).context("the config is not JSON")?)
        }
        None => None,
    };
    let body = json!({
        "version": args.version, "digest": args.digest, "against": args.against,
        "subscription": args.subscription, "config": config, "types": args.types,
        "last": args.events.last, "since": args.events.since, "samples": args.samples,
    });
    let job = compare(&client, (&args.name, args.tenant.as_deref()), &body).await?;
    show(&job, output)?;
    if job.value["state"] != "done" {
        return Ok(ExitCode::FAILURE);
    }
    match args.max_changed.map(|max| gate(&job.value["result"], max)) {
        Some(Err(why)) => {
            eprintln!("the gate does not hold: {why}");
            Ok(ExitCode::from(GATE_CLOSED))
        }
        Some(Ok(())) | None => Ok(ExitCode::SUCCESS),
    }
}

/// The job of a backtest, at its end.
async fn compare(
    client: &Client,
    (name, tenant): (&PluginName, Option<&str>),
    body: &Value,
) -> anyhow::Result<Reply> {
    let path = Query::of(format!("/v1/plugins/{name}/backtest"))
        .with("tenant", tenant)
        .finish();
    let reply = client.post(&path, body).await?;
    let id = reply.value["id"]
        .as_str()
        .context("the answer names no job")?;
    Ok(jobs::follow(client, id).await?)
}

/// What must hold before a pushed version serves.
#[derive(Debug, Default, clap::Args)]
pub(super) struct GateArgs {
    /// Activate it only if a backtest against the version that serves finds few differences; else
    /// it is stored, and the exit code is 3
    #[arg(long, conflicts_with = "inactive")]
    require_backtest: bool,
    /// The share of events that may come out otherwise, such as 1%; none where it is left out
    #[arg(long, value_name = "SHARE", value_parser = portion, requires = "require_backtest")]
    max_changed: Option<f64>,
    #[command(flatten)]
    events: EventArgs,
}

impl GateArgs {
    pub(super) const fn is_wanted(&self) -> bool {
        self.require_backtest
    }

    /// Whether a version that was just stored may serve; where it may not, all has been said.
    pub(super) async fn holds(
        &self,
        client: &Client,
        (name, tenant): (&PluginName, Option<&str>),
        version: &Value,
        output: Output,
    ) -> anyhow::Result<bool> {
        let path = Query::of(format!("/v1/plugins/{name}"))
            .with("tenant", tenant)
            .finish();
        let serving = client.get(&path).await?.value["active_version"].clone();
        if serving.is_null() {
            eprintln!("no version of {name} was active, so there is nothing to compare with");
            return Ok(true);
        }
        let body = json!({
            "version": version, "last": self.events.last, "since": self.events.since,
        });
        let job = compare(client, (name, tenant), &body).await?;
        let verdict = match job.value["state"].as_str() {
            Some("done") => gate(&job.value["result"], self.max_changed.unwrap_or(0.0)),
            state => Err(format!("the backtest is {}", state.unwrap_or("lost"))),
        };
        if !output.json || verdict.is_err() {
            show(&job, output)?;
        }
        if let Err(why) = &verdict {
            eprintln!("the gate does not hold: {why}");
            eprintln!(
                "{name}  version {version} is stored, version {serving} serves on; \
                 `hookgate plugin activate {name} {version}` overrules it"
            );
        }
        Ok(verdict.is_ok())
    }
}

fn show(job: &Reply, output: Output) -> std::io::Result<()> {
    if output.json {
        return line(&job.text);
    }
    match &job.value["result"] {
        Value::Null => Ok(()),
        result => line(report(result).trim_end()),
    }
}

/// Says why a candidate may not serve.
fn gate(result: &Value, max_changed: f64) -> Result<(), String> {
    let count = |member: &str| result[member].as_u64().unwrap_or(0);
    let (compared, changed) = (count("compared"), count("changed"));
    if compared == 0 {
        return Err("no stored event reached the plugin, so nothing is proven".to_owned());
    }
    if let Some(why) = result["ended_early"].as_str() {
        return Err(printable(why));
    }
    let share = changed as f64 / compared as f64;
    if share <= max_changed {
        return Ok(());
    }
    Err(format!(
        "{changed} of {compared} events come out otherwise, {}; {} are allowed",
        percent(share),
        percent(max_changed)
    ))
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 10_000.0).round() / 100.0)
}

fn report(result: &Value) -> String {
    let number = |pointer: &str| result.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let (compared, changed) = (number("/compared"), number("/changed"));
    let share = |part: u64| percent(part as f64 / compared.max(1) as f64);
    let mut text = format!(
        "{}  version {} against {}: {compared} events in {} s, {} a second\n",
        printable(result["plugin"].as_str().unwrap_or("?")),
        result["version"],
        result["against"],
        result["seconds"],
        result["events_per_second"],
    );
    let _ = writeln!(
        text,
        "  equal    {:>9}  {}",
        number("/equal"),
        share(number("/equal"))
    );
    let _ = write!(text, "  changed  {changed:>9}  {}", share(changed));
    match number("/respelled") {
        0 => text.push('\n'),
        count => {
            let _ = writeln!(text, "  ({count} of them the same JSON, written otherwise)");
        }
    }
    if number("/skipped") > 0 {
        let skipped = number("/skipped");
        let _ = writeln!(text, "  skipped  {skipped:>9}  dropped or failed before it");
    }
    for (transition, count) in result["transitions"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "    {count:>9}  {}", printable(transition));
    }
    if let Some(why) = result["ended_early"].as_str() {
        let _ = writeln!(text, "  ended early: {}", printable(why));
    }
    text.push_str(&sides(result));
    for sample in result["samples"].as_array().into_iter().flatten() {
        text.push_str(&of_sample(sample));
    }
    text
}

fn sides(result: &Value) -> String {
    let mut text = format!("{:14}{:>14}{:>14}\n", "", "before", "after");
    let mut row = |name: &str, cell: &dyn Fn(&Value) -> String| {
        let (before, after) = (cell(&result["before"]), cell(&result["after"]));
        let _ = writeln!(text, "  {name:12}{before:>14}{after:>14}");
    };
    let errors = |side: &Value| {
        let kinds = side["errors"].as_object().into_iter().flatten();
        let counts = kinds.filter_map(|(_, error)| error["count"].as_u64());
        counts.sum::<u64>().to_string()
    };
    row("failures", &errors);
    for (name, member) in [
        ("mean", "mean_us"),
        ("median", "p50_us"),
        ("p99", "p99_us"),
        ("processor", "cpu_us"),
    ] {
        row(name, &|side| format!("{} µs", side[member]));
    }
    for (name, member) in [("sent", "bytes_out"), ("component", "component_bytes")] {
        row(name, &|side| {
            let bytes = side[member].as_u64().unwrap_or(0);
            figures::bytes(usize::try_from(bytes).unwrap_or(usize::MAX))
        });
    }
    for (name, side) in [("before", &result["before"]), ("after", &result["after"])] {
        for (kind, error) in side["errors"].as_object().into_iter().flatten() {
            let reason = printable(error["reason"].as_str().unwrap_or("?"));
            let _ = writeln!(text, "  {name}: {} × {kind}: {reason}", error["count"]);
        }
    }
    text
}

fn of_sample(sample: &Value) -> String {
    let word = |member: &str| printable(sample[member].as_str().unwrap_or("-"));
    let mut text = format!(
        "  {}  {}  {} → {}\n",
        word("event"),
        word("subscription"),
        word("before"),
        word("after")
    );
    for (name, member) in [("before", "before_reason"), ("after", "after_reason")] {
        if let Some(reason) = sample[member].as_str() {
            let _ = writeln!(text, "      {name}: {}", printable(reason));
        }
    }
    for change in sample["changes"].as_array().into_iter().flatten() {
        let path = match change["path"].as_str() {
            Some("") | None => "(all)".to_owned(),
            Some(path) => printable(path),
        };
        let side = |member: &str| match &change[member] {
            Value::Null => "nothing".to_owned(),
            value => printable(&value.to_string()),
        };
        let _ = writeln!(text, "      {path}  {} → {}", side("before"), side("after"));
    }
    if sample["has_more_changes"] == true {
        text.push_str("      …\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_counts_shares_and_trusts_no_emptiness() {
        let result = json!({"compared": 200, "changed": 2});
        assert_eq!(gate(&result, 0.01), Ok(()));
        let why = gate(&result, 0.005).unwrap_err();
        assert_eq!(
            why,
            "2 of 200 events come out otherwise, 1 %; 0.5 % are allowed"
        );
        assert!(gate(&json!({"compared": 0, "changed": 0}), 1.0).is_err());
        assert_eq!(portion("1%"), Ok(0.01));
        assert_eq!(portion("0"), Ok(0.0));
        assert!(portion("-1%").is_err() && portion("101%").is_err());
    }

    #[test]
    fn a_report_can_be_read() {
        let side = json!({"errors": {"trap": {"count": 2, "reason": "why\u{1b}[2J"}},
            "mean_us": 3.5, "p50_us": 3.0, "p99_us": 9.0, "cpu_us": 3.1,
            "bytes_out": 1024, "component_bytes": 2048});
        let text = report(
            &json!({"plugin": "slim", "version": 2, "against": 1, "compared": 10,
            "equal": 9, "changed": 1, "respelled": 1, "skipped": 0, "seconds": 0.5,
            "events_per_second": 20.0, "transitions": {"pass → replace": 1}, "before": side,
            "after": side, "samples": [{"event": "evt_1", "subscription": null, "before": "pass",
            "after": "replace", "changes": [{"path": "/a", "before": 1, "after": null}]}]}),
        );
        assert!(
            text.starts_with("slim  version 2 against 1: 10 events in 0.5 s"),
            "{text}"
        );
        assert!(
            text.contains("changed          1  10 %  (1 of them"),
            "{text}"
        );
        assert!(text.contains("/a  1 → nothing"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
