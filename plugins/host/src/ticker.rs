//! Makes running guests look at their deadline, every few milliseconds.
//!
//! On a thread of its own and not a task: when every worker of the runtime is busy,
//! this is what still ends a guest that spins.

use crate::engine::TICK;
use crate::stats::{Counters, increment};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use wasmtime::Engine;

/// Ends its thread when dropped.
pub(crate) struct Ticker {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(crate) fn start(engines: &[Engine], counters: Arc<Counters>) -> std::io::Result<Self> {
        let engines: Vec<_> = engines.iter().map(Engine::weak).collect();
        let (stop, stopped) = mpsc::channel::<()>();
        let body = move || {
            while stopped.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
                engines
                    .iter()
                    .filter_map(wasmtime::EngineWeak::upgrade)
                    .for_each(|engine| engine.increment_epoch());
                increment(&counters.ticks);
            }
        };
        let thread = thread::Builder::new()
            .name("plugin-ticker".to_owned())
            .spawn(body)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
