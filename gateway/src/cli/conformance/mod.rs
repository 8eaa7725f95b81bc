//! `hookgate conformance`: the REST Hooks checklist R1 to R26 as black-box checks, one a row.
//!
//! Speaks only what a client and a receiver could: the API at any base URL, and a receiver of its
//! own that the target must be able to reach. Everything happens in a tenant of its own, and what it
//! made is removed at the end. A row that the target does not have is called missing, not failed.

mod bench;
mod delivering;
mod patterns;
mod resource;
mod stage;

use std::net::SocketAddr;
use std::process::ExitCode;

use futures_util::future::BoxFuture;
use serde_json::json;
use url::Url;

use self::bench::{Bench, Fault};
use self::stage::Stage;
use super::client::{Client, ClientArgs};
use super::output::{Paint, line};
use crate::domain::clock::Clock;

/// Check a gateway against the REST Hooks checklist, row by row.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate conformance                                   # the gateway on this machine
  hookgate conformance --row R11 --row R17 --json
  hookgate conformance --target https://hooks.example.com \\
      --listen 0.0.0.0:9000 --receiver-url https://me.example.com:9000

The target must be able to reach the receiver; for one on loopback it needs
HOOKGATE_ALLOW_PRIVATE_NETWORKS=true. Ends with 1 where a row failed.")]
pub struct ConformanceArgs {
    /// Base URL of the gateway to check; --url and HOOKGATE_URL say the same.
    #[arg(long, value_name = "URL")]
    target: Option<Url>,
    /// Only these rows; repeat for several.
    #[arg(long = "row", value_name = "R1…R26")]
    rows: Vec<String>,
    /// Where the receiver listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How the target reaches the receiver, where that differs.
    #[arg(long, value_name = "URL")]
    receiver_url: Option<String>,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

type Check = for<'a> fn(&'a Bench) -> BoxFuture<'a, Result<String, Fault>>;

/// One row of the checklist.
struct Row {
    name: &'static str,
    title: &'static str,
    check: Check,
}

macro_rules! rows {
    ($($name:literal $title:literal $module:ident::$check:ident;)*) => {
        const ROWS: &[Row] = &[$(Row {
            name: $name,
            title: $title,
            check: |bench| Box::pin($module::$check(bench)),
        }),*];
    };
}

rows! {
    "R1" "subscriptions hold event types, owner, target and state" resource::holds_what_it_is;
    "R2" "a subscription is a REST resource behind a key" resource::is_a_resource;
    "R3" "a third party subscribes and unsubscribes by itself" resource::third_party;
    "R4" "event types are named noun.verb and told apart" resource::event_types;
    "R5" "the payload is the resource, with the hook's metadata" delivering::payload;
    "R6" "one POST a subscription, in the background" delivering::background;
    "R7" "the queue is no cheap hack: hundreds at once, each once" delivering::many;
    "R8" "2xx ends it" delivering::accepted;
    "R9" "3xx is not followed" delivering::redirected;
    "R10" "4xx is tried again" delivering::client_error;
    "R11" "410 ends the subscription at once" delivering::gone;
    "R12" "5xx, resets and timeouts are tried again" delivering::server_error;
    "R13" "waits grow, and end" delivering::backoff;
    "R14" "it is told when a subscription was ended" delivering::told;
    "R15" "a sequence puts deliveries in order" delivering::sequence;
    "R16" "claim check: what was missed can be listed and released" patterns::missed;
    "R17" "intent: nothing is sent before the receiver has agreed" patterns::intent;
    "R18" "legitimacy: deliveries are signed" patterns::signed;
    "R19" "skinny payloads with an address for the rest" patterns::skinny;
    "R20" "debouncing: the latest of several updates" patterns::debounced;
    "R21" "batching: many events in one hook" patterns::batched;
    "R22" "work only where something happened" patterns::no_polling;
    "R23" "samples for set-up, tests and polling" patterns::samples;
    "R24" "subscriptions expire and are renewed" patterns::expiry;
    "R25" "unsubscribing is idempotent, and nothing follows" resource::unsubscribed;
    "R26" "CloudEvents handshake by OPTIONS" patterns::options;
}

/// # Errors
/// Where the target is not there, or the receiver's port is taken.
pub async fn run(mut args: ConformanceArgs, clock: Clock) -> anyhow::Result<ExitCode> {
    if let Some(target) = args.target.take() {
        args.client.url = target;
    }
    let client = Client::new(&args.client)?;
    // One that is not there is told once, and not row by row.
    client.get("/v1/subscriptions?limit=1").await?;
    let stage = Stage::open(args.listen, args.receiver_url.as_deref()).await?;
    let bench = Bench::new(client, stage, clock);
    let is_wanted = |row: &&Row| {
        args.rows.is_empty()
            || args
                .rows
                .iter()
                .any(|name| name.eq_ignore_ascii_case(row.name))
    };
    let mut results = Vec::new();
    for row in ROWS.iter().filter(is_wanted) {
        let result = (row.check)(&bench).await;
        if !args.json {
            show(row, &result)?;
        }
        results.push((row, result));
    }
    bench.clean_up().await;
    let count = |outcome: &str| {
        let of = results
            .iter()
            .filter(|(_, result)| name_of(result) == outcome);
        of.count()
    };
    let (passed, failed, missing) = (count("passed"), count("failed"), count("missing"));
    if args.json {
        let each = results.iter().map(|(row, result)| {
            json!({"row": row.name, "title": row.title, "outcome": name_of(result),
                "detail": detail_of(result)})
        });
        let each: Vec<_> = each.collect();
        line(
            &json!({"rows": each, "passed": passed, "failed": failed, "missing": missing})
                .to_string(),
        )?;
    } else {
        line(&format!(
            "\n{passed} passed, {failed} failed, {missing} missing"
        ))?;
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn name_of(result: &Result<String, Fault>) -> &'static str {
    match result {
        Ok(_) => "passed",
        Err(Fault::Failed(_)) => "failed",
        Err(Fault::Missing(_)) => "missing",
    }
}

fn detail_of(result: &Result<String, Fault>) -> &str {
    match result {
        Ok(detail) | Err(Fault::Failed(detail) | Fault::Missing(detail)) => detail,
    }
}

fn show(row: &Row, result: &Result<String, Fault>) -> std::io::Result<()> {
    let paint = Paint::for_stdout();
    let mark = match name_of(result) {
        "passed" => paint.good("✓"),
        "failed" => paint.bad("✗"),
        _ => paint.faint("-"),
    };
    line(&format!("{mark} {:<4} {}", row.name, row.title))?;
    let detail = detail_of(result);
    if !detail.is_empty() {
        line(&format!("       {}", paint.faint(detail)))?;
    }
    Ok(())
}
