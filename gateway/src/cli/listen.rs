//! `hookgate listen`: a receiver on this machine that checks and prints what arrives.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use serde_json::{Value, json};

use super::local_receiver::{Arrival, LocalReceiver};
use super::output::{Output, Paint, line, printable};
use crate::domain::clock::Clock;
use crate::domain::secret::SigningSecret;

/// Longest part of a body that is printed; `--full` prints it all.
const MAX_SHOWN_CHARS: usize = 2000;

/// Receive deliveries on this machine: verify, print, answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate listen --port 9000
  hookgate subscriptions create '*' --to http://127.0.0.1:9000/      # in another shell
  hookgate listen --port 9000 --secret whsec_…                       # also checks signatures
  hookgate listen --port 9000 --status 500                           # watch Hookgate try again

The gateway must be allowed to call this machine: HOOKGATE_ALLOW_PRIVATE_NETWORKS=true.")]
pub struct ListenArgs {
    /// Port on loopback; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The subscription's secret.
    #[arg(long, value_name = "whsec_…", env = "HOOKGATE_SECRET", hide_env_values = true, value_parser = secret)]
    secret: Option<SigningSecret>,
    /// What to answer.
    #[arg(long, default_value = "200")]
    status: StatusCode,
    /// Print bodies whole.
    #[arg(long)]
    full: bool,
    /// End after so many deliveries; 1 if a signature was wrong.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    output: Output,
}

fn secret(text: &str) -> Result<SigningSecret, String> {
    SigningSecret::parse(text).map_err(|error| error.to_string())
}

/// What has arrived so far.
#[derive(Debug, Default)]
struct Tally {
    arrived: AtomicU64,
    wrong: AtomicU64,
    is_enough: tokio::sync::Notify,
}

/// Until Ctrl-C, or `--count` deliveries.
///
/// # Errors
/// Where the port is taken or nobody reads the output.
pub async fn run(args: ListenArgs, clock: Clock) -> anyhow::Result<ExitCode> {
    let receiver = LocalReceiver::bind(args.port).await?;
    if !args.output.json {
        line(&format!("listening on {}", receiver.url("/")))?;
    }
    let tally = Arc::new(Tally::default());
    let args = Arc::new(args);
    let taken = Arc::clone(&tally);
    let serve = receiver.serve(move |arrival| {
        let status = take(&args, &arrival, (&clock, &taken));
        std::future::ready(status)
    });
    tokio::select! {
        () = serve => {}
        () = tally.is_enough.notified() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(if tally.wrong.load(Ordering::Relaxed) == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn take(args: &ListenArgs, arrival: &Arrival, (clock, tally): (&Clock, &Tally)) -> StatusCode {
    let verdict = args.secret.as_ref().map(|secret| {
        arrival
            .verify(secret, clock.now())
            .map_err(|fault| fault.to_string())
    });
    if matches!(verdict, Some(Err(_))) {
        tally.wrong.fetch_add(1, Ordering::Relaxed);
    }
    let printed = if args.output.json {
        print_json(arrival, verdict.as_ref())
    } else {
        print_text(args, arrival, verdict.as_ref())
    };
    let arrived = tally.arrived.fetch_add(1, Ordering::Relaxed) + 1;
    if printed.is_err() || args.count.is_some_and(|count| arrived >= count) {
        tally.is_enough.notify_one();
    }
    args.status
}

type Verdict<'a> = Option<&'a Result<(), String>>;

fn print_json(arrival: &Arrival, verdict: Verdict<'_>) -> io::Result<()> {
    let headers = arrival.head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), Value::from(value))
    });
    let seen = json!({
        "path": arrival.head.uri.path(),
        "headers": headers.collect::<serde_json::Map<_, _>>(),
        "body": String::from_utf8_lossy(&arrival.body),
        "verified": verdict.map(|verdict| verdict.is_ok()),
    });
    line(&seen.to_string())
}

fn print_text(args: &ListenArgs, arrival: &Arrival, verdict: Verdict<'_>) -> io::Result<()> {
    let paint = Paint::for_stdout();
    let signature = match verdict {
        Some(Ok(())) => paint.good("signature ok"),
        Some(Err(fault)) => paint.bad(fault),
        None => paint.faint("signature not checked: no --secret"),
    };
    let body: Option<Value> = serde_json::from_slice(&arrival.body).ok();
    let event_type = body.as_ref().and_then(|body| body["type"].as_str());
    let head = format!(
        "{} {}  {} bytes  {signature}",
        paint.strong(&printable(
            event_type.unwrap_or(arrival.head.method.as_str())
        )),
        printable(arrival.header("webhook-id")),
        arrival.body.len(),
    );
    let text = match &body {
        Some(body) => serde_json::to_string_pretty(body).unwrap_or_default(),
        None => String::from_utf8_lossy(&arrival.body).into_owned(),
    };
    let text = printable(&text);
    let is_cut = !args.full && text.chars().count() > MAX_SHOWN_CHARS;
    if is_cut {
        let shown: String = text.chars().take(MAX_SHOWN_CHARS).collect();
        return line(&format!("{head}\n{shown}…\n"));
    }
    line(&format!("{head}\n{text}\n"))
}
