//! Connections that wait for their next request: the one that was used last goes first, so that
//! those above what the load needs grow old and are closed.
//!
//! A pool belongs to one way and ends with it. Between all pools of a sender only so many
//! connections may wait.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::wire::Wire;

/// Shorter than the five seconds after which common servers hang up, so that a request does not
/// meet a connection that is being closed.
pub(super) const MAX_IDLE: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    room: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one that was used last stands last.
    wires: Vec<Waiting>,
    /// Whether a task closes what has waited for too long.
    is_swept: bool,
}

#[derive(Debug)]
struct Waiting {
    wire: Box<Wire>,
    since: Instant,
    _room: OwnedSemaphorePermit,
}

impl Pool {
    /// `room` is shared by all pools of a sender.
    pub(super) fn new(room: Arc<Semaphore>) -> Arc<Self> {
        let idle = Mutex::default();
        Arc::new(Self { idle, room })
    }

    /// The connection that was used last and still is good.
    pub(super) fn take(&self) -> Option<Box<Wire>> {
        let mut idle = self.idle.lock();
        while let Some(mut waiting) = idle.wires.pop() {
            if waiting.since.elapsed() < MAX_IDLE && waiting.wire.is_usable() {
                return Some(waiting.wire);
            }
        }
        None
    }

    /// Keeps `wire` for the next request, where it is still good and there is room.
    pub(super) fn put(self: &Arc<Self>, mut wire: Box<Wire>) {
        if !wire.is_usable() {
            return;
        }
        let Ok(room) = self.room.clone().try_acquire_owned() else {
            return;
        };
        let mut idle = self.idle.lock();
        idle.wires.push(Waiting {
            wire,
            since: Instant::now(),
            _room: room,
        });
        if !std::mem::replace(&mut idle.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes what has waited for too long. False where nothing waits any more.
    fn close_old(&self) -> bool {
        let mut idle = self.idle.lock();
        let now = Instant::now();
        let young = |waiting: &Waiting| now - waiting.since < MAX_IDLE;
        let old = idle.wires.iter().position(young);
        let old = old.unwrap_or(idle.wires.len());
        idle.wires.drain(..old);
        idle.is_swept = !idle.wires.is_empty();
        idle.is_swept
    }
}

/// Runs while connections wait in the pool, and no longer than it.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(MAX_IDLE / 4).await;
        if !pool.upgrade().is_some_and(|pool| pool.close_old()) {
            return;
        }
    }
}
