//! `hookgate man`: the help of every command as manual pages.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

/// Write manual pages into a folder, one a command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate man ~/.local/share/man/man1    # then: man hookgate-plugin-test
  hookgate man . && man ./hookgate.1")]
pub struct ManArgs {
    /// Made where it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// `command` is the whole command line.
///
/// # Errors
/// Where the folder cannot be written.
pub fn run(args: &ManArgs, command: clap::Command) -> anyhow::Result<ExitCode> {
    let folder = &args.folder;
    let written =
        std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.with_context(|| format!("could not write manual pages to {}", folder.display()))?;
    println!("written to {}; begin with hookgate.1", folder.display());
    Ok(ExitCode::SUCCESS)
}
