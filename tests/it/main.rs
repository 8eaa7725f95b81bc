//! Behaviour tests.
#![allow(clippy::unwrap_used, reason = "a test may fail at any line")]

mod embedded;
mod preflight;
