//! `hookgate plugin inspect`: what a component is.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::local::{Local, refusal};
use super::place::{PlaceArgs, Plugin};
use super::{check, figures};
use crate::app::Machine;
use crate::cli::output::{Output, line};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin inspect only-small.wasm
  hookgate plugin inspect --json | jq -r .digest    # the digest that attempts name")]
pub(super) struct InspectArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) async fn run(
    args: InspectArgs,
    machine: &Machine,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let plugin = Plugin::at(&args.place.place).await?;
    let name = plugin.name.clone();
    let local = Local::start(machine)?;
    let prepared = check::prepare(&local, plugin).await;
    let prepared = prepared.map_err(|refused| refusal(&refused))?;
    let (loaded, limits) = (&prepared.plugin, local.limits());
    let exports: Vec<&str> = loaded.exports().iter().map(|one| one.as_str()).collect();
    let needs = loaded.resources();
    if output.json {
        let shown: Value = json!({
            "name": name, "digest": loaded.digest().to_string(),
            "size_bytes": loaded.size_bytes(), "max_size_bytes": limits.max_component_bytes,
            "exports": exports, "imports": loaded.imports(),
            "resources": needs, "compile_ms": prepared.compile_time.as_millis(),
        });
        line(&shown.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let imports = match loaded.imports() {
        [] => "nothing".to_owned(),
        imports => imports.join(", "),
    };
    line(&format!(
        "name      {name}\ndigest    {}\nsize      {} of {}\nexports   {}\nimports   {imports}\n\
         memories  {} of {}, {} at start of {}\ntables    {} of {}, {} elements at start of {}\n\
         compile   {} with all checks",
        loaded.digest(),
        figures::bytes(loaded.size_bytes()),
        figures::bytes(limits.max_component_bytes),
        exports.join(", "),
        needs.memories,
        limits.max_memories,
        figures::bytes(usize::try_from(needs.initial_memory_bytes)?),
        figures::bytes(limits.max_memory_bytes),
        needs.tables,
        limits.max_tables,
        figures::count(needs.initial_table_elements),
        figures::count(limits.max_table_elements as u64),
        figures::time(prepared.compile_time),
    ))?;
    Ok(ExitCode::SUCCESS)
}
