//! Chaos: gateways and their Postgres are killed, frozen and stopped by a plan that a seed makes,
//! while publishers go on sending; then the books are balanced.
//!
//! The parts know each other only by the [`History`]: [`plan`] says what happens when, [`run`] does
//! it and writes down what was seen from outside, [`check`] reads that and nothing else. What the
//! checker can find is shown by [`planted`] bugs, each of which it must catch.

pub mod check;
pub mod history;
pub mod plan;
pub mod planted;
mod run;

pub use check::{Verdict, check};
pub use history::History;
pub use plan::Plan;
pub use run::{Setting, run};
