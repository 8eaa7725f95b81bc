//! How a gateway leaves: in order, and within a time that supervisors can count on.
//!
//! Refuse requests, finish what is in flight, write down what came of it, leave the database. What
//! does not end in time is parked by being dropped, and delivered by another node or after a start.

use std::time::{Duration, Instant};

use tracing::info;

use super::{Gateway, Running};

/// From the soft stop to the end, without the stop of an embedded Postgres.
const STOP_WITHIN: Duration = Duration::from_secs(24);
/// Of it, for requests that are under way.
const REQUESTS_WITHIN: Duration = Duration::from_secs(6);
/// Kept for writing down outcomes and for giving back lanes.
const LOG_WITHIN: Duration = Duration::from_secs(3);
/// For connections to close.
const POOL_WITHIN: Duration = Duration::from_secs(1);

impl Gateway {
    /// Waits for the soft stop, then stops in order.
    ///
    /// # Errors
    /// The fault that ended the process, where it was not asked to end.
    pub async fn run_until_stopped(self) -> anyhow::Result<()> {
        let Running {
            embedded,
            pool,
            log,
            delivery,
            plugins,
        } = self.parts;
        tokio::select! {
            () = self.shutdown.stopping() => {}
            () = log.ended_early() => self.shutdown.stop(),
        }
        let begun_at = Instant::now();
        let ended = self.shutdown.finish(REQUESTS_WITHIN).await;
        // Attempts get all that is left: whoever answers within it is not sent the same again.
        let left = STOP_WITHIN.saturating_sub(begun_at.elapsed() + LOG_WITHIN + POOL_WITHIN);
        delivery.drain(left).await;
        log.drain(LOG_WITHIN).await;
        drop(plugins);
        if tokio::time::timeout(POOL_WITHIN, pool.close())
            .await
            .is_err()
        {
            info!("connections to the database are cut off");
        }
        if let Some(embedded) = embedded {
            embedded.stop().await;
        }
        let stop_ms = begun_at.elapsed().as_millis();
        info!(stop_ms, "gateway has stopped");
        Ok(ended?)
    }
}
