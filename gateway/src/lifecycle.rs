//! How the process ends: softly on the first signal, hard on the second, and at once when a task
//! that should run for ever does not. Before the soft stop comes draining, for as long as a balancer
//! needs to see that this node is not ready any more.
//!
//! Every task is tracked, named and joined. Knows nothing of what the tasks do; their order of
//! stopping is `app`'s business.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, error, info, info_span, warn};

/// Time that tasks have to notice a hard stop.
const HARD_STOP_WITHIN: Duration = Duration::from_secs(5);

const INTERRUPT: &str = "SIGINT";
const TERMINATE: &str = "SIGTERM";

/// Told to every task; clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    fault: Arc<Mutex<Option<TaskFault>>>,
}

/// Why the process cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskFault {
    #[error("task {task} ended although nobody asked it to")]
    EndedEarly { task: &'static str },
    #[error("task {task} panicked")]
    Panicked { task: &'static str },
    #[error("tasks {} did not end in time", .tasks.join(", "))]
    Stuck { tasks: Vec<&'static str> },
}

impl Shutdown {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task that runs until the soft stop. If it ends before, or panics, the process ends.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let shutdown = self.clone();
        self.track(name, task, move |ended| match ended {
            Ended::Panicked => shutdown.fail(TaskFault::Panicked { task: name }),
            Ended::Returned if !shutdown.is_stopping() => {
                shutdown.fail(TaskFault::EndedEarly { task: name })
            }
            Ended::Returned => {}
        });
    }

    /// Starts a task with an end of its own, such as a connection. A panic in it is logged and
    /// concerns nobody else.
    pub fn spawn_brief<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.track(name, task, move |ended| {
            if ended == Ended::Panicked {
                error!(task.name = name, "task panicked");
            }
        });
    }

    /// Begins the soft stop: take nothing new, finish what is in flight.
    pub fn stop(&self) {
        self.draining.cancel();
        self.soft.cancel();
    }

    /// A token that is cancelled when the end has begun: everything works on, nothing is ready.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Begins the hard stop: drop what is in flight.
    pub fn stop_hard(&self) {
        self.draining.cancel();
        self.soft.cancel();
        self.hard.cancel();
    }

    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Ends when the soft stop begins.
    pub async fn stopping(&self) {
        self.soft.cancelled().await;
    }

    /// Ends when the hard stop begins.
    pub async fn stopping_hard(&self) {
        self.hard.cancelled().await;
    }

    /// A token for code that waits for the soft stop beside other things.
    #[must_use]
    pub fn soft(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// The same for the hard stop.
    #[must_use]
    pub fn hard(&self) -> CancellationToken {
        self.hard.clone()
    }

    /// SIGINT and SIGTERM: the first stops softly, the second hard. After a SIGTERM, which comes from
    /// a supervisor and not from a person, `drain_for` passes before the soft stop begins.
    ///
    /// # Errors
    /// Where the signals cannot be listened to.
    pub fn listen_for_signals(&self, drain_for: Duration) -> io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = self.clone();
        // Not tracked: it waits for a second signal for as long as the process lives.
        tokio::spawn(async move {
            let name = either(&mut interrupt, &mut terminate).await;
            info!(signal.name = name, "stopping; once more to stop at once");
            shutdown.draining.cancel();
            if name == TERMINATE && !drain_for.is_zero() {
                info!(drain_ms = drain_for.as_millis(), "draining");
                tokio::select! {
                    () = tokio::time::sleep(drain_for) => {}
                    _ = either(&mut interrupt, &mut terminate) => {}
                }
            }
            shutdown.stop();
            let name = either(&mut interrupt, &mut terminate).await;
            warn!(signal.name = name, "stopping at once");
            shutdown.stop_hard();
        });
        Ok(())
    }

    /// Waits for the soft stop, then for all tasks: `grace` to finish, a little more after the hard
    /// stop that follows.
    ///
    /// # Errors
    /// The fault that began the stop, or the tasks that did not end.
    pub async fn finish(&self, grace: Duration) -> Result<(), TaskFault> {
        self.finish_within(grace, HARD_STOP_WITHIN).await
    }

    async fn finish_within(&self, grace: Duration, hard: Duration) -> Result<(), TaskFault> {
        self.stopping().await;
        self.tasks.close();
        let in_time = tokio::select! {
            () = self.tasks.wait() => true,
            () = self.hard.cancelled() => false,
            () = tokio::time::sleep(grace) => false,
        };
        if !in_time {
            self.stop_hard();
            if tokio::time::timeout(hard, self.tasks.wait()).await.is_err() {
                self.fail(TaskFault::Stuck {
                    tasks: self.running.lock().keys().copied().collect(),
                });
            }
        }
        self.fault.lock().clone().map_or(Ok(()), Err)
    }

    /// The first fault is the one that counts.
    fn fail(&self, fault: TaskFault) {
        error!(fault = %fault, "stopping because of a fault");
        self.fault.lock().get_or_insert(fault);
        self.stop();
    }

    fn track<F>(&self, name: &'static str, task: F, at_end: impl FnOnce(Ended) + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        *self.running.lock().entry(name).or_default() += 1;
        let running = self.running.clone();
        let inner = tokio::spawn(task.instrument(info_span!("task", task.name = name)));
        self.tasks.spawn(async move {
            let ended = if inner.await.is_ok() {
                Ended::Returned
            } else {
                Ended::Panicked
            };
            at_end(ended);
            let mut running = running.lock();
            let count = running.entry(name).or_insert(1);
            *count -= 1;
            if *count == 0 {
                running.remove(name);
            }
        });
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Returned,
    Panicked,
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => INTERRUPT,
        _ = terminate.recv() => TERMINATE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_soft_stop_waits_for_what_is_in_flight() {
        let shutdown = Shutdown::new();
        let finished = Arc::new(Mutex::new(false));
        let (told, has_finished) = (shutdown.clone(), finished.clone());
        shutdown.spawn("lane", async move {
            told.stopping().await;
            tokio::task::yield_now().await;
            *has_finished.lock() = true;
        });
        shutdown.stop();
        assert_eq!(shutdown.finish(GRACE).await, Ok(()));
        assert!(*finished.lock());
    }

    #[tokio::test]
    async fn a_task_that_ends_early_or_panics_ends_the_process() {
        let shutdown = Shutdown::new();
        shutdown.spawn("lane", async {});
        assert_eq!(
            shutdown.finish(GRACE).await,
            Err(TaskFault::EndedEarly { task: "lane" })
        );

        let shutdown = Shutdown::new();
        shutdown.spawn("lane", async { panic!("on purpose") });
        assert_eq!(
            shutdown.finish(GRACE).await,
            Err(TaskFault::Panicked { task: "lane" })
        );
    }

    #[tokio::test]
    async fn a_brief_task_may_end_and_may_panic() {
        let shutdown = Shutdown::new();
        shutdown.spawn_brief("connection", async {});
        shutdown.spawn_brief("connection", async { panic!("on purpose") });
        tokio::task::yield_now().await;
        assert!(!shutdown.is_stopping());
        shutdown.stop();
        assert_eq!(shutdown.finish(GRACE).await, Ok(()));
        assert!(shutdown.running.lock().is_empty());
    }

    #[tokio::test]
    async fn a_hard_stop_names_the_tasks_that_do_not_end() {
        let shutdown = Shutdown::new();
        let told = shutdown.clone();
        shutdown.spawn("sender", async move { told.stopping_hard().await });
        shutdown.stop_hard();
        assert_eq!(shutdown.finish(GRACE).await, Ok(()));

        let shutdown = Shutdown::new();
        shutdown.spawn("sender", std::future::pending());
        let finish = tokio::time::timeout(GRACE, async {
            shutdown.stop_hard();
            shutdown.finish_within(Duration::ZERO, Duration::ZERO).await
        });
        assert_eq!(
            finish.await.unwrap(),
            Err(TaskFault::Stuck {
                tasks: vec!["sender"]
            })
        );
    }
}
