//! Whether this machine can build plugins of a language. Looks, and neither builds nor fetches.

use std::path::Path;

use crate::debian::{self, Packages};
use crate::rust::toolchain;
use crate::tools::{self, JAVASCRIPT, on_path};
use crate::{BuildError, Language, Options, c, pip};

/// What a build in one language would find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Everything is here; what, in a few words.
    Ready(String),
    /// The first build fetches the rest, once.
    Fetches(String),
    /// A person has to do something.
    Missing {
        /// What is not here.
        what: String,
        /// A line to type.
        cure: String,
    },
}

/// Looks at `PATH` and at the kit's cache.
#[must_use]
pub fn readiness(language: Language, options: &Options) -> Readiness {
    match language {
        Language::Rust => of_rust(options),
        Language::Js | Language::Ts => of_javascript(options),
        Language::C => of_c(options),
        Language::Python => of_python(options),
        Language::Go => of_go(options),
    }
}

fn of_rust(options: &Options) -> Readiness {
    for program in ["rustc", "cargo"] {
        if on_path(program).is_none() {
            return missing(format!("no {program}"), "see https://rustup.rs");
        }
    }
    let sysroot = toolchain::rustc(Path::new("."), &["--print", "sysroot"]);
    if sysroot.is_ok_and(|root| toolchain::has_target(Path::new(&root))) {
        return Readiness::Ready(format!("rustc with {}", toolchain::TARGET));
    }
    of_debian(&toolchain::DEBIAN, options)
}

fn of_javascript(options: &Options) -> Readiness {
    const CURE: &str = "apt-get install nodejs npm, or install Node.js 18 or newer from nodejs.org";
    if on_path("node").is_none() {
        return missing("no Node.js", CURE);
    }
    if options
        .cache_dir
        .join(tools::npm_folder(&JAVASCRIPT))
        .is_dir()
    {
        return Readiness::Ready("Node.js, and the compiler in the cache".to_owned());
    }
    match on_path("npm") {
        Some(_) => fetches(JAVASCRIPT.tool, JAVASCRIPT.megabytes, "npm"),
        None => missing("no npm, which fetches the compiler", CURE),
    }
}

fn of_c(options: &Options) -> Readiness {
    if c::is_installed() {
        return Readiness::Ready("clang and lld".to_owned());
    }
    of_debian(&c::DEBIAN, options)
}

fn of_python(options: &Options) -> Readiness {
    match pip::python() {
        Ok(_) if options.cache_dir.join(pip::folder(&pip::PYTHON)).is_dir() => {
            Readiness::Ready("Python, and the compiler in the cache".to_owned())
        }
        Ok(_) => of_pip(&pip::PYTHON),
        Err(error) => of_error(error),
    }
}

fn of_go(options: &Options) -> Readiness {
    if let Some((go, version)) = crate::go::installed() {
        return Readiness::Ready(format!("{version}, {}", go.display()));
    }
    if options.cache_dir.join(pip::folder(&pip::GO)).is_dir() {
        return Readiness::Ready("Go, in the cache".to_owned());
    }
    match pip::python() {
        Ok(_) => of_pip(&pip::GO),
        Err(_) => missing("no Go", "install Go 1.24 or newer from go.dev"),
    }
}

fn of_pip(pinned: &tools::Pinned) -> Readiness {
    match pip::pip() {
        Ok(_) => fetches(pinned.tool, pinned.megabytes, "pip"),
        Err(error) => of_error(error),
    }
}

fn of_debian(packages: &Packages, options: &Options) -> Readiness {
    if let Some(root) = debian::newest(packages, &options.cache_dir) {
        let name = root
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        return Readiness::Ready(format!("{name}, in the cache"));
    }
    if debian::is_here() {
        return fetches(packages.tool, packages.megabytes.0, "apt");
    }
    missing(format!("{} is missing", packages.tool), packages.cure)
}

fn fetches(tool: &str, megabytes: u32, with: &str) -> Readiness {
    Readiness::Fetches(format!(
        "the first build fetches {tool} with {with}: {megabytes} MB, once"
    ))
}

fn missing(what: impl Into<String>, cure: &str) -> Readiness {
    Readiness::Missing {
        what: what.into(),
        cure: cure.to_owned(),
    }
}

fn of_error(error: BuildError) -> Readiness {
    match error {
        BuildError::MissingTool { tool, cure } => Readiness::Missing {
            what: format!("{} is missing", tool.trim_end_matches(',')),
            cure,
        },
        other => missing(other.to_string(), "mend that, then run this again"),
    }
}
