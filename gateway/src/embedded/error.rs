//! Why there is no embedded Postgres, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::binaries::{MIN_MAJOR, install_line};

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("{}", no_postgres(.wanted.as_ref(), .named.as_deref(), .found))]
    NoPostgres {
        wanted: Option<u32>,
        named: Option<PathBuf>,
        found: Vec<String>,
    },
    #[error(
        "Postgres refuses to run as root, user namespaces are forbidden here, and there is no account \
         `postgres` or `nobody` to drop to; run hookgate as an ordinary user, or set \
         DATABASE_URL=postgres://user:password@host/database"
    )]
    Root,
    #[error("{} could not be used: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{} belongs to somebody else or is open to others; remove it, or choose a shorter data folder", path.display())]
    ForeignFolder { path: PathBuf },
    #[error("{program} failed: {message}")]
    Setup {
        program: &'static str,
        message: String,
    },
    #[error("the supervisor {} could not be started: {source}", program.display())]
    Supervisor { program: PathBuf, source: io::Error },
    #[error("Postgres did not come up; the end of {}:\n{tail}", log.display())]
    NotUp { log: PathBuf, tail: String },
}

impl EmbeddedError {
    pub(super) fn folder(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Folder {
            path: path.clone(),
            source,
        }
    }
}

fn no_postgres(wanted: Option<&u32>, named: Option<&Path>, found: &[String]) -> String {
    let place = named.map_or_else(
        || "on this machine".to_owned(),
        |folder| format!("in {}", folder.display()),
    );
    let what = wanted.map_or_else(
        || format!("no Postgres {MIN_MAJOR} or newer {place}"),
        |major| {
            format!(
                "the data folder was made by Postgres {major}, and there is no such version {place}"
            )
        },
    );
    let found = if found.is_empty() {
        String::new()
    } else {
        format!(" (found {})", found.join(", "))
    };
    format!(
        "{what}{found}; either of these helps:\n  \
         install it:              {}\n  \
         name its folder:         HOOKGATE_PG_BIN=/path/to/postgresql/bin\n  \
         use a server you have:   DATABASE_URL=postgres://user:password@host/database",
        install_line()
    )
}
