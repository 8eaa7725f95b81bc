//! Why a build failed, and what to do about it.
//!
//! One line each, with the cure in it. What the compiler says about the author's own source is
//! the exception: it has been shown by then. A tool's other output is never passed on.

use std::io;
use std::path::{Path, PathBuf};

use crate::{ProjectError, UnfitComponent};

/// A plugin that could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder holds no plugin.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A tool is neither here nor can the kit fetch it.
    #[error("{tool} is missing. Type: {cure}")]
    MissingTool {
        /// What for, in the words of the language.
        tool: String,
        /// A line to type.
        cure: String,
    },
    /// A tool could not be fetched.
    #[error("{tool} is missing and could not be fetched: {reason}. Type: {cure}")]
    Fetch {
        /// What was to be had.
        tool: String,
        /// What went wrong, in the failing program's words.
        reason: String,
        /// A line to type, which does the same by hand.
        cure: String,
    },
    /// The project's own dependencies could not be had.
    #[error("the packages that {name} needs could not be had: {reason}. {cure}")]
    Packages {
        /// The plugin.
        name: String,
        /// What went wrong, in the package manager's words.
        reason: String,
        /// What to do.
        cure: String,
    },
    /// The toolchain would not start on it.
    #[error("{name} could not be built: {reason}")]
    Toolchain {
        /// The plugin.
        name: String,
        /// The toolchain's own words, in a line.
        reason: String,
    },
    /// The compiler has spoken already.
    #[error("{name} does not compile: see the compiler's messages above")]
    Compile {
        /// The plugin.
        name: String,
    },
    /// The manifest and the source contradict each other.
    #[error(
        "plugin.toml says that it exports {declared}, and the source exports {found}: make them the same"
    )]
    Exports {
        /// By `plugin.toml`.
        declared: String,
        /// By the component.
        found: String,
    },
    /// The component is not what the server takes.
    #[error(transparent)]
    Unfit(#[from] UnfitComponent),
    /// A program could not be run.
    #[error("could not run {program}: {source}")]
    Run {
        /// Its name.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A file or folder would not do.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BuildError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn run(program: &str) -> impl FnOnce(io::Error) -> Self {
        let program = program.to_owned();
        move |source| Self::Run { program, source }
    }
}
