//! Running programs, and saying so.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A step that did not work; its own messages stand above.
#[derive(Debug)]
pub(crate) struct Failed(String);

impl Failed {
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tells which step is at work.
pub(crate) fn step(what: &str) {
    eprintln!("==> {what}");
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("xtask lives two folders below the root")
}

/// Cargo's target folder, in full.
pub(crate) fn target_dir() -> PathBuf {
    let set = env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty());
    let dir = set.map_or_else(|| root().join("target"), PathBuf::from);
    env::current_dir().map_or_else(|_| dir.clone(), |here| here.join(&dir))
}

/// Cargo in the repository. Queries are checked against `.sqlx`, whatever DATABASE_URL says.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(args)
        .current_dir(root())
        .env("SQLX_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", target_dir());
    for (name, _) in env::vars_os() {
        if is_of_this_package(&name.to_string_lossy()) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// What cargo told xtask of xtask. Build scripts that look at it (ring's does) would run again,
/// and all that depends on them, whenever cargo is called directly in between.
fn is_of_this_package(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Runs to the end, its output shown.
pub(crate) fn run(command: &mut Command) -> Result<(), Failed> {
    let status = command
        .status()
        .map_err(|error| cannot_run(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failed::because(format!("{} failed", shown(command))))
    }
}

/// Runs to the end and gives what it wrote to its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, Failed> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| cannot_run(command, &error))?;
    if !output.status.success() {
        return Err(Failed::because(format!("{} failed", shown(command))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether it runs and ends well, its output unseen.
pub(crate) fn works(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}

/// Installs packages of Debian without a question; settings that are there already stay.
pub(crate) fn apt_install(packages: &[&str]) -> Result<(), Failed> {
    let apt = |args: &[&str]| {
        run(Command::new("apt-get")
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "-qq"])?;
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    let options = ["-o", "Dpkg::Options::=--force-confold"];
    apt(&[&install[..], &options, packages].concat())
}

/// Installs packages of npm into `folder/node_modules`, and runs nothing of theirs.
pub(crate) fn npm_install(folder: &Path, packages: &[&str]) -> Result<(), Failed> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--ignore-scripts"])
        .args(["--no-audit", "--no-fund", "--prefix"]);
    run(npm.arg(folder).args(packages))
}

fn cannot_run(command: &Command, error: &std::io::Error) -> Failed {
    Failed::because(format!("could not run {}: {error}", shown(command)))
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let args = command.get_args().map(|arg| arg.to_string_lossy());
    let words: Vec<_> = std::iter::once(program.to_string_lossy())
        .chain(args)
        .collect();
    words.join(" ")
}
