//! Sets up tracing: what is logged, and as text for people or JSON for machines.
//!
//! Logs go to standard error, so that a command's own output stays clean.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

/// Section `[log]`.
#[derive(Clone, Debug)]
pub struct LogConfig {
    pub filter: Filter,
    pub format: Format,
}

/// What is logged, as in `info` or `hookgate=debug,sqlx=warn`.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// # Errors
    /// Where a directive cannot be read.
    pub fn parse(text: &str) -> Result<Self, InvalidFilter> {
        match EnvFilter::try_new(text) {
            Ok(_filter) => Ok(Self(text.to_owned())),
            Err(error) => Err(InvalidFilter(error.to_string())),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({:?})", self.0)
    }
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}; it should be like info or hookgate=debug,sqlx=warn")]
pub struct InvalidFilter(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("must be text or json")]
pub struct UnknownFormat;

/// Starts logging for the whole process.
///
/// # Errors
/// Where it was started before.
pub fn start(config: &LogConfig) -> Result<(), TryInitError> {
    use tracing_subscriber::util::SubscriberInitExt as _;

    let filter =
        EnvFilter::try_new(&config.filter.0).expect("the filter was parsed when it was made");
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match config.format {
        Format::Text => lines
            .with_ansi(io::stderr().is_terminal())
            .finish()
            .try_init(),
        Format::Json => lines.json().flatten_event(true).finish().try_init(),
    }
}
