//! What `hookgate-bench` measures: how many events and deliveries the gateway does, how late they
//! are and what they cost, beside the floor: the same client and sink without a gateway between.
//!
//! One run gives all numbers, so they belong together, and every event is numbered, so that a
//! fast gateway that loses one is not called fast. It tunes nothing and judges nothing but losses.

mod cost;
mod gateway;
mod http;
mod idle;
mod ledger;
mod load;
mod report;
mod run;
mod sink;
pub mod suite;

pub use cost::{forget_peak, open_files, peak_bytes, resident_bytes};
pub use ledger::Account;
pub use report::{Cost, Deliveries, Idle, Latency, Memory, Report};
pub use run::run;

/// Progress, for whoever waits; the result goes to standard output.
pub(crate) fn tell(what: &str) {
    eprintln!("bench: {what}");
}
