//! The host as the gateway sees it: prepare a component, run batches, try things out.

use crate::batch;
use crate::cache::ArtefactCache;
use crate::check::{CheckReport, Refused};
use crate::compile::{CompileWorker, Compiler};
use crate::engine::{Metering, PoolSize, base_config, running_engine};
use crate::event::{BatchJob, DryRunJob};
use crate::instance::Surroundings;
use crate::limits::Limits;
use crate::load::LoadedPlugin;
use crate::prepare::no_room;
use crate::report::{CallFailure, CallReport};
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

/// One call of a component that is not kept.
#[derive(Debug, Clone)]
pub struct DryRun {
    pub report: CallReport,
    /// Instructions of the call: the same for the same component, event and config.
    pub fuel: u64,
    /// Instructions to make the instance.
    pub start_fuel: u64,
    pub checks: CheckReport,
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
    pub async fn run_batch(&self, job: BatchJob) -> Vec<CallReport> {
        let (tenant, length) = (Arc::clone(&job.tenant), job.events.len());
        let counters = &self.inner.counters;
        increment(&counters.batches);
        let run = move |is_cancelled: &dyn Fn() -> bool| {
            let reports = batch::run(&job, is_cancelled);
            let ended_by_force = batch::ended_by_force(&reports);
            (reports, ended_by_force)
        };
        match self.inner.threads.run(&tenant, run).await {
            Ok(reports) => {
                counters.add_calls(&reports);
                reports
            }
            Err(_) => {
                increment(&counters.overloads);
                (0..length)
                    .map(|_| CallReport::failed(CallFailure::Overloaded))
                    .collect()
            }
        }
    }

    /// Runs one event through a component and keeps neither, counting instructions.
    ///
    /// # Errors
    /// The first check that failed, with the report of all before it.
    pub async fn dry_run(&self, job: DryRunJob) -> Result<DryRun, Refused> {
        let prepared = self
            .prepare_for(job.component, Metering::TimeAndFuel)
            .await?;
        let mut checks = prepared.report;
        let surroundings = Surroundings {
            config: job.config,
            data_urls: job.data_urls,
            limits: Arc::clone(&self.inner.limits),
        };
        let (plugin, event) = (prepared.plugin, job.event);
        let run = move |_: &dyn Fn() -> bool| {
            let run = batch::run_metered(&plugin, &surroundings, &event);
            let ended_by_force = batch::ended_by_force(std::slice::from_ref(&run.report));
            (run, ended_by_force)
        };
        match self.inner.threads.run(&job.tenant, run).await {
            Ok(run) => Ok(DryRun {
                report: run.report,
                fuel: run.fuel,
                start_fuel: run.start_fuel,
                checks,
            }),
            Err(_) => Err(checks.refuse("run", no_room())),
        }
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
