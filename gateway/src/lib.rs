//! Hookgate, a hook gateway that anybody can extend with WebAssembly plugins.
#![doc = include_str!("../ARCHITECTURE.md")]

pub mod app;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod domain;
pub mod embedded;
pub mod http;
pub mod ingest;
pub mod jobs;
pub mod lifecycle;
pub mod log;
pub mod plugin;
pub mod store;
pub mod telemetry;
pub mod ui;
