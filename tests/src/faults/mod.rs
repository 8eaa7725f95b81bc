//! Rigs for bad days that take too long for a test: power cuts, and hours of kills and reloads.
//!
//! Each says what it saw as a figure for the page of promises, and fails where a bound is broken.

pub mod power;
pub mod soak;
