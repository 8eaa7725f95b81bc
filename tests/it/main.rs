//! Behaviour tests: one module a behaviour, all of them against the real binary from outside.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall say where"
)]

mod crash;
mod github_payloads;
mod harness;
mod load;
mod retries;
mod smoke;
mod structure;
mod two_nodes;
