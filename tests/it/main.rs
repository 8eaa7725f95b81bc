//! Behaviour tests.
mod embedded;
mod preflight;
