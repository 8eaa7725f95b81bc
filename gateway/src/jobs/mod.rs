//! Runs jobs: takes one up when there is room, keeps its lease, and writes down how it ended.
//!
//! A job lives in the database and not in a node. Whoever leases it runs it step by step; a node
//! that dies or stops leaves it where its last step was, and another goes on there ([`again`],
//! [`erase`], [`backtest`]). A backtest has one slot and one thread of its own, because it works the
//! processors ([`apart`]); the others mostly wait for their rate.
//!
//! Does not decide who may ask for a job, nor what it is to do: both were settled when it was made.

mod again;
mod apart;
mod aside;
mod backtest;
mod erase;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::domain::ids::NodeId;
use crate::domain::job::JobSpec;
use crate::log::LogError;
use crate::plugin::Plugins;
use crate::plugin::claim::ClaimSigner;
use crate::store::job_lease::{JobEnd, JobLease, LeasedJob};
use crate::store::{Store, StoreError};

pub use aside::{AsideReport, SendAside};

/// Longest time that a job which another node left stays unseen.
const POLL: Duration = Duration::from_secs(5);
/// How often jobs that ended long ago are swept away.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// A node that cannot renew for this long no longer holds the lease.
const RENEW_WITHIN: Duration = Duration::from_secs(5);
const WAIT_AFTER_ERROR: Duration = Duration::from_secs(1);
/// A job that brought down so many nodes is not tried again.
const MAX_TIMES_TAKEN: i32 = 10;
const BACKTESTS: usize = 1;
const OTHERS: usize = 16;

/// What jobs work with.
#[derive(Clone)]
pub struct JobParts {
    pub store: Store,
    pub plugins: Plugins,
    pub claims: ClaimSigner,
    pub node: NodeId,
    /// Sends a delivery to another URL, on the side.
    pub aside: SendAside,
}

impl std::fmt::Debug for JobParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobParts").finish_non_exhaustive()
    }
}

/// Why a job is not at its end.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    /// Cancelled, or another node has it.
    #[error("the lease is lost")]
    Lost,
    /// This node stops; another goes on.
    #[error("the node stops")]
    Leaving,
    /// It cannot be done.
    #[error("{0}")]
    Failed(String),
    /// Another try may do.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the backtest could not be run on its thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// The jobs of one node.
#[derive(Clone)]
pub struct Jobs {
    parts: JobParts,
    backtests: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

impl Jobs {
    #[must_use]
    pub fn new(parts: JobParts) -> Self {
        Self {
            parts,
            backtests: Arc::new(Semaphore::new(BACKTESTS)),
            others: Arc::new(Semaphore::new(OTHERS)),
        }
    }

    /// Runs what is there until `stop`, then lets go of it.
    pub async fn run(self, stop: CancellationToken) {
        let changed = self.parts.store.jobs_changed();
        let mut running = JoinSet::new();
        let mut sweep_at = Instant::now();
        while !stop.is_cancelled() {
            if let Err(error) = self.fill(&mut running, &stop).await {
                warn!(%error, "jobs could not be looked for");
            }
            if sweep_at <= Instant::now() {
                sweep_at = Instant::now() + SWEEP_EVERY;
                if let Err(error) = self.parts.store.sweep_jobs().await {
                    warn!(%error, "old jobs could not be swept away");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = changed.notified() => {}
                Some(_) = running.join_next() => {}
                () = sleep(POLL) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    async fn fill(
        &self,
        running: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let classes: [(&Arc<Semaphore>, &[&str]); 2] = [
            (&self.backtests, &["backtest"]),
            (&self.others, &["replay", "retry", "release", "erasure"]),
        ];
        for (slots, kinds) in classes {
            while let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
                let leased = self.parts.store.lease_job(self.parts.node, kinds).await?;
                let Some(job) = leased else { break };
                running.spawn(self.clone().one(job, slot, stop.clone()));
            }
        }
        Ok(())
    }

    async fn one(self, job: LeasedJob, slot: OwnedSemaphorePermit, stop: CancellationToken) {
        let (lease, kind) = (job.lease, job.spec.kind());
        info!(job.id = %lease.id, job.kind = kind, job.times_taken = lease.times_taken(), "job taken up");
        let ended = if lease.times_taken() > MAX_TIMES_TAKEN {
            let reason =
                format!("it was taken up {MAX_TIMES_TAKEN} times and never came to an end");
            Err(Stopped::Failed(reason))
        } else {
            tokio::select! {
                biased;
                () = stop.cancelled() => Err(Stopped::Leaving),
                ended = self.work(job) => ended,
                () = self.hold(lease) => Err(Stopped::Lost),
            }
        };
        let told = match ended {
            Ok(result) => self.finish(lease, JobEnd::Done { result }).await,
            Err(Stopped::Failed(reason)) => self.finish(lease, JobEnd::Failed { reason }).await,
            Err(Stopped::Lost) => Ok("lost"),
            Err(Stopped::Leaving) => self.leave(lease).await,
            Err(error) => {
                warn!(job.id = %lease.id, %error, "job left to be taken up again");
                sleep(WAIT_AFTER_ERROR).await;
                self.leave(lease).await
            }
        };
        match told {
            Ok(end) => info!(job.id = %lease.id, job.kind = kind, job.end = end, "job put down"),
            // The lease runs out, and the job is taken up again at its last step.
            Err(error) => warn!(job.id = %lease.id, %error, "job's end could not be written"),
        }
        drop(slot);
    }

    async fn finish(&self, lease: JobLease, end: JobEnd) -> Result<&'static str, StoreError> {
        let is_done = matches!(end, JobEnd::Done { .. });
        let held = self.parts.store.finish_job(lease, &end).await?;
        Ok(match (held, is_done) {
            (false, _) => "lost",
            (true, true) => "done",
            (true, false) => "failed",
        })
    }

    async fn leave(&self, lease: JobLease) -> Result<&'static str, StoreError> {
        self.parts.store.release_job(lease).await?;
        Ok("released")
    }

    /// Renews the lease for as long as it is ours; ends when it is not.
    async fn hold(&self, lease: JobLease) {
        loop {
            sleep(RENEW_EVERY).await;
            match timeout(RENEW_WITHIN, self.parts.store.renew_job(lease)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return,
                // A step proves the lease anyway; so a database that is away ends nothing by itself.
                Ok(Err(error)) => warn!(job.id = %lease.id, %error, "lease not renewed"),
                Err(_) => warn!(job.id = %lease.id, "lease not renewed in time"),
            }
        }
    }

    async fn work(&self, job: LeasedJob) -> Result<Value, Stopped> {
        match job.spec.clone() {
            JobSpec::Backtest(spec) => {
                let jobs = self.clone();
                let work = async move { jobs.backtest(&job, &spec).await };
                apart::apart("backtest", work).await?
            }
            JobSpec::Replay(spec) => self.replay(&job, &spec).await,
            JobSpec::Retry(spec) => self.retry(&job, &spec).await,
            JobSpec::Release(spec) => self.release(&job, &spec).await,
            JobSpec::Erasure(spec) => self.erase(&job, &spec).await,
        }
    }
}
