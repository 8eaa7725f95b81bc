//! `hookgate plugin …`: from a plugin's source to a version that serves.
//!
//! `build` and `run FILE` work on this machine alone, with the checks and limits of an upload; the
//! rest talks to a gateway.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use hookgate_plugin_host::{
    Answer, CompileWorker, GuestEvent, HostConfig, Limits, PluginHost, PoolSize, Question, Refused,
    TrialCall, Verdict,
};
use hookgate_plugin_kit::Options;
use serde_json::{Value, json};

use super::client::{Client, ClientArgs};
use super::output::{Output, line};
use crate::app::Machine;
use crate::domain::event::Attributes;
use crate::domain::plugin::PluginName;
use crate::ingest::json as event_json;

#[derive(Debug, Args)]
#[command(after_help = "\
From source to service:
  hookgate plugin build plugins/my-plugin            # makes my-plugin.wasm
  hookgate plugin run my-plugin.wasm --event e.json  # one event, here, with time, memory and fuel
  hookgate plugin push my-plugin my-plugin.wasm      # checked, compiled, active on every node
  hookgate plugin activate my-plugin 1               # back to version 1")]
pub struct PluginArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a plugin's crate to a component; gets the compiler where it is missing
    Build {
        /// The folder with its Cargo.toml
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Gets NAME.wasm
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
    /// Check a component as an upload would be, without a gateway
    Inspect { file: PathBuf },
    /// Run a component, or a plugin of the gateway, over one event; nothing is sent
    Run {
        /// A file, or the name of a plugin on the gateway
        plugin: String,
        /// An event as for `POST /v1/events`; `-` reads standard input
        #[arg(long, value_name = "FILE")]
        event: PathBuf,
        /// The subscription's config for it
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Upload a component under a name and activate it
    Push {
        name: PluginName,
        file: PathBuf,
        /// Only this tenant's; otherwise shared by all
        #[arg(long)]
        tenant: Option<String>,
        /// Store it without switching to it
        #[arg(long)]
        inactive: bool,
    },
    /// List plugins and their active versions
    List,
    /// Show one with its versions, calls and last failures
    Get { name: PluginName },
    /// Switch to a version, or back to one
    Activate { name: PluginName, version: i32 },
}

const COLUMNS: &[(&str, &str)] = &[
    ("NAME", "/name"),
    ("OWNER", "/owner"),
    ("TENANT", "/tenant"),
    ("ACTIVE", "/active_version"),
    ("CALLS", "/calls"),
    ("FAILED", "/failed_calls"),
    ("DIGEST", "/versions/0/digest"),
];

/// # Errors
/// Names the cause and the cure.
pub async fn run(args: PluginArgs, machine: &Machine) -> anyhow::Result<ExitCode> {
    let output = args.output;
    match args.command {
        Command::Build { folder, out } => build(&folder, out).await?,
        Command::Inspect { file } => return inspect(&file, machine, output).await,
        Command::Run {
            plugin,
            event,
            config,
        } => {
            let event = read(&event)?;
            let config = config.as_deref().map(read).transpose()?;
            let config: Value = match config {
                Some(text) => serde_json::from_slice(&text).context("the config is not JSON")?,
                None => json!({}),
            };
            if Path::new(&plugin).is_file() {
                return run_here(Path::new(&plugin), event, config, machine).await;
            }
            let event: Value = serde_json::from_slice(&event).context("the event is not JSON")?;
            let client = Client::new(&args.client)?;
            let path = format!("/v1/plugins/{plugin}/run");
            let reply = client
                .post(&path, &json!({"event": event, "config": config}))
                .await?;
            output.item(&reply)?;
        }
        Command::Push {
            name,
            file,
            tenant,
            inactive,
        } => {
            let component = std::fs::read(&file)
                .with_context(|| format!("could not read {}", file.display()))?;
            let client = Client::new(&args.client)?;
            let tenant = tenant
                .map(|tenant| format!("&tenant={tenant}"))
                .unwrap_or_default();
            let path = format!("/v1/plugins/{name}?activate={}{tenant}", !inactive);
            let reply = client.put_wasm(&path, component).await?;
            let version = &reply.value["version"];
            let state = if reply.value["active"] == true {
                "active"
            } else {
                "stored"
            };
            output.done(&reply, &format!("{name}  version {version} is {state}"))?;
        }
        Command::List => {
            let reply = Client::new(&args.client)?.get("/v1/plugins").await?;
            output.list(&reply, COLUMNS)?;
        }
        Command::Get { name } => {
            let reply = Client::new(&args.client)?
                .get(&format!("/v1/plugins/{name}"))
                .await?;
            output.item(&reply)?;
        }
        Command::Activate { name, version } => {
            let path = format!("/v1/plugins/{name}/activate");
            let reply = Client::new(&args.client)?
                .post(&path, &json!({"version": version}))
                .await?;
            output.done(&reply, &format!("{name}  version {version} is active"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn build(folder: &Path, out: PathBuf) -> anyhow::Result<()> {
    let folder = folder.to_owned();
    // Cargo and apt run for minutes, and block.
    let built = tokio::task::spawn_blocking(move || {
        let options = Options {
            out_dir: out,
            ..Options::from_environment(&folder, |text| eprintln!("  {text}"))
        };
        hookgate_plugin_kit::build(&folder, &options)
    })
    .await
    .context("the build broke off")??;
    line(&format!(
        "{}  {} KB, exports {}",
        built.path.display(),
        built.size_bytes.div_ceil(1024),
        built.exports.join(", ")
    ))?;
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Bytes> {
    if file == Path::new("-") {
        let text =
            std::io::read_to_string(std::io::stdin()).context("could not read standard input")?;
        return Ok(text.into());
    }
    let bytes =
        std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
    Ok(bytes.into())
}

/// A host of its own, whose cache goes away with it.
fn host(machine: &Machine) -> anyhow::Result<(PluginHost, tempfile::TempDir)> {
    let cache = tempfile::tempdir().context("could not make a temporary folder")?;
    let host = PluginHost::start(HostConfig {
        cache_dir: cache.path().join("cache"),
        compile_worker: CompileWorker {
            program: machine.program.clone(),
            arguments: vec!["compile-worker".to_owned()],
        },
        threads: 1,
        limits: Limits::default(),
        pool: PoolSize::default(),
    })?;
    Ok((host, cache))
}

async fn inspect(file: &Path, machine: &Machine, output: Output) -> anyhow::Result<ExitCode> {
    let (host, _cache) = host(machine)?;
    let prepared = host.prepare(read(file)?).await;
    let report = match &prepared {
        Ok(prepared) => &prepared.report,
        Err(refused) => &refused.report,
    };
    if output.json {
        line(&serde_json::to_string(report)?)?;
    } else {
        print_checks(report)?;
        if let Ok(prepared) = &prepared {
            line(&format!("digest  {}", prepared.plugin.digest()))?;
        }
    }
    Ok(if prepared.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print_checks(report: &hookgate_plugin_host::CheckReport) -> std::io::Result<()> {
    for check in &report.checks {
        let mark = if check.ok { "ok     " } else { "refused" };
        line(&format!("{mark} {:<14} {}", check.name, check.detail))?;
        if let Some(cure) = &check.cure {
            line(&format!("        cure: {cure}"))?;
        }
    }
    Ok(())
}

async fn run_here(
    file: &Path,
    event: Bytes,
    config: Value,
    machine: &Machine,
) -> anyhow::Result<ExitCode> {
    let (host, _cache) = host(machine)?;
    let trial = match host.trial(read(file)?, "default".into()).await {
        Ok(trial) => trial,
        Err(refused) => return refuse(&refused),
    };
    let call = TrialCall {
        question: Question::Delivery(guest_event(&event)?),
        config: config.to_string().into(),
        data_url: "".into(),
        limits: None,
    };
    let run = trial.fresh(&call).await;
    for log in &run.logs {
        line(&format!("log      {}: {}", log.level.as_str(), log.text))?;
    }
    let mut is_verdict = true;
    match &run.result {
        Ok(Answer::Verdict(Verdict::Pass)) => line("verdict  pass: delivered as it is")?,
        Ok(Answer::Verdict(Verdict::Drop(reason))) => line(&format!("verdict  drop: {reason}"))?,
        Ok(Answer::Verdict(Verdict::Replace(data))) => {
            line("verdict  replace")?;
            line(&String::from_utf8_lossy(data))?;
        }
        Ok(Answer::Verdict(Verdict::Deliver(message))) => {
            line(&format!("verdict  deliver as {}", message.content_type))?;
            line(&String::from_utf8_lossy(&message.body))?;
        }
        Ok(other) => bail!("{other:?} is no verdict"),
        Err(failure) => {
            is_verdict = false;
            line(&format!("failed   {}: {failure}", failure.kind()))?;
        }
    }
    let limits = host.limits();
    line(&format!(
        "time     {} µs of {} ms",
        run.duration.as_micros(),
        limits.time_per_event.as_millis()
    ))?;
    line(&format!(
        "memory   {} KiB of {} KiB",
        run.memory_bytes / 1024,
        limits.max_memory_bytes / 1024
    ))?;
    line(&format!("fuel     {} (the same in every run)", run.fuel))?;
    Ok(if is_verdict {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn refuse(refused: &Refused) -> anyhow::Result<ExitCode> {
    print_checks(&refused.report)?;
    bail!("{refused}")
}

fn guest_event(body: &Bytes) -> anyhow::Result<GuestEvent> {
    let incoming = event_json::one(body).context("the event cannot be read")?;
    let Attributes {
        producer_id,
        source,
        subject,
        time,
        key,
        extensions,
        ..
    } = &incoming.attributes;
    let text = |value: &Option<Box<str>>| value.as_deref().map(Arc::<str>::from);
    Ok(GuestEvent {
        id: text(producer_id).unwrap_or_else(|| "evt_dry_run".into()),
        source: text(source).unwrap_or_else(|| "".into()),
        event_type: incoming.event_type.clone(),
        subject: text(subject),
        time_ms: time.map_or(0, |time| u64::try_from(time.as_ms()).unwrap_or(0)),
        tenant: incoming
            .tenant
            .map_or_else(|| "default".into(), |name| name.shared()),
        key: text(key).or_else(|| text(subject)),
        content_type: incoming.attributes.content_type().into(),
        data: incoming.data,
        attributes: extensions
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
    })
}
