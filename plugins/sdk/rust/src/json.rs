//! Reading JSON without losing any of it.
//!
//! A parsed number may lose digits, and a parsed object its order. What is here hands out
//! pieces of the original text instead, so that what a plugin passes on is byte for byte
//! what came in.

mod pointer;

use std::fmt;

use serde::Deserialize;
pub use serde_json::value::RawValue;

pub use pointer::{InvalidPointer, Pointer, Token};

/// The config of a plugin that has none: only `{}` is accepted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Reads `text`, and tells where it went wrong as a path: `keep[1]: expected a string`.
///
/// # Errors
/// Where the text is not JSON, or not what `T` expects.
pub fn from_str<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| Error {
        path: error.path().to_string(),
        cause: error.into_inner(),
    })?;
    reader.end().map_err(|cause| Error {
        path: ".".into(),
        cause,
    })?;
    Ok(value)
}

/// JSON that could not be read: where in the document, and why.
#[derive(Debug)]
pub struct Error {
    path: String,
    cause: serde_json::Error,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "." => self.cause.fmt(f),
            path => write!(f, "{path}: {}", self.cause),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
