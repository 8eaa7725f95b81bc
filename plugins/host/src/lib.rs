//! Runs plugins: WebAssembly components that filter, transform, fold and receive events.
//!
//! A plugin is code of a stranger. It is checked before it is compiled, compiled in
//! a process that may be killed, run on threads that wait for nothing else, and
//! held to one struct of [`Limits`]. It gets an event and a config, and nothing
//! that would make its answer depend on anything else: no clock, no randomness,
//! no files, no network.
//!
//! This crate knows no subscription, no store and no HTTP. It keeps no plugin
//! either: whoever holds a [`LoadedPlugin`] keeps its code in memory.

mod bindings;
mod cache;
mod calls;
mod check;
mod child;
mod compile;
mod contract;
mod deadline;
mod digest;
mod engine;
mod event;
mod failure;
mod fair;
mod host;
mod instance;
mod limits;
mod load;
mod log_book;
mod mark;
mod meter;
mod os;
mod precheck;
mod prepare;
mod report;
mod session;
mod shape;
mod signature;
mod stats;
mod text;
mod threads;
mod ticker;
mod trial;
mod worker;

pub use check::{Check, CheckReport, Refusal, Refused};
pub use compile::CompileWorker;
pub use contract::{CONTRACT_VERSION, Export};
pub use digest::{Digest, InvalidDigest};
pub use engine::PoolSize;
pub use event::{BatchJob, DataUrls, FoldJob, GuestEvent, GuestRequest, ReceiveJob, no_data_urls};
pub use host::{HostConfig, HostError, Inspected, PluginHost, Prepared};
pub use limits::Limits;
pub use load::{LoadedPlugin, Resources};
pub use report::{
    BatchReport, CallFailure, CallReport, Draft, LogLevel, LogLine, Message, Reception, Response,
    Start, Verdict,
};
pub use stats::Stats;
pub use threads::background_thread;
pub use trial::{Answer, Question, Trial, TrialCall, TrialRun};
pub use worker::compile_worker_main;
