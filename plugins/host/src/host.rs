//! The host as the gateway sees it: prepare a component, run batches, try things out.

use crate::cache::ArtefactCache;
use crate::check::{CheckReport, Refused};
use crate::compile::{CompileWorker, Compiler};
use crate::contract::Export;
use crate::digest::Digest;
use crate::engine::{Metering, PoolSize, base_config, running_engine};
use crate::event::{BatchJob, FoldJob, GuestEvent, ReceiveJob};
use crate::limits::Limits;
use crate::load::LoadedPlugin;
use crate::report::{BatchReport, CallFailure, CallReport, Reception};
use crate::session;
use crate::stats::{Counters, Stats, increment};
use crate::threads::GuestThreads;
use crate::ticker::Ticker;
use bytes::Bytes;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use wasmtime::Engine;

/// What a host is made of.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Folder for machine code, this host's alone. Made where it is missing.
    pub cache_dir: PathBuf,
    pub compile_worker: CompileWorker,
    /// Threads for guests; at least one is started.
    pub threads: usize,
    /// For uploads; each batch brings its own.
    pub limits: Limits,
    pub pool: PoolSize,
}

/// A host that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("the plugin engine could not be made: {0}")]
    Engine(String),
    #[error("the plugin cache at {folder} can't be used: {error}")]
    Cache {
        folder: PathBuf,
        error: std::io::Error,
    },
    #[error("the plugin threads could not be started: {0}")]
    Threads(std::io::Error),
}

/// A component that may run.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub plugin: Arc<LoadedPlugin>,
    pub report: CheckReport,
    /// Zero where the machine code was cached.
    pub compile_time: Duration,
    pub size_bytes: usize,
}

/// What a look at a component tells, before it is compiled.
#[derive(Debug, Clone)]
pub struct Inspected {
    pub digest: Digest,
    /// What the contract lets the host ask of it.
    pub exports: Vec<Export>,
    /// Names of its imports, escaped.
    pub imports: Vec<String>,
}

/// Runs plugins. Clones are the same host; it stops with the last one.
#[derive(Clone)]
pub struct PluginHost {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) limits: Arc<Limits>,
    pub(crate) delivery: Engine,
    pub(crate) is_pooling: bool,
    pub(crate) metered: Engine,
    pub(crate) cache: ArtefactCache,
    pub(crate) compiler: Compiler,
    pub(crate) threads: GuestThreads,
    pub(crate) counters: Arc<Counters>,
    pub(crate) is_stopped: AtomicBool,
    _ticker: Ticker,
}

impl PluginHost {
    /// Makes engines, cache and threads. Takes some milliseconds.
    ///
    /// # Errors
    /// The folder can't be used, or the system refuses threads.
    pub fn start(config: HostConfig) -> Result<Self, HostError> {
        let engine_error = |error: wasmtime::Error| HostError::Engine(format!("{error:#}"));
        let (delivery, is_pooling) =
            running_engine(config.pool, &config.limits).map_err(engine_error)?;
        let metered = Engine::new(&base_config(Metering::TimeAndFuel)).map_err(engine_error)?;
        let folder = config.cache_dir;
        let cache = ArtefactCache::open(folder.clone())
            .map_err(|error| HostError::Cache { folder, error })?;
        let counters = Arc::new(Counters::default());
        let ticker = Ticker::start(&[delivery.clone(), metered.clone()], Arc::clone(&counters));
        let compiler = Compiler::start(config.compile_worker, config.limits.clone());
        let inner = Inner {
            limits: Arc::new(config.limits),
            delivery,
            is_pooling,
            metered,
            cache,
            compiler: compiler.map_err(HostError::Threads)?,
            threads: GuestThreads::start(config.threads).map_err(HostError::Threads)?,
            counters,
            is_stopped: AtomicBool::new(false),
            _ticker: ticker.map_err(HostError::Threads)?,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Checks, compiles and loads `component`, and makes an instance of it to see
    /// that it starts. Takes as long as a compile does; milliseconds from the cache.
    ///
    /// # Errors
    /// The first check that failed, with the report of all before it.
    pub async fn prepare(&self, component: Bytes) -> Result<Prepared, Refused> {
        self.prepare_for(component, Metering::Time).await
    }

    /// Runs a batch: one report for each event, in order. Waits for its tenant's
    /// turn. Dropping the future ends the batch after the event that runs.
    pub async fn run_batch(&self, job: BatchJob) -> BatchReport {
        let (tenant, length) = (Arc::clone(&job.tenant), job.events.len());
        let run = move |is_cancelled: &dyn Fn() -> bool| {
            let calls = session::run_batch(&job, is_cancelled);
            let ended_by_force = calls.iter().any(CallReport::was_ended_by_force);
            (calls, ended_by_force)
        };
        match self.run_counted(&tenant, run).await {
            Some((calls, queued)) => {
                self.inner.counters.add_calls(&calls);
                BatchReport { calls, queued }
            }
            None => BatchReport {
                calls: (0..length)
                    .map(|_| CallReport::failed(CallFailure::Overloaded))
                    .collect(),
                queued: Duration::ZERO,
            },
        }
    }

    /// Folds waiting events into one. Id, source, type, tenant and key of the result
    /// are those of the last event, whatever the plugin returned. Waits for its
    /// tenant's turn; a failure at any step is the whole's.
    pub async fn fold(&self, job: FoldJob) -> CallReport<GuestEvent> {
        let tenant = Arc::clone(&job.tenant);
        let run = move |is_cancelled: &dyn Fn() -> bool| session::run_fold(&job, is_cancelled);
        self.run_one(&tenant, run).await
    }

    /// Shows one request to a receiver. Waits for its tenant's turn.
    pub async fn receive(&self, job: ReceiveJob) -> CallReport<Reception> {
        let tenant = Arc::clone(&job.tenant);
        let run = move |_: &dyn Fn() -> bool| session::run_receive(&job);
        self.run_one(&tenant, run).await
    }

    async fn run_one<T: Send + 'static>(
        &self,
        tenant: &Arc<str>,
        run: impl FnOnce(&dyn Fn() -> bool) -> CallReport<T> + Send + 'static,
    ) -> CallReport<T> {
        let run = move |is_cancelled: &dyn Fn() -> bool| {
            let report = run(is_cancelled);
            let ended_by_force = report.was_ended_by_force();
            (report, ended_by_force)
        };
        match self.run_counted(tenant, run).await {
            Some((report, _)) => {
                self.inner.counters.add_calls([&report]);
                report
            }
            None => CallReport::failed(CallFailure::Overloaded),
        }
    }

    /// None where there was no room.
    async fn run_counted<T: Send + 'static>(
        &self,
        tenant: &Arc<str>,
        run: impl FnOnce(&dyn Fn() -> bool) -> (T, bool) + Send + 'static,
    ) -> Option<(T, Duration)> {
        increment(&self.inner.counters.batches);
        let outcome = self.inner.threads.run(tenant, run).await;
        if outcome.is_err() {
            increment(&self.inner.counters.overloads);
        }
        outcome.ok()
    }

    pub fn stats(&self) -> Stats {
        self.inner
            .counters
            .snapshot(self.inner.is_pooling, self.inner.threads.load())
    }

    /// Limits that uploads and dry runs are held to.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.inner.limits
    }

    /// Takes nothing more. Batches that run end in their time; those that wait are
    /// answered as overloaded. Does not block.
    pub fn shutdown(&self) {
        self.inner.stop();
    }

    /// Waits until the threads of a host that was shut down have ended: the rest of
    /// the batches and compiles that run. Blocks, so not for a task.
    pub fn join(&self) {
        self.inner.threads.join();
        self.inner.compiler.join();
    }

    /// Runs `work` where it may block. None when the runtime is stopping.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Option<T> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner)).await.ok()
    }
}

impl Inner {
    pub(crate) fn engine(&self, metering: Metering) -> &Engine {
        match metering {
            Metering::Time => &self.delivery,
            Metering::TimeAndFuel => &self.metered,
        }
    }

    fn stop(&self) {
        if !self.is_stopped.swap(true, Relaxed) {
            self.compiler.stop();
            self.threads.stop();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
        // The last clone may be dropped by a job on one of these very threads, so
        // they are left to end by themselves.
    }
}

impl fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginHost")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
