//! Keeps what is costly to make, for a while and not too many of them.
//!
//! Whoever asks for the same thing while it is being made waits for it, so a burst makes it once.
//! What has outlived its time is made again; who still uses the old one may finish with it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Things by key, each with a life span of its own.
#[derive(Debug)]
pub(super) struct Kept<K, T> {
    slots: Mutex<HashMap<K, Slot<T>>>,
    max_slots: usize,
    life: fn(&T) -> Duration,
}

#[derive(Debug)]
struct Slot<T> {
    made_at: Instant,
    used_at: Instant,
    cell: Arc<OnceCell<T>>,
}

impl<K: Hash + Eq + Clone, T: Clone> Kept<K, T> {
    /// At most `max_slots` at a time; `life` says for how long a thing serves.
    #[must_use]
    pub(super) fn new(max_slots: usize, life: fn(&T) -> Duration) -> Self {
        Self {
            slots: Mutex::new(HashMap::new()),
            max_slots,
            life,
        }
    }

    /// The thing of `key`, made by `make` where there is none that still serves. Where the caller
    /// goes away while it makes it, the next one does.
    pub(super) async fn get<F: Future<Output = T>>(&self, key: K, make: impl FnOnce() -> F) -> T {
        let cell = self.cell(key);
        cell.get_or_init(make).await.clone()
    }

    /// Gives up what is kept for `key`, where it is what `is_meant` says.
    pub(super) fn forget(&self, key: &K, is_meant: impl FnOnce(&T) -> bool) {
        let mut slots = self.slots.lock();
        let kept = slots.get(key).and_then(|slot| slot.cell.get());
        if kept.is_some_and(is_meant) {
            slots.remove(key);
        }
    }

    fn cell(&self, key: K) -> Arc<OnceCell<T>> {
        let now = Instant::now();
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get_mut(&key)
            && !self.is_over(slot, now)
        {
            slot.used_at = now;
            return slot.cell.clone();
        }
        slots.retain(|_, slot| !self.is_over(slot, now));
        if slots.len() >= self.max_slots {
            let longest_unused = slots.iter().min_by_key(|(_, slot)| slot.used_at);
            if let Some(key) = longest_unused.map(|(key, _)| key.clone()) {
                slots.remove(&key);
            }
        }
        let cell = Arc::new(OnceCell::new());
        let slot = Slot {
            made_at: now,
            used_at: now,
            cell: cell.clone(),
        };
        slots.insert(key, slot);
        cell
    }

    fn is_over(&self, slot: &Slot<T>, now: Instant) -> bool {
        slot.cell
            .get()
            .is_some_and(|thing| now - slot.made_at >= (self.life)(thing))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn kept(max_slots: usize) -> Kept<u8, usize> {
        Kept::new(max_slots, |_| Duration::from_secs(60))
    }

    #[tokio::test(start_paused = true)]
    async fn a_thing_is_made_again_after_its_life() {
        let made = AtomicUsize::new(0);
        let kept = kept(8);
        let mut seen = Vec::new();
        for wait_secs in [0, 0, 59, 1, 0] {
            tokio::time::advance(Duration::from_secs(wait_secs)).await;
            let make = || async { made.fetch_add(1, Ordering::Relaxed) };
            seen.push(kept.get(1, make).await);
        }
        assert_eq!(seen, [0, 0, 0, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_makes_it_once() {
        let made = AtomicUsize::new(0);
        let kept = kept(8);
        let make = || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            made.fetch_add(1, Ordering::Relaxed)
        };
        let all = (0..16).map(|_| kept.get(1, make));
        assert_eq!(futures_util::future::join_all(all).await, [0; 16]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_unused_makes_room() {
        let kept = kept(2);
        for key in [1, 2, 1, 3] {
            tokio::time::advance(Duration::from_millis(1)).await;
            kept.get(key, || async { usize::from(key) }).await;
        }
        let mut left: Vec<u8> = kept.slots.lock().keys().copied().collect();
        left.sort_unstable();
        assert_eq!(left, [1, 3]);
    }
}
