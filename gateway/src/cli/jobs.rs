//! `hookgate jobs`: how far long work is, what came of it, and an end to it.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::{Client, ClientArgs, ClientError, Reply};
use super::output::{Column, Output, printable};
use super::query::{Paging, Query};

/// Waits between two looks: the first short, so that quick jobs feel quick.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a line is written where nobody looks at a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Look at jobs (backtests, replays, retries, releases, erasures), watch and cancel them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate jobs list --state running
  hookgate jobs watch job_…       # until it ends; Ctrl-C stops watching, not the job
  hookgate jobs cancel job_…      # what it has done until then stays done")]
pub struct JobsArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List them, newest first.
    List {
        #[arg(long)]
        tenant: Option<String>,
        /// queued, running, done, failed or cancelled.
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show one with its result.
    Get { id: String },
    /// End one that waits or runs.
    Cancel { id: String },
    /// Show its progress until it ends; fails where the job did.
    Watch { id: String },
}

const COLUMNS: &[Column] = &[
    ("JOB", "/id"),
    ("KIND", "/kind"),
    ("STATE", "/state"),
    ("DONE", "/progress/done"),
    ("OF", "/progress/total"),
    ("TENANT", "/tenant"),
    ("CREATED", "/created_at"),
    ("REASON", "/reason"),
];

/// # Errors
/// Where the gateway is not there or refuses.
pub async fn run(args: JobsArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    match args.command {
        Command::List {
            tenant,
            state,
            paging,
        } => {
            let path = Query::of("/v1/jobs")
                .with("tenant", tenant.as_deref())
                .with("state", state.as_deref())
                .page(&paging)
                .finish();
            args.output.list(&client.get(&path).await?, COLUMNS)?;
        }
        Command::Get { id } => {
            let reply = client.get(&format!("/v1/jobs/{id}")).await?;
            args.output.item(&reply)?;
        }
        Command::Cancel { id } => {
            let reply = client.delete(&format!("/v1/jobs/{id}")).await?;
            args.output.done(&reply, &format!("{id}  cancelled"))?;
        }
        Command::Watch { id } => {
            let reply = follow(&client, &id).await?;
            args.output.item(&reply)?;
            return Ok(code(&reply));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Success for a job that came to its end.
pub(super) fn code(reply: &Reply) -> ExitCode {
    if reply.value["state"] == "done" {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Shows the job that an answer names to its end; with `detached`, or where the answer is no job,
/// only the answer.
pub(super) async fn end(
    client: &Client,
    reply: Reply,
    output: Output,
    detached: bool,
) -> anyhow::Result<ExitCode> {
    let id = reply.value["id"].as_str().map(str::to_owned);
    let Some(id) = id.filter(|_| !detached) else {
        output.item(&reply)?;
        return Ok(ExitCode::SUCCESS);
    };
    let reply = follow(client, &id).await?;
    if output.json {
        output.item(&reply)?;
    } else {
        let result = Reply {
            text: String::new(),
            value: reply.value["result"].clone(),
        };
        output.item(&result)?;
    }
    Ok(code(&reply))
}

/// Shows a job's progress on standard error until it ends.
pub(super) async fn follow(client: &Client, id: &str) -> Result<Reply, ClientError> {
    let path = format!("/v1/jobs/{id}");
    let mut screen = Progress::begin();
    let mut wait = FIRST_LOOK;
    loop {
        let reply = client.get(&path).await?;
        let is_over = !matches!(reply.value["state"].as_str(), Some("queued" | "running"));
        screen.show(&reply.value, is_over);
        if is_over {
            return Ok(reply);
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LOOK_EVERY);
    }
}

/// One line that is written over on a terminal, and now and then a line elsewhere.
struct Progress {
    is_terminal: bool,
    begun: Instant,
    shown_at: Option<Instant>,
}

impl Progress {
    fn begin() -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
            begun: Instant::now(),
            shown_at: None,
        }
    }

    /// A terminal that is gone is no reason to stop.
    fn show(&mut self, job: &Value, is_over: bool) {
        let line = printable(&line_of(job, self.begun.elapsed()));
        let mut out = io::stderr().lock();
        if self.is_terminal {
            let end = if is_over { "\n" } else { "" };
            let _ = write!(out, "\r{line}\x1b[K{end}");
            let _ = out.flush();
        } else if is_over || self.shown_at.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            let _ = writeln!(out, "{line}");
            self.shown_at = Some(Instant::now());
        }
    }
}

fn line_of(job: &Value, elapsed: Duration) -> String {
    let text = |member: &str| job[member].as_str().unwrap_or("?").to_owned();
    let (id, kind, state) = (text("id"), text("kind"), text("state"));
    let done = job["progress"]["done"].as_u64().unwrap_or(0);
    let share = match job["progress"]["total"].as_u64() {
        Some(0) => "0 of 0".to_owned(),
        Some(total) => format!("{done} of {total}  {} %", done * 100 / total.max(1)),
        None => format!("{done}"),
    };
    let mut line = format!("{id}  {kind}  {state}  {share}  {} s", elapsed.as_secs());
    if let Some(reason) = job["reason"].as_str() {
        line.push_str("  ");
        line.push_str(reason);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_how_far_it_is() {
        let mut job = json!({"id": "job_1", "kind": "replay", "state": "running",
            "progress": {"done": 250, "total": 1000}});
        let after = Duration::from_secs(3);
        assert_eq!(
            line_of(&job, after),
            "job_1  replay  running  250 of 1000  25 %  3 s"
        );
        job["progress"]["total"] = Value::Null;
        job["state"] = "failed".into();
        job["reason"] = "the subscription is gone".into();
        let line = line_of(&job, after);
        assert!(
            line.ends_with("250  3 s  the subscription is gone"),
            "{line}"
        );
    }
}
