//! A moment on two clocks: the wall's, and the processor time of this thread.
//!
//! The second costs a system call, which is a good part of a quick plugin's call. So a moment is
//! read once and handed on: the end of one call is the beginning of the next.

use crate::os::thread_cpu_time;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) at: Instant,
    cpu: Duration,
}

impl Mark {
    pub(crate) fn now() -> Self {
        Self {
            at: Instant::now(),
            cpu: thread_cpu_time(),
        }
    }

    /// Wall time from `earlier` to this.
    pub(crate) fn wall_since(&self, earlier: &Self) -> Duration {
        self.at.saturating_duration_since(earlier.at)
    }

    /// Processor time from `earlier` to this, both of one thread.
    pub(crate) fn cpu_since(&self, earlier: &Self) -> Duration {
        self.cpu.saturating_sub(earlier.cpu)
    }

    /// Processor time of this thread since then.
    pub(crate) fn cpu_elapsed(&self) -> Duration {
        thread_cpu_time().saturating_sub(self.cpu)
    }
}
