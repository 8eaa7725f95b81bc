//! Behaviour tests: one module a behaviour, all of them against the real binary from outside.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall say where"
)]

mod backtest;
mod backup;
mod bad_input;
mod balanced;
mod buckets;
mod chaos;
mod cloudevents;
mod conformance;
mod crash;
mod dashboard;
mod dashboard_browser;
mod drain;
mod embedded;
mod erasure;
mod events;
mod filters;
mod formats;
mod frozen_node;
mod github_payloads;
mod harness;
mod idempotency_days;
mod job_commands;
mod labels;
mod lane_log;
mod lifetimes;
mod listener;
mod log_node;
mod metrics;
mod ndjson;
mod notices;
mod openapi;
mod ordering;
mod outbox;
mod outgoing;
mod pace;
mod plugin_bad_days;
mod plugin_folder;
mod plugin_golden;
mod plugin_guide;
mod plugin_kit;
mod plugin_runs;
mod plugin_versions;
mod plugins;
mod preflight;
mod protocol;
mod quotas;
mod replay;
mod retention;
mod retries;
mod shipped_plugins;
mod smoke;
mod sources;
mod statements;
mod structure;
mod subscriptions;
mod two_nodes;
mod verification;
mod verify;
mod windows;
