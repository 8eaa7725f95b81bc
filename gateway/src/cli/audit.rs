//! `hookgate audit`: who did what.

use std::process::ExitCode;

use super::client::{Client, ClientArgs};
use super::output::{Column, Output};
use super::query::{Paging, Query};

/// Who did what to configuration, keys, secrets, plugins and jobs, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate audit --result refused            # what was tried in vain
  hookgate audit --operation key             # all that was done to keys
  hookgate audit --object sub_…              # the life of one subscription
  hookgate audit --tenant acme --since 2026-01-01T00:00:00Z --json")]
pub struct AuditArgs {
    /// What was done to this tenant's things.
    #[arg(long)]
    tenant: Option<String>,
    /// What this key did: key_…
    #[arg(long)]
    key: Option<String>,
    /// key.create, or key for all that is done to keys.
    #[arg(long)]
    operation: Option<String>,
    /// What was done to this thing, by its id or name.
    #[arg(long)]
    object: Option<String>,
    /// done or refused.
    #[arg(long)]
    result: Option<String>,
    /// From this moment on: 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this moment.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    client: ClientArgs,
}

const COLUMNS: &[Column] = &[
    ("AT", "/at"),
    ("ACTOR", "/actor"),
    ("KEY", "/key"),
    ("ADDRESS", "/address"),
    ("OPERATION", "/operation"),
    ("TENANT", "/tenant"),
    ("OBJECT", "/object"),
    ("RESULT", "/result"),
    ("DETAIL", "/detail"),
];

/// # Errors
/// Where the gateway is not there or refuses.
pub async fn run(args: AuditArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    let path = Query::of("/v1/audit")
        .with("tenant", args.tenant.as_deref())
        .with("key", args.key.as_deref())
        .with("operation", args.operation.as_deref())
        .with("object", args.object.as_deref())
        .with("result", args.result.as_deref())
        .with("since", args.since.as_deref())
        .with("until", args.until.as_deref())
        .page(&args.paging)
        .finish();
    args.output.list(&client.get(&path).await?, COLUMNS)?;
    Ok(ExitCode::SUCCESS)
}
