//! All SQL that is not the log's: configuration, plugins, keys, reading events and deliveries.
pub mod preflight;
