//! Behaviour tests: one module a behaviour, all of them against the real binary from outside.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall say where"
)]

mod harness;
mod structure;
