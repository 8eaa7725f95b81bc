//! Where the scheduler writes how receivers fare, for whoever asks.
//!
//! Receivers that fare well are not on it, so a quiet board costs a delivery one look at a number.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::domain::health::Health;
use crate::domain::ids::SubscriptionId;

const MAX_ENTRIES: usize = 100_000;
/// News of which nothing more was heard is old by then.
const IS_NEWS_FOR: Duration = Duration::from_secs(3600);

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    entries: Mutex<HashMap<SubscriptionId, (Health, Instant)>>,
    count: AtomicUsize,
}

impl Board {
    /// What is out of the ordinary with the subscription's receiver; none where nothing is.
    #[must_use]
    pub fn health(&self, of: SubscriptionId) -> Option<Health> {
        let entries = self.0.entries.lock();
        let (health, written_at) = entries.get(&of)?;
        (written_at.elapsed() < IS_NEWS_FOR).then_some(*health)
    }

    pub(super) fn write(&self, of: SubscriptionId, health: Option<Health>) {
        if health.is_none() && self.0.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut entries = self.0.entries.lock();
        match health {
            None => {
                entries.remove(&of);
            }
            Some(health) => {
                if entries.len() >= MAX_ENTRIES {
                    entries.retain(|_, (_, written_at)| written_at.elapsed() < IS_NEWS_FOR);
                }
                if entries.len() < MAX_ENTRIES {
                    entries.insert(of, (health, Instant::now()));
                }
            }
        }
        self.0.count.store(entries.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_written_is_read_until_it_is_no_news() {
        let board = Board::default();
        let (one, other) = (SubscriptionId::new(1), SubscriptionId::new(2));
        let health = Health {
            failures: 3,
            ..Health::default()
        };
        board.write(one, Some(health));
        assert_eq!(
            (board.health(one), board.health(other)),
            (Some(health), None)
        );
        board.write(one, None);
        assert_eq!(board.health(one), None);
        board.write(one, Some(health));
        tokio::time::advance(IS_NEWS_FOR).await;
        assert_eq!(board.health(one), None);
    }
}
