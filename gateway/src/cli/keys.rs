//! `hookgate keys`: who may call.

use std::process::ExitCode;

use serde_json::json;

use super::client::{Client, ClientArgs};
use super::output::{Column, Output, line};
use super::query::{Paging, Query};
use crate::domain::key::Role;

/// Create, list and revoke API keys.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Roles:
  admin        everything
  publisher    send events
  subscriber   its tenant's subscriptions, plugins, sources and deliveries
  viewer       read

Examples:
  hookgate keys create publisher --description 'billing service'
  hookgate keys create subscriber --tenant acme")]
pub struct KeysArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make one. It is shown now and never again.
    Create {
        /// admin, publisher, subscriber or viewer.
        role: Role,
        /// Bind it to one tenant.
        #[arg(long)]
        tenant: Option<String>,
        #[arg(long, default_value = "")]
        description: String,
    },
    /// List them, without the keys themselves.
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Take one back; it stops working within two seconds everywhere.
    Revoke { id: String },
}

const COLUMNS: &[Column] = &[
    ("KEY", "/id"),
    ("ROLE", "/role"),
    ("TENANT", "/tenant"),
    ("DESCRIPTION", "/description"),
    ("CREATED", "/created_at"),
];

/// # Errors
/// Where the gateway is not there or refuses.
pub async fn run(args: KeysArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    match args.command {
        Command::Create {
            role,
            tenant,
            description,
        } => {
            let mut body = json!({"role": role, "description": description});
            if let Some(tenant) = tenant {
                body["tenant"] = json!(tenant);
            }
            args.output.item(&client.post("/v1/keys", &body).await?)?;
            if !args.output.json {
                line("\nKeep the key: it is not shown again.")?;
            }
        }
        Command::List { paging } => {
            let path = Query::of("/v1/keys").page(&paging).finish();
            args.output.list(&client.get(&path).await?, COLUMNS)?;
        }
        Command::Revoke { id } => {
            let reply = client.delete(&format!("/v1/keys/{id}")).await?;
            args.output.done(&reply, &format!("{id}  revoked"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
