//! Room for what clients send: how many bytes of bodies a process holds at once.
//!
//! Bytes count from the moment they are read until their request is answered. Room is asked for
//! before the first byte is read, and taken as the bytes come: what is bounded is what is there, not
//! what was announced, so a client that announces much and sends nothing keeps nobody else out.
//! Where there is none for a moment the request is refused. Nothing here reads or answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a request waits for room before it is refused.
pub const PATIENCE: Duration = Duration::from_millis(50);
/// Those who are refused at the same time come back in turns, over so many seconds.
const SPREAD_SECONDS: u64 = 3;

/// The bytes of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Room(Arc<Bytes>);

#[derive(Debug)]
struct Bytes {
    free: Arc<Semaphore>,
    held: Gauge,
    refused: AtomicU64,
}

/// There is no room for a body now; nothing of it was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many bytes of requests are under way as there is room for")]
pub struct Full {
    /// When to come again.
    pub retry_after: Duration,
}

impl Room {
    /// Room for `max_bytes`; `held` shows how much of it is taken.
    #[must_use]
    pub fn new(max_bytes: usize, held: Gauge) -> Self {
        Self(Arc::new(Bytes {
            free: Arc::new(Semaphore::new(max_bytes.min(Semaphore::MAX_PERMITS))),
            held,
            refused: AtomicU64::new(0),
        }))
    }

    /// The share of a request, still empty.
    #[must_use]
    pub fn share(&self) -> Share {
        Share(Arc::new(Held {
            room: self.clone(),
            taken: Mutex::new(None),
        }))
    }

    async fn take(&self, bytes: usize, patience: Duration) -> Result<OwnedSemaphorePermit, Full> {
        let wanted = u32::try_from(bytes).map_err(|_| self.full())?;
        let taking = Arc::clone(&self.0.free).acquire_many_owned(wanted);
        match tokio::time::timeout(patience, taking).await {
            Ok(Ok(taken)) => Ok(taken),
            Ok(Err(_)) | Err(_) => Err(self.full()),
        }
    }

    fn full(&self) -> Full {
        let turn = self.0.refused.fetch_add(1, Ordering::Relaxed) % SPREAD_SECONDS;
        Full {
            retry_after: Duration::from_secs(1 + turn),
        }
    }
}

/// What one request holds, given back when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Share(Arc<Held>);

#[derive(Debug)]
struct Held {
    room: Room,
    taken: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Share {
    /// Whether `announced_bytes` more would find room now; takes nothing.
    ///
    /// # Errors
    /// Where they find none within [`PATIENCE`].
    pub async fn expect(&self, announced_bytes: usize) -> Result<(), Full> {
        self.0.room.take(announced_bytes, PATIENCE).await.map(drop)
    }

    /// Takes room until it has `bytes` in all; never gives any back.
    ///
    /// # Errors
    /// Where there is none within `patience`.
    pub async fn grow_to(&self, bytes: usize, patience: Duration) -> Result<(), Full> {
        let more = bytes.saturating_sub(self.bytes());
        if more == 0 {
            return Ok(());
        }
        let more = self.0.room.take(more, patience).await?;
        self.0.held().inc_by(length(&more));
        let mut taken = self.0.taken.lock();
        match &mut *taken {
            Some(taken) => taken.merge(more),
            None => *taken = Some(more),
        }
        Ok(())
    }

    /// Gives back what is above `bytes`.
    pub fn shrink_to(&self, bytes: usize) {
        let mut taken = self.0.taken.lock();
        let above = size(taken.as_ref()).saturating_sub(bytes);
        let given = taken.as_mut().and_then(|taken| taken.split(above));
        if let Some(given) = given {
            self.0.held().dec_by(length(&given));
        }
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        size(self.0.taken.lock().as_ref())
    }
}

impl Held {
    fn held(&self) -> &Gauge {
        &self.room.0.held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.get_mut() {
            self.room.0.held.dec_by(length(taken));
        }
    }
}

fn size(taken: Option<&OwnedSemaphorePermit>) -> usize {
    taken.map_or(0, OwnedSemaphorePermit::num_permits)
}

fn length(permit: &OwnedSemaphorePermit) -> i64 {
    i64::try_from(permit.num_permits()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_refused_and_what_ends_makes_room() {
        let held = Gauge::default();
        let room = Room::new(100, held.clone());
        let (one, other) = (room.share(), room.share());
        one.expect(100).await.unwrap();
        assert_eq!(held.get(), 0, "what is announced takes nothing");
        one.grow_to(40, PATIENCE).await.unwrap();
        one.grow_to(60, PATIENCE).await.unwrap();
        assert_eq!((one.bytes(), held.get()), (60, 60));

        assert!(other.expect(41).await.is_err());
        assert!(other.grow_to(41, PATIENCE).await.is_err());
        other.grow_to(40, PATIENCE).await.unwrap();
        one.shrink_to(10);
        other.grow_to(90, PATIENCE).await.unwrap();
        assert_eq!(held.get(), 100);
        drop((one, other));
        assert_eq!(held.get(), 0);
        room.share().expect(100).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_are_refused_come_back_in_turns() {
        let room = Room::new(1, Gauge::default());
        let holder = room.share();
        holder.grow_to(1, PATIENCE).await.unwrap();
        let mut waits = Vec::new();
        for _ in 0..4 {
            let full = room.share().expect(1).await.unwrap_err();
            waits.push(full.retry_after.as_secs());
        }
        assert_eq!(waits, [1, 2, 3, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_what_is_given_back_in_time() {
        let room = Room::new(10, Gauge::default());
        let (one, other) = (room.share(), room.share());
        one.grow_to(10, PATIENCE).await.unwrap();
        let waiting = other.grow_to(5, PATIENCE);
        let giving = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(one);
        };
        let (waited, ()) = tokio::join!(waiting, giving);
        assert_eq!(waited, Ok(()));
    }
}
