//! `hookgate-plugin-kit`: the kit without the gateway, for this repository's own plugins.
//!
//! Authors use `hookgate plugin build`, which is the same library.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hookgate_plugin_kit::{Options, build};

const HELP: &str = "\
Builds plugins as components.

usage: hookgate-plugin-kit build DIR... [--out DIR] [--locked]

  DIR       a folder with the plugin.toml of a plugin, or with a Cargo.toml
  --out     where NAME.wasm goes (default: guests/components in the target folder)
  --locked  refuse to change Cargo.lock
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() != Some("build") {
        print!("{HELP}");
        return ExitCode::from(2);
    }
    let progress = |line: &str| eprintln!("   plugins  {line}");
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let mut options = Options::from_environment(&here, progress);
    let mut dirs = Vec::new();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--locked" => options.is_locked = true,
            "--out" => match args.next() {
                Some(dir) => options.out_dir = here.join(dir),
                None => return refuse("--out needs a folder"),
            },
            flag if flag.starts_with('-') => {
                return refuse(&format!("no option {flag}: see --help"));
            }
            dir => dirs.push(dir.to_owned()),
        }
    }
    for dir in dirs {
        if let Err(error) = build(Path::new(&dir), &options) {
            return refuse(&error.to_string());
        }
    }
    ExitCode::SUCCESS
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::FAILURE
}
