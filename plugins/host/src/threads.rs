//! The threads that guests run on: plain ones, and no others.
//!
//! A guest may spin for its whole deadline, so it never runs where sockets are
//! served. Jobs wait in a bounded queue of their tenant; the caller waits on a
//! channel and may go away at any time.

use crate::fair::FairQueue;
use crate::os;
use parking_lot::{Condvar, Mutex};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tracing::error;

/// Batches that may wait for one tenant. Who has more is told that there is no room.
const MAX_WAITING_PER_TENANT: usize = 64;

/// Runs once; its answer says whether a guest had to be ended by force.
type Job = Box<dyn FnOnce() -> bool + Send>;

pub(crate) struct GuestThreads {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    has_work: Condvar,
}

struct Queue {
    jobs: FairQueue<Job>,
    running: usize,
    is_closed: bool,
}

/// No room, or the threads have stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl GuestThreads {
    pub(crate) fn start(count: usize) -> std::io::Result<Self> {
        let count = count.max(1);
        let queue = Queue {
            jobs: FairQueue::new(count, MAX_WAITING_PER_TENANT),
            running: 0,
            is_closed: false,
        };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            has_work: Condvar::new(),
        });
        let mut threads = Vec::new();
        for number in 0..count {
            let shared = Arc::clone(&shared);
            threads.push(background_thread(&format!("plugin-{number}"), move || {
                work(&shared);
            })?);
        }
        Ok(Self {
            shared,
            threads: Mutex::new(threads),
        })
    }

    /// Runs `job` on one of the threads when it is the tenant's turn. The job can ask
    /// whether anybody still waits; its answer comes with whether a guest had to be
    /// ended by force. What comes back with the answer is how long it waited.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        tenant: &Arc<str>,
        job: impl FnOnce(&dyn Fn() -> bool) -> (T, bool) + Send + 'static,
    ) -> Result<(T, Duration), NoRoom> {
        let asked_at = Instant::now();
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            if answer.is_closed() {
                return false;
            }
            let waited = asked_at.elapsed();
            let (value, ended_by_force) = job(&|| answer.is_closed());
            // Nobody may be waiting any more.
            let _ = answer.send((value, waited));
            ended_by_force
        });
        self.submit(tenant, job)?;
        answered.await.map_err(|_| NoRoom)
    }

    fn submit(&self, tenant: &Arc<str>, job: Job) -> Result<(), NoRoom> {
        let mut queue = self.shared.queue.lock();
        if queue.is_closed {
            return Err(NoRoom);
        }
        queue.jobs.push(tenant, job).map_err(|_| NoRoom)?;
        self.shared.has_work.notify_one();
        Ok(())
    }

    /// Jobs that wait, and jobs that run.
    pub(crate) fn load(&self) -> (usize, usize) {
        let queue = self.shared.queue.lock();
        (queue.jobs.waiting(), queue.running)
    }

    /// Drops what waits; what runs goes on to its end.
    pub(crate) fn stop(&self) {
        let mut queue = self.shared.queue.lock();
        queue.is_closed = true;
        drop(queue.jobs.drain());
        self.shared.has_work.notify_all();
    }

    pub(crate) fn join(&self) {
        for thread in self.threads.lock().drain(..) {
            let _ = thread.join();
        }
    }
}

/// A thread that lets others go first, as those of the guests do: for work that nobody waits for
/// and that takes processor time. On systems other than Linux it may be a thread like any other.
///
/// # Errors
/// The system refuses a thread.
pub fn background_thread(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        os::lower_thread_priority();
        body();
    })
}

fn work(shared: &Shared) {
    let mut queue = shared.queue.lock();
    loop {
        let Some((job, turn)) = queue.jobs.pop() else {
            if queue.is_closed {
                return;
            }
            shared.has_work.wait(&mut queue);
            continue;
        };
        queue.running += 1;
        drop(queue);
        let (cost, ended_by_force) = timed(job);
        queue = shared.queue.lock();
        queue.running -= 1;
        queue.jobs.finish(turn, cost, ended_by_force);
        // Somebody's turn may have depended on this one's end.
        shared.has_work.notify_one();
    }
}

fn timed(job: Job) -> (Duration, bool) {
    let started_at = os::thread_cpu_time();
    // Guests trap, they do not panic; a panic is a mistake of ours in one job, which
    // must not take the thread from all others. The caller sees its answer missing.
    let ended_by_force = catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_| {
        error!("a plugin job panicked");
        false
    });
    (
        os::thread_cpu_time().saturating_sub(started_at),
        ended_by_force,
    )
}
