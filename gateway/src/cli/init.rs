//! `hookgate init`: a settings file that explains itself.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::config;

/// Write a commented hookgate.toml: every setting with its default.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate init                            # ./hookgate.toml, which `hookgate serve` here reads
  hookgate init /etc/hookgate/hookgate.toml && hookgate serve --config /etc/hookgate/hookgate.toml

Nothing is set in it: take the # away where you want something else than the default.")]
pub struct InitArgs {
    #[arg(value_name = "FILE", default_value = "hookgate.toml")]
    file: PathBuf,
}

/// # Errors
/// Where the file is there already or cannot be written.
pub fn run(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let file = &args.file;
    let made = std::fs::File::create_new(file);
    if made
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
    {
        bail!(
            "{} is there already, and is left as it is\n  cure: name another file",
            file.display()
        );
    }
    let text = config::commented();
    made.and_then(|mut made| std::io::Write::write_all(&mut made, text.as_bytes()))
        .with_context(|| format!("could not write {}", file.display()))?;
    println!(
        "written {}; `hookgate serve` in this folder reads it, `--print-config` shows what is in force",
        file.display()
    );
    Ok(ExitCode::SUCCESS)
}
