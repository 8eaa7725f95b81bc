//! Has cargo compile a plugin to a core module.
//!
//! The package stays an ordinary library: what makes it a plugin (crate type, target, a
//! profile for small code) is said here, so authors need not repeat it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::toolchain::{TARGET, Toolchain};
use crate::{BuildError, Options};

/// For workspaces that do not define a profile `guest` of their own.
const PROFILE: [&str; 6] = [
    "inherits='release'",
    "opt-level='s'",
    "lto=true",
    "codegen-units=1",
    "panic='abort'",
    "strip=true",
];

/// A package to build.
pub(crate) struct Package {
    pub(crate) name: String,
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
    pub(crate) fn read(dir: &Path) -> Result<Self, BuildError> {
        let no_package = |reason: String| BuildError::NoPackage {
            dir: dir.to_owned(),
            reason,
        };
        let dir = dir
            .canonicalize()
            .map_err(|error| no_package(error.to_string()))?;
        let manifest = manifest(&dir).map_err(no_package)?;
        let name = manifest
            .package
            .ok_or_else(|| no_package("Cargo.toml has no [package]".into()))?
            .name;
        let workspace_dir = workspace_dir(&dir).map_err(no_package)?;
        let workspace = self::manifest(&workspace_dir).map_err(no_package)?;
        let has_guest_profile = workspace
            .profile
            .is_some_and(|profiles| profiles.contains_key("guest"));
        Ok(Self {
            name,
            dir,
            workspace_dir,
            has_guest_profile,
        })
    }
}

fn manifest(dir: &Path) -> Result<Manifest, String> {
    let text = std::fs::read_to_string(dir.join("Cargo.toml"))
        .map_err(|error| format!("Cargo.toml: {error}"))?;
    toml::from_str(&text).map_err(|error| format!("Cargo.toml: {error}"))
}

fn workspace_dir(dir: &Path) -> Result<PathBuf, String> {
    let output = Command::new("cargo")
        .args(["locate-project", "--workspace", "--message-format", "plain"])
        .current_dir(dir)
        .output()
        .map_err(|error| format!("could not run cargo: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
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
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "rustc",
            "--lib",
            "--crate-type",
            "cdylib",
            "--profile",
            "guest",
            "--target",
            TARGET,
        ])
        .args([
            "--message-format",
            "json-render-diagnostics",
            "--package",
            &package.name,
        ])
        .arg("--target-dir")
        .arg(&options.target_dir)
        .current_dir(&package.dir)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if options.is_locked {
        cargo.arg("--locked");
    }
    if !package.has_guest_profile {
        for key in PROFILE {
            cargo.arg("--config").arg(format!("profile.guest.{key}"));
        }
    }
    cargo.arg("--config").arg(flags(package, toolchain));
    toolchain.apply(&mut cargo);

    let mut child = cargo.spawn().map_err(BuildError::run("cargo"))?;
    let messages = BufReader::new(child.stdout.take().expect("it was just piped"));
    let module = messages
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| module_in(&line))
        .last();
    let status = child.wait().map_err(BuildError::run("cargo"))?;
    match module {
        Some(path) if status.success() => {
            std::fs::read(&path).map_err(BuildError::io("read", &path))
        }
        _ => Err(BuildError::Compile {
            package: package.name.clone(),
        }),
    }
}

/// Panics carry the paths of their source. Without the machine's own part in them the same
/// source gives the same component everywhere, and tells nothing about its builder.
fn flags(package: &Package, toolchain: &Toolchain) -> String {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let roots = [
        (cargo_home.as_deref(), "/cargo"),
        (toolchain.root(), "/rust"),
        (Some(package.workspace_dir.as_path()), "/plugin"),
    ];
    let flags: Vec<String> = roots
        .into_iter()
        .filter_map(|(root, name)| Some(format!("--remap-path-prefix={}={name}", root?.display())))
        .collect();
    let flags = toml::Value::from(flags);
    format!("target.{TARGET}.rustflags={flags}")
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

fn module_in(line: &str) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    let is_module = |file: &PathBuf| {
        file.extension()
            .is_some_and(|extension| extension == "wasm")
    };
    if message.reason != "compiler-artifact" {
        return None;
    }
    message.filenames.into_iter().find(is_module)
}
