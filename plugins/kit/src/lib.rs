//! Turns a plugin's source into a component that Hookgate takes.
//!
//! One command for every language: the tools that are here where they will do; else the
//! language's own packages, fetched once into a cache; else an error that says what to type. It
//! never installs anything into the system, and it never accepts a component that the server
//! would refuse for its imports or exports.

mod c;
mod component;
mod contract;
mod debian;
mod error;
mod go;
mod javascript;
mod pip;
mod project;
mod python;
mod readiness;
mod rust;
pub mod template;
mod tools;

use std::env;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub use component::{Component, UnfitComponent};
pub use error::BuildError;
pub use project::{Export, Language, MANIFEST, Project, ProjectError, check_name};
pub use readiness::{Readiness, readiness};

/// Where a build keeps its things, and whom it tells.
#[derive(Debug, Clone)]
pub struct Options {
    /// Gets `NAME.wasm`.
    pub out_dir: PathBuf,
    /// For what a later build can use again; cargo's folder for guests. Never the one of host
    /// builds: compiler and flags differ.
    pub target_dir: PathBuf,
    /// Keeps fetched compilers for every later build: Rust's takes 500 MB, others less.
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
    /// The plugin's name, by its manifest.
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

/// Builds the plugin in `dir`, in this repository or outside.
///
/// Takes seconds; more at first, when a compiler has to be fetched or Rust's standard library
/// built. The same Rust or C source and compiler give the same bytes, wherever they stand.
///
/// # Errors
/// Where the folder holds no plugin, a tool is missing, the source does not compile, or the
/// component would be refused by the server.
pub fn build(dir: &Path, options: &Options) -> Result<Built, BuildError> {
    let started_at = Instant::now();
    let project = Project::read(dir)?;
    let compile = match project.language {
        Language::Rust => rust::compile,
        Language::Js | Language::Ts => javascript::compile,
        Language::Python => python::compile,
        Language::Go => go::compile,
        Language::C => c::compile,
    };
    let component = Component::from_bytes(compile(&project, options)?)?;
    check_exports(&project, &component)?;

    let path = write(&options.out_dir, &project.name, component.bytes())?;
    let built = Built {
        name: project.name,
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

fn check_exports(project: &Project, component: &Component) -> Result<(), BuildError> {
    let found = component.exported();
    if project.exports.is_empty() || project.exports == found {
        return Ok(());
    }
    let names = |exports: &[Export]| {
        let names: Vec<&str> = exports.iter().map(|export| export.name()).collect();
        names.join(", ")
    };
    Err(BuildError::Exports {
        declared: names(&project.exports),
        found: names(&found),
    })
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
