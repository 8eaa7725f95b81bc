//! Finds a compiler that reaches wasm.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{self, Packages};
use crate::tools::last_line;
use crate::{BuildError, Options};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

const CURE: &str = "rustup target add wasm32-unknown-unknown";
const TOOL: &str = "a compiler for wasm32-unknown-unknown";

/// The compiler, the standard library of the machine for build scripts, and its source.
pub(crate) const DEBIAN: Packages = Packages {
    tool: TOOL,
    prefix: "guest-toolchain-",
    wanted: &["rustc-web", "libstd-rust-web-dev", "rust-web-src"],
    programs: &["rustc"],
    megabytes: (140, 500),
    cure: CURE,
};

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
            .env("RUSTC", root.join("rustc"))
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
    if has_target(&sysroot) {
        let version = rustc(crate_dir, &["--version"])?;
        return Ok(Toolchain::Active { version });
    }
    let linker = rust_lld(crate_dir)?;
    let Some(linker) = linker.filter(|_| debian::is_here()) else {
        return Err(BuildError::MissingTool {
            tool: TOOL.into(),
            cure: CURE.into(),
        });
    };
    let root = debian::unpacked(&DEBIAN, options)?;
    let version = run(Command::new(root.join("rustc")).arg("--version"), crate_dir)?;
    Ok(Toolchain::Debian {
        version,
        root,
        linker,
    })
}

/// Whether the toolchain's standard library is there for wasm.
pub(crate) fn has_target(sysroot: &Path) -> bool {
    sysroot
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib")
        .is_dir()
}

/// The linker that comes with rustup's toolchains; it links wasm of any compiler.
pub(crate) fn rust_lld(dir: &Path) -> Result<Option<PathBuf>, BuildError> {
    let about = rustc(dir, &["-vV"])?;
    let host = about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap_or_default();
    let sysroot = PathBuf::from(rustc(dir, &["--print", "sysroot"])?);
    let linker = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    Ok(linker.is_file().then_some(linker))
}

pub(crate) fn rustc(dir: &Path, args: &[&str]) -> Result<String, BuildError> {
    run(Command::new("rustc").args(args), dir)
}

/// A toolchain file may name a version that is not installed: rustup tells so here.
fn run(command: &mut Command, dir: &Path) -> Result<String, BuildError> {
    let output = command
        .current_dir(dir)
        .output()
        .map_err(|_| BuildError::MissingTool {
            tool: "Rust".into(),
            cure: format!("curl https://sh.rustup.rs | sh, then {CURE}"),
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said
        .lines()
        .find_map(|line| line.strip_prefix("error: "))
        .map_or_else(|| last_line(&said), str::to_owned);
    Err(BuildError::Toolchain {
        name: dir.display().to_string(),
        reason: format!("rustc does not run there: {reason}"),
    })
}
