//! Reading JSON without losing any of it.
//!
//! A parsed number may lose digits, and a parsed object its order. What is here hands out
//! pieces of the original text instead, so that what a plugin passes on is byte for byte
//! what came in.

mod pointer;
mod view;

use std::fmt;

use serde::Deserialize;
pub use serde_json::value::RawValue;

pub use pointer::{InvalidPointer, Pointer, Token};
pub use view::View;

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

/// As [`from_str`], from bytes that should be UTF-8.
///
/// # Errors
/// As [`from_str`]; and where the bytes are not UTF-8.
pub fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(bytes).map_err(|error| Error {
        path: ".".into(),
        cause: serde::de::Error::custom(format_args!("not UTF-8: {error}")),
    })?;
    from_str(text)
}

/// Whether a content type says JSON: its subtype is `json` or ends in `+json`.
#[must_use]
pub fn is_media_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let Some((_, subtype)) = essence.split_once('/') else {
        return false;
    };
    let subtype = subtype.to_ascii_lowercase();
    subtype == "json" || subtype.ends_with("+json")
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
