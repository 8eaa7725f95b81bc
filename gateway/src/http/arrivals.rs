//! Tells those who wait for events that some have come, on whichever node.
//!
//! While nobody waits nothing is asked. While somebody does, one question in a quarter of a second
//! serves all of this node; what was stored on this node itself is known at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::log::Log;
use crate::store::Store;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Arrivals {
    came: Arc<watch::Sender<u64>>,
    is_wanted: Arc<Notify>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            came: Arc::new(watch::channel(0).0),
            is_wanted: Arc::default(),
        }
    }
}

impl Arrivals {
    /// Changes each time that events have come; dropped by who waits no longer.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        let receiver = self.came.subscribe();
        self.is_wanted.notify_one();
        receiver
    }

    /// Looks while somebody waits, until `stop`.
    pub async fn run(self, (store, log): (Store, Log), stop: CancellationToken) {
        let mut known = Vec::new();
        while !stop.is_cancelled() {
            if self.came.receiver_count() == 0 {
                stop.run_until_cancelled(self.is_wanted.notified()).await;
                continue;
            }
            match store.newest_in_lanes().await {
                Ok(newest) if newest == known => {}
                Ok(newest) => {
                    known = newest;
                    self.came.send_modify(|count| *count += 1);
                }
                Err(error) => warn!(%error, "could not look for new events"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(LOOK_EVERY) => {}
                () = log.stored() => {}
            }
        }
    }
}
