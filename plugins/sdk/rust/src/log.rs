//! Lines for the record of a call; its owner reads them beside the attempt.
//!
//! At most 32 lines of 1 KiB, and 8 KiB in all, are kept for each call. Data and secrets
//! do not belong here.

use crate::{bindings::host::hookgate::plugin::types::Level, host};

/// For the author of the plugin.
pub fn debug(text: impl AsRef<str>) {
    host::log(Level::Debug, text.as_ref());
}

/// Tells the story.
pub fn info(text: impl AsRef<str>) {
    host::log(Level::Info, text.as_ref());
}

/// Something was odd, and the plugin coped.
pub fn warn(text: impl AsRef<str>) {
    host::log(Level::Warn, text.as_ref());
}

/// Somebody should look at it.
pub fn error(text: impl AsRef<str>) {
    host::log(Level::Error, text.as_ref());
}
