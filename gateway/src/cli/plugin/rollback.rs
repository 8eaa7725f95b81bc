//! `hookgate plugin rollback`: back to the version before, in one command.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};

use super::activate::{sentence, switch};
use super::look::known;
use crate::cli::client::{Client, ClientArgs};
use crate::cli::output::Output;
use crate::cli::query::Query;
use crate::domain::plugin::PluginName;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin rollback only-small        # to the version before the active one
  hookgate plugin rollback only-small --to 2

A canary is ended: the version that it was compared with meets all events again.")]
pub(super) struct RollbackArgs {
    name: PluginName,
    /// Another version than the one before
    #[arg(long = "to", value_name = "VERSION")]
    version: Option<i64>,
    /// Whose plugin; else the shared one, or that of your key's own tenant
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: RollbackArgs, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    let (name, tenant) = (&args.name, args.tenant.as_deref());
    let version = match args.version {
        Some(version) => version,
        None => {
            let path = Query::of(format!("/v1/plugins/{name}"))
                .with("tenant", tenant)
                .finish();
            let plugin = known(name, client.get(&path).await)?;
            match before(&plugin.value) {
                Some(version) => version,
                None => bail!("{name} has no version before the active one"),
            }
        }
    };
    let reply = switch(&client, name, tenant, &json!({"version": version})).await?;
    output.done(&reply, &sentence(name, None, &reply.value))?;
    Ok(ExitCode::SUCCESS)
}

/// During a canary the version that most events still meet; else the newest one that is older
/// than the active one.
fn before(plugin: &Value) -> Option<i64> {
    let active = plugin["active_version"].as_i64()?;
    if plugin["canary"].is_object() {
        return Some(active);
    }
    let versions = plugin["versions"].as_array()?;
    let numbers = versions.iter().filter_map(|one| one["version"].as_i64());
    numbers.filter(|number| *number < active).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_before_is_the_newest_older_one() {
        let versions = json!([{"version": 5}, {"version": 3}, {"version": 2}]);
        let of = |active: i64| before(&json!({"active_version": active, "versions": versions}));
        assert_eq!(of(5), Some(3));
        assert_eq!(of(3), Some(2));
        assert_eq!(of(2), None);
        assert_eq!(
            before(&json!({"active_version": null, "versions": []})),
            None
        );
    }
}
