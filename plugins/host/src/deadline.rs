//! When a guest has had its time.
//!
//! Wall time decides, unless the machine is so busy that the guest hardly ran: then
//! it may run on until it had half its time on a processor, for at most three times
//! the limit in all. A neighbour's load is no fault of the plugin's.

use crate::mark::Mark;
use std::fmt;
use std::time::Duration;

/// The time a guest has, from a moment on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) limit: Duration,
    start: Mark,
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
    pub(crate) fn from(start: Mark, limit: Duration) -> Self {
        Self { limit, start }
    }

    pub(crate) fn is_over(&self) -> bool {
        let wall = self.start.at.elapsed();
        wall >= self.limit * 3 || wall >= self.limit && self.start.cpu_elapsed() >= self.limit / 2
    }
}
