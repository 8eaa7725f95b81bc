//! Why a build failed, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::UnfitComponent;

/// A plugin that could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder holds no package.
    #[error("{} is no Rust package: {reason}", dir.display())]
    NoPackage {
        /// The folder that was named.
        dir: PathBuf,
        /// Cargo's or the reader's own words.
        reason: String,
    },
    /// Neither the target nor a way to get it.
    #[error("no compiler for {target} here. Type: rustup target add {target}", target = crate::toolchain::TARGET)]
    NoToolchain,
    /// Debian's compiler could not be fetched.
    #[error(
        "no compiler for {target} here, and Debian's could not be unpacked: {reason}. \
         Type: rustup target add {target}", target = crate::toolchain::TARGET
    )]
    Fetch {
        /// What went wrong, in the failing program's words.
        reason: String,
    },
    /// The compiler has spoken already.
    #[error("{package} does not compile: see the compiler's messages above")]
    Compile {
        /// Its name.
        package: String,
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
