//! When a guest has had its time.
//!
//! Wall time decides, unless the machine is so busy that the guest hardly ran: then
//! it may run on until it had half its time on a processor, for at most three times
//! the limit in all. A neighbour's load is no fault of the plugin's.

use crate::os::thread_cpu_time;
use std::fmt;
use std::time::{Duration, Instant};

/// The time a guest has, from when it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) limit: Duration,
    started_at: Instant,
    cpu_at_start: Duration,
}

/// Raised in a guest whose time is over.
#[derive(Debug)]
pub(crate) struct OutOfTime;

impl fmt::Display for OutOfTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of time")
    }
}

impl std::error::Error for OutOfTime {}

impl Deadline {
    pub(crate) fn from_now(limit: Duration) -> Self {
        Self {
            limit,
            started_at: Instant::now(),
            cpu_at_start: thread_cpu_time(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        let wall = self.started_at.elapsed();
        wall >= self.limit * 3
            || wall >= self.limit
                && thread_cpu_time().saturating_sub(self.cpu_at_start) >= self.limit / 2
    }
}
