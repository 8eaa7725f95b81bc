//! The calls to Hookgate, or their stand-ins where a plugin runs natively in a test.

use crate::bindings::host::hookgate::plugin::types::Level;

#[cfg(target_arch = "wasm32")]
use crate::bindings::host::hookgate::plugin::host as calls;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing as calls;

/// A signed address that answers with the whole event until it expires: the claim
/// check to put into a small message. It differs from call to call.
#[must_use]
pub fn data_url() -> String {
    calls::data_url()
}

pub(crate) fn config() -> String {
    calls::config()
}

pub(crate) fn log(level: Level, text: &str) {
    calls::log(level, text);
}
