//! Finds a compiler that reaches wasm.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{BuildError, Options, debian};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A compiler, and what cargo has to be told to use it.
pub(crate) enum Toolchain {
    /// The active one, with the target installed.
    Active { version: String },
    /// Debian's, which brings the standard library as source.
    Debian {
        version: String,
        root: PathBuf,
        linker: PathBuf,
    },
}

impl Toolchain {
    pub(crate) fn description(&self) -> String {
        match self {
            Self::Active { version } => version.clone(),
            Self::Debian { version, .. } => {
                format!("{version} of Debian, which builds its standard library first")
            }
        }
    }

    pub(crate) fn apply(&self, cargo: &mut Command) {
        let Self::Debian { root, linker, .. } = self else {
            return;
        };
        cargo
            .args([
                "-Z",
                "build-std=std,panic_abort",
                "-Z",
                "build-std-features=",
            ])
            .env("RUSTC", debian::rustc(root))
            // The standard library is unstable inside; a released compiler needs leave to build it.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }

    /// What a path may start with that must not reach the component.
    pub(crate) fn root(&self) -> Option<&Path> {
        match self {
            Self::Active { .. } => None,
            Self::Debian { root, .. } => Some(root),
        }
    }
}

/// The active toolchain for `crate_dir` where it has the target, else Debian's.
pub(crate) fn find(crate_dir: &Path, options: &Options) -> Result<Toolchain, BuildError> {
    let sysroot = PathBuf::from(rustc(crate_dir, &["--print", "sysroot"])?);
    let about = rustc(crate_dir, &["-vV"])?;
    if sysroot
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib")
        .is_dir()
    {
        let version = about.lines().next().unwrap_or("rustc").to_owned();
        return Ok(Toolchain::Active { version });
    }
    let host = about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap_or_default();
    let linker = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    if !linker.is_file() || !debian::is_here() {
        return Err(BuildError::NoToolchain);
    }
    let root = debian::unpacked(options)?;
    let version = debian::version(&root)?;
    Ok(Toolchain::Debian {
        version,
        root,
        linker,
    })
}

fn rustc(dir: &Path, args: &[&str]) -> Result<String, BuildError> {
    let output = Command::new("rustc")
        .args(args)
        .current_dir(dir)
        .output()
        .map_err(BuildError::run("rustc"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
