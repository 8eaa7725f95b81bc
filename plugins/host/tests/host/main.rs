//! The host from outside, with plugins that behave and plugins that do not.
#![expect(
    clippy::unwrap_used,
    reason = "a test that can't go on says so by panicking"
)]

mod bounds;
mod cache;
mod calls;
mod compiling;
mod conformance;
mod fairness;
mod folding;
mod hostile;
mod languages;
mod refusals;
mod residue;
mod support;
mod trials;
mod uploads;
