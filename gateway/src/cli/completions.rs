//! `hookgate completions`: what a shell needs to complete commands, options and their values.

use std::io;
use std::process::ExitCode;

use clap_complete::Shell;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate completions bash > ~/.local/share/bash-completion/completions/hookgate
  hookgate completions zsh > \"${fpath[1]}/_hookgate\"
  hookgate completions fish > ~/.config/fish/completions/hookgate.fish

A new shell knows them.")]
pub struct CompletionsArgs {
    shell: Shell,
}

/// `command` is the whole command line.
///
/// # Errors
/// Where nobody reads what is printed.
pub fn run(args: &CompletionsArgs, mut command: clap::Command) -> io::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "hookgate", &mut text);
    io::Write::write_all(&mut io::stdout().lock(), &text)?;
    Ok(ExitCode::SUCCESS)
}
