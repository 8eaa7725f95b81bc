//! Has cargo compile a plugin to a core module.
//!
//! The package stays an ordinary library: what makes it a plugin (crate type, target, a
//! profile for quick code) is said here, so authors need not repeat it. Of cargo's own talk
//! only the compiler's messages reach the author.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde::Deserialize;

use super::toolchain::{TARGET, Toolchain};
use crate::tools::{last_line, on_path};
use crate::{BuildError, Options, Project, ProjectError};

/// For workspaces that do not define a profile `guest` of their own.
const PROFILE: [&str; 6] = [
    "inherits='release'",
    "opt-level=3",
    "lto=true",
    "codegen-units=1",
    "panic='abort'",
    "strip=true",
];

/// A package to build.
pub(crate) struct Package {
    /// By its manifest; the plugin's name may be another.
    name: String,
    plugin: String,
    dir: PathBuf,
    workspace_dir: PathBuf,
    has_guest_profile: bool,
}

#[derive(Deserialize)]
struct Manifest {
    package: Option<Named>,
    profile: Option<toml::Table>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Package {
    pub(crate) fn read(project: &Project) -> Result<Self, BuildError> {
        if on_path("cargo").is_none() {
            return Err(BuildError::MissingTool {
                tool: "cargo, which compiles Rust,".into(),
                cure: "apt-get install cargo, or install Rust from rustup.rs".into(),
            });
        }
        let refuse = |reason| {
            BuildError::Project(ProjectError::Manifest {
                path: project.dir.join("Cargo.toml"),
                reason,
            })
        };
        let name = manifest(&project.dir)
            .map_err(refuse)?
            .package
            .ok_or_else(|| refuse("it has no [package]".into()))?
            .name;
        let workspace_dir = workspace_dir(&project.dir).map_err(refuse)?;
        let workspace = self::manifest(&workspace_dir).map_err(refuse)?;
        let has_guest_profile = workspace
            .profile
            .is_some_and(|profiles| profiles.contains_key("guest"));
        Ok(Self {
            name,
            plugin: project.name.clone(),
            dir: project.dir.clone(),
            workspace_dir,
            has_guest_profile,
        })
    }
}

fn manifest(dir: &Path) -> Result<Manifest, String> {
    let text = std::fs::read_to_string(dir.join("Cargo.toml")).map_err(|it| it.to_string())?;
    toml::from_str(&text).map_err(|error| error.message().to_owned())
}

fn workspace_dir(dir: &Path) -> Result<PathBuf, String> {
    let output = Command::new("cargo")
        .args(["locate-project", "--workspace", "--message-format", "plain"])
        .current_dir(dir)
        .output()
        .map_err(|error| format!("could not run cargo: {error}"))?;
    if !output.status.success() {
        return Err(reason(&String::from_utf8_lossy(&output.stderr)));
    }
    let manifest = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    Ok(manifest
        .parent()
        .expect("a manifest stands in a folder")
        .to_owned())
}

/// The bytes of the core module.
pub(crate) fn compile(
    package: &Package,
    toolchain: &Toolchain,
    options: &Options,
) -> Result<Vec<u8>, BuildError> {
    let mut child = command(package, toolchain, options)
        .spawn()
        .map_err(BuildError::run("cargo"))?;
    let said = errors_of(&mut child);
    let mut module = None;
    let mut has_errors = false;
    let messages = BufReader::new(child.stdout.take().expect("it was just piped"));
    for line in messages.lines().map_while(Result::ok) {
        match serde_json::from_str::<Message>(&line) {
            Ok(Message::Compiler { message }) => {
                has_errors |= message.level == "error";
                eprint!("{}", message.rendered.unwrap_or_default());
            }
            Ok(Message::Artifact { filenames }) => {
                module = filenames
                    .into_iter()
                    .find(|file| is_module(file))
                    .or(module);
            }
            Ok(Message::Other) | Err(_) => {}
        }
    }
    let status = child.wait().map_err(BuildError::run("cargo"))?;
    let said = said.join().unwrap_or_default();
    match module {
        Some(path) if status.success() => {
            std::fs::read(&path).map_err(BuildError::io("read", &path))
        }
        _ if has_errors => Err(BuildError::Compile {
            name: package.plugin.clone(),
        }),
        _ => Err(refusal(&package.plugin, &said)),
    }
}

fn command(package: &Package, toolchain: &Toolchain, options: &Options) -> Command {
    let messages = if std::io::stderr().is_terminal() {
        "json-diagnostic-rendered-ansi"
    } else {
        "json"
    };
    let mut cargo = Command::new("cargo");
    cargo
        .args(["rustc", "--lib", "--crate-type", "cdylib"])
        .args(["--profile", "guest", "--target", TARGET])
        .args(["--message-format", messages, "--package", &package.name])
        .arg("--target-dir")
        .arg(&options.target_dir)
        .current_dir(&package.dir)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if options.is_locked {
        cargo.arg("--locked");
    }
    if !package.has_guest_profile {
        for key in PROFILE {
            cargo.arg("--config").arg(format!("profile.guest.{key}"));
        }
    }
    cargo.arg("--config").arg(flags(toolchain));
    toolchain.apply(&mut cargo);
    // For the author's package alone, or every project would need a standard library of its own.
    cargo
        .arg("--")
        .arg(remapped(&package.workspace_dir, "/plugin"));
    cargo
}

/// Read beside the messages, or a full pipe would stop cargo.
fn errors_of(child: &mut Child) -> thread::JoinHandle<String> {
    let mut stderr = child.stderr.take().expect("it was just piped");
    thread::spawn(move || {
        let mut said = Vec::new();
        // What could be read is told; there is nobody else to tell that it broke off.
        let _ = stderr.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    })
}

/// Panics carry the paths of their source. Without the machine's own part in them the same
/// source gives the same component everywhere, and tells nothing about its builder. The same for
/// every project: cargo builds anew what was built with other flags.
fn flags(toolchain: &Toolchain) -> String {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let roots = [
        (cargo_home.as_deref(), "/cargo"),
        (toolchain.root(), "/rust"),
    ];
    let flags: Vec<String> = roots
        .into_iter()
        .filter_map(|(root, name)| Some(remapped(root?, name)))
        .collect();
    let flags = toml::Value::from(flags);
    format!("target.{TARGET}.rustflags={flags}")
}

fn remapped(root: &Path, name: &str) -> String {
    format!("--remap-path-prefix={}={name}", root.display())
}

#[derive(Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-message")]
    Compiler { message: Diagnostic },
    #[serde(rename = "compiler-artifact")]
    Artifact { filenames: Vec<PathBuf> },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

fn is_module(file: &Path) -> bool {
    file.extension().is_some_and(|it| it == "wasm")
}

/// What cargo says when it does not come to compiling.
fn refusal(name: &str, said: &str) -> BuildError {
    const OUT_OF_REACH: [&str; 6] = [
        "resolve host",
        "failed to download",
        "download of",
        "connect to",
        "Timeout was reached",
        "--offline was specified",
    ];
    let name = name.to_owned();
    let reason = reason(said);
    if said.contains("--locked") || said.contains("lock file") {
        return BuildError::Packages {
            name,
            reason,
            cure: "Cargo.lock does not fit Cargo.toml. Type: cargo update --workspace".into(),
        };
    }
    if OUT_OF_REACH.iter().any(|sign| said.contains(sign)) {
        return BuildError::Packages {
            name,
            reason,
            cure: "Type, once with a network: cargo fetch".into(),
        };
    }
    BuildError::Toolchain { name, reason }
}

/// Cargo's error and its deepest cause, in a line.
fn reason(said: &str) -> String {
    let Some(at) = said.find("error: ") else {
        return last_line(said);
    };
    let mut lines = said[at + "error: ".len()..].lines();
    let error = lines.next().unwrap_or_default().trim().to_owned();
    let causes: Vec<&str> = lines
        .take_while(|line| !line.starts_with("error"))
        .collect();
    let deepest = causes
        .iter()
        .rposition(|line| line.starts_with("Caused by:"))
        .and_then(|at| causes.get(at + 1));
    match deepest {
        Some(cause) => format!("{error}: {}", cause.trim()),
        // What follows a colon is the telling half.
        None if error.ends_with(':') => {
            format!(
                "{error} {}",
                causes.first().copied().unwrap_or_default().trim()
            )
        }
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_lock_file_is_one_line_with_its_cure() {
        let said = "    Updating index\nerror: cannot update the lock file /p/Cargo.lock because --locked was passed to prevent this\nIf you want to try to generate the lock file without accessing the network, remove the --locked flag and use --offline instead.\n";
        assert_eq!(
            refusal("p", said).to_string(),
            "the packages that p needs could not be had: cannot update the lock file /p/Cargo.lock because --locked was passed to prevent this. Cargo.lock does not fit Cargo.toml. Type: cargo update --workspace"
        );
    }

    #[test]
    fn a_missing_network_is_told_with_the_deepest_cause() {
        let said = "warning: spurious network error (1 try remaining)\nerror: failed to get `serde` as a dependency of package `p v0.1.0 (/p)`\n\nCaused by:\n  failed to query replaced source registry `crates-io`\n\nCaused by:\n  [6] Couldn't resolve host name (Could not resolve host: index)\n";
        assert_eq!(
            refusal("p", said).to_string(),
            "the packages that p needs could not be had: failed to get `serde` as a dependency of package `p v0.1.0 (/p)`: [6] Couldn't resolve host name (Could not resolve host: index). Type, once with a network: cargo fetch"
        );
    }

    #[test]
    fn another_refusal_is_told_in_cargo_s_own_line() {
        let said = "error: rustc 1.80.0 is not supported by the following package:\n  p@0.1.0 requires rustc 1.95\n";
        assert_eq!(
            refusal("p", said).to_string(),
            "p could not be built: rustc 1.80.0 is not supported by the following package: p@0.1.0 requires rustc 1.95"
        );
    }
}
