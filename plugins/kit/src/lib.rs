//! Turns a plugin's source into a component that Hookgate takes.
//!
//! One way for everybody: the active Rust toolchain where it can compile to
//! `wasm32-unknown-unknown`; on a Debian machine without that target, Debian's own compiler,
//! unpacked into a cache; else an error that says what to type. It never installs anything
//! into the system, and it never accepts a component that the server would refuse for its
//! imports or exports.

mod cargo;
mod component;
mod debian;
mod error;
mod toolchain;

use std::env;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub use component::{Component, UnfitComponent};
pub use error::BuildError;

/// Where a build keeps its things, and whom it tells.
#[derive(Debug, Clone)]
pub struct Options {
    /// Gets `NAME.wasm`.
    pub out_dir: PathBuf,
    /// Cargo's folder for guests. Never the one of host builds: compiler and flags differ.
    pub target_dir: PathBuf,
    /// Keeps a fetched compiler, about 500 MB, for every later build.
    pub cache_dir: PathBuf,
    /// Refuses to change `Cargo.lock`.
    pub is_locked: bool,
    /// Called with one line for each step.
    pub progress: fn(&str),
}

impl Options {
    /// Folders by the environment (`CARGO_TARGET_DIR`, `XDG_CACHE_HOME`, `HOME`), the target
    /// folder else below `project_dir`; components go to `components` in the target folder.
    #[must_use]
    pub fn from_environment(project_dir: &Path, progress: fn(&str)) -> Self {
        let set = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let target_dir = set("CARGO_TARGET_DIR")
            .unwrap_or_else(|| project_dir.join("target"))
            .join("guests");
        let cache_dir = set("XDG_CACHE_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(env::temp_dir)
            .join("hookgate");
        Self {
            out_dir: target_dir.join("components"),
            target_dir,
            cache_dir,
            is_locked: false,
            progress,
        }
    }
}

/// A component on disk that passed the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The plugin's name: its package's.
    pub name: String,
    /// The component.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// Interfaces of the contract that it exports.
    pub exports: Vec<String>,
    /// Interfaces with functions that it imports.
    pub imports: Vec<String>,
}

/// Builds the plugin in `crate_dir`, a Rust library package, in this repository or outside.
/// The same source and compiler give the same bytes, wherever they stand.
///
/// Takes seconds; about a minute more when the compiler's standard library has to be built
/// first, and the download of 140 MB where the compiler has to be fetched.
///
/// # Errors
/// Where the toolchain is missing, the source does not compile, or the component would be
/// refused by the server.
pub fn build_rust(crate_dir: &Path, options: &Options) -> Result<Built, BuildError> {
    let started_at = Instant::now();
    let package = cargo::Package::read(crate_dir)?;
    let toolchain = toolchain::find(crate_dir, options)?;
    (options.progress)(&format!(
        "building {} with {}",
        package.name,
        toolchain.description()
    ));
    let module = cargo::compile(&package, &toolchain, options)?;
    let component = Component::from_module(&module)?;

    let path = write(&options.out_dir, &package.name, component.bytes())?;
    let built = Built {
        name: package.name,
        path,
        size_bytes: component.bytes().len() as u64,
        exports: component.exports().to_vec(),
        imports: component.imports().to_vec(),
    };
    (options.progress)(&format!(
        "{built}, in {:.1} s",
        started_at.elapsed().as_secs_f64()
    ));
    Ok(built)
}

/// By rename, so that a running gateway never sees half a component; and not at all where
/// nothing changed, so that nobody rebuilds or reloads for it.
fn write(dir: &Path, name: &str, component: &[u8]) -> Result<PathBuf, BuildError> {
    std::fs::create_dir_all(dir).map_err(BuildError::io("create", dir))?;
    let path = dir.join(format!("{name}.wasm"));
    if std::fs::read(&path).is_ok_and(|bytes| bytes == component) {
        return Ok(path);
    }
    let unfinished = dir.join(format!(".{name}.wasm.part"));
    std::fs::write(&unfinished, component).map_err(BuildError::io("write", &unfinished))?;
    std::fs::rename(&unfinished, &path).map_err(BuildError::io("write", &path))?;
    Ok(path)
}

impl std::fmt::Display for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let imports = match self.imports.as_slice() {
            [] => "nothing".to_owned(),
            imports => imports.join(", "),
        };
        write!(
            f,
            "{}: {} KB, exports {}, imports {imports}",
            self.path.display(),
            self.size_bytes.div_ceil(1024),
            self.exports.join(", "),
        )
    }
}
