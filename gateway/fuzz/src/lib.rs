//! What must hold of everything that strangers send, for any bytes at all: no panic, and nothing that
//! is taken breaks the rules that it was taken by.
//!
//! Each function is the body of a fuzz target of the same name. The behaviour tests run the same bodies
//! on bytes that a property test makes up, so that they stay right without a fuzzer.

mod guests;
mod text;

pub use guests::{Guests, guests};
pub use text::{cloud_events, cursor, event_json, filters, headers, url_guard};
