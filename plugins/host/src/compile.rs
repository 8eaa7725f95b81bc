//! Compiles components in processes of their own, two at once.
//!
//! The threads here live as long as the host: a worker dies with the thread that
//! started it, so that no compile outlives the gateway.

use crate::check::{Fault, Refusal};
use crate::child::{self, ChildLimits};
use crate::engine::{Effort, Metering};
use crate::limits::Limits;
use crate::load::TrustedArtefact;
use crate::worker::Order;
use bytes::Bytes;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use tokio::sync::{Semaphore, oneshot};
use tracing::info;

const THREADS: usize = 2;
/// Uploads that wait for a compile; more are told to come again.
const MAX_WAITING: usize = 32;

/// How to start a process that calls [`crate::compile_worker_main`].
#[derive(Debug, Clone)]
pub struct CompileWorker {
    pub program: PathBuf,
    /// Before those that the host adds.
    pub arguments: Vec<String>,
}

struct Task {
    component: Bytes,
    metering: Metering,
    answer: oneshot::Sender<Result<TrustedArtefact, Fault>>,
}

/// The threads that wait for compile workers.
pub(crate) struct Compiler {
    tasks: Mutex<Option<mpsc::Sender<Task>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    room: Semaphore,
}

impl Compiler {
    pub(crate) fn start(worker: CompileWorker, limits: Limits) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Task>();
        let receiver = Arc::new(Mutex::new(receiver));
        let shared = Arc::new((worker, limits));
        let mut threads = Vec::new();
        for number in 0..THREADS {
            let (receiver, shared) = (Arc::clone(&receiver), Arc::clone(&shared));
            let body = move || {
                loop {
                    let task = receiver.lock().recv();
                    let Ok(task) = task else { break };
                    // Whoever asked may be gone: then nobody needs the answer.
                    if !task.answer.is_closed() {
                        let outcome = compile(&shared.0, &shared.1, &task);
                        let _ = task.answer.send(outcome);
                    }
                }
            };
            threads.push(
                thread::Builder::new()
                    .name(format!("plugin-compile-{number}"))
                    .spawn(body)?,
            );
        }
        Ok(Self {
            tasks: Mutex::new(Some(sender)),
            threads: Mutex::new(threads),
            room: Semaphore::new(MAX_WAITING),
        })
    }

    /// Waits for its turn, then for the worker: up to twice the wall time of a
    /// compile for each upload ahead.
    pub(crate) async fn compile(
        &self,
        component: Bytes,
        metering: Metering,
    ) -> Result<TrustedArtefact, Fault> {
        let Ok(_room) = self.room.try_acquire() else {
            return Err(busy());
        };
        let (answer, answered) = oneshot::channel();
        let task = Task {
            component,
            metering,
            answer,
        };
        let is_sent = self
            .tasks
            .lock()
            .as_ref()
            .is_some_and(|tasks| tasks.send(task).is_ok());
        if !is_sent {
            return Err(busy());
        }
        answered.await.unwrap_or_else(|_| Err(busy()))
    }

    /// Takes no more; what waits is dropped once the workers that run have ended.
    pub(crate) fn stop(&self) {
        self.tasks.lock().take();
    }

    pub(crate) fn join(&self) {
        for thread in self.threads.lock().drain(..) {
            let _ = thread.join();
        }
    }
}

/// With full effort, and where that takes too much time, with the least.
fn compile(worker: &CompileWorker, limits: &Limits, task: &Task) -> Result<TrustedArtefact, Fault> {
    let run = |effort: Effort| {
        let order = Order {
            metering: task.metering,
            effort,
            cpu_time: limits.compile_cpu_time * task.metering.growth(),
            memory_bytes: limits.max_compile_memory_bytes,
            parent_id: std::process::id(),
        };
        let limits = ChildLimits {
            wall_time: limits.compile_time * task.metering.growth(),
            max_artefact_bytes: task.metering.max_artefact_bytes(limits),
        };
        child::compile(worker, order, &task.component, limits)
    };
    match run(Effort::Full) {
        Err(fault) if fault.reason == Refusal::CompileTimeout => {
            info!(
                plugin.size_bytes = task.component.len(),
                "compiling a plugin again with less effort"
            );
            run(Effort::Least)
        }
        outcome => outcome,
    }
}

fn busy() -> Fault {
    Fault::new(
        Refusal::Unavailable,
        "too many uploads are being compiled",
        "upload it again in a minute",
    )
}
