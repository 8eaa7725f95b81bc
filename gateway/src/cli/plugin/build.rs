//! `hookgate plugin build`: one command for all languages.

use std::path::PathBuf;
use std::process::ExitCode;

use hookgate_plugin_host::Limits;
use serde_json::json;

use super::{figures, place};
use crate::app::Machine;
use crate::cli::output::{Output, line};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin build                      # the project here; makes NAME.wasm in it
  hookgate plugin build plugins/only-small --out build

What a language needs is looked for on this machine, else fetched once into ~/.cache/hookgate where
its package manager is there; nothing is installed. `hookgate doctor` says what is missing.")]
pub(super) struct BuildArgs {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Gets NAME.wasm; the project's folder where it is left out
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) async fn run(
    args: BuildArgs,
    _machine: &Machine,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let project = place::project(&args.dir)?;
    let built = place::build(&project, args.out.as_deref()).await?;
    let limits = Limits::default();
    if output.json {
        let made = json!({
            "name": built.name, "path": built.path, "size_bytes": built.size_bytes,
            "max_size_bytes": limits.max_component_bytes,
            "exports": built.exports, "imports": built.imports,
        });
        line(&made.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let size = usize::try_from(built.size_bytes).unwrap_or(usize::MAX);
    let imports = match built.imports.as_slice() {
        [] => "nothing".to_owned(),
        imports => imports.join(", "),
    };
    line(&format!(
        "made     {}\nsize     {} of {}\nexports  {}\nimports  {imports}\n\
         limits   {} an event, {} of memory, {} of data in and out",
        built.path.display(),
        figures::bytes(size),
        figures::bytes(limits.max_component_bytes),
        built.exports.join(", "),
        figures::time(limits.time_per_event),
        figures::bytes(limits.max_memory_bytes),
        figures::bytes(limits.max_output_bytes),
    ))?;
    Ok(ExitCode::SUCCESS)
}
