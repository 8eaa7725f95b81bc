//! The commands, one file each. They read arguments and print; what they do lives below.

pub mod audit;
pub mod client;
pub mod completions;
pub mod conformance;
pub mod db;
mod db_outbox;
pub mod deliveries;
pub mod demo;
pub mod doctor;
pub mod events;
pub mod init;
pub mod jobs;
pub mod keys;
pub mod listen;
mod local_receiver;
pub mod man;
mod output;
pub mod plugin;
mod query;
pub mod send;
mod send_lines;
pub mod serve;
pub mod sources;
pub mod subscriptions;
pub mod tail;
