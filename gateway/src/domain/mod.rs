//! The cast: every noun of Hookgate as a type, and the rules that need no IO.
//!
//! A value that exists is valid; its constructor is the only place that checks. Nothing here
//! reads a clock, a socket, a file or a database, so every rule can be tested as a table.

pub mod access;
pub mod attempt;
pub mod audit;
pub mod certificates;
pub mod clock;
pub mod duration;
pub mod event;
pub mod filter;
pub mod headers;
pub mod health;
pub mod ids;
pub mod job;
pub mod key;
pub mod labels;
pub mod notice;
pub mod parcel;
pub mod pattern;
pub mod plugin;
pub mod prepared;
pub mod pull_cursor;
pub mod queueing;
pub mod quota;
pub mod random;
pub mod retry;
pub mod secret;
pub mod source;
pub mod subscription;
pub mod target_url;
pub mod tenant;
pub mod trace;
pub mod verification;
