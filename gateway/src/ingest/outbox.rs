//! Events straight from SQL: moves what transactions left in an outbox into the log.
//!
//! A row is checked and matched like an event that came by HTTP, and leaves the outbox in the
//! statement that stores its event. Nobody waits for an answer any more, so nothing is refused for
//! being too much: a tenant's rows count towards its quota, and what it sends by HTTP pays for them.
//! A row that can become no event is set aside, where people find it, and holds up nobody.

mod moving;
mod pace;
mod row;

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::accept::Ingest;
use crate::log::{Beat, Ear, LogError, Outbox, OutboxAt};
use crate::telemetry::metrics::{Metrics, OutboxLabel};
use moving::{MoveError, Mover};
use pace::{Pace, Rest};

const WAIT_AFTER_ERROR: Duration = Duration::from_millis(250);
const LONGEST_WAIT_AFTER_ERROR: Duration = Duration::from_secs(15);
/// Who does not hold the outbox looks so seldom; a node that goes is noticed sooner.
const STANDBY: Duration = Duration::from_secs(10);
/// The net below the notices of another database.
const POLL: Duration = Duration::from_secs(1);

/// Drains one outbox, on whichever node holds its lock.
#[derive(Debug)]
pub struct Drain {
    ingest: Ingest,
    at: OutboxAt,
    beats: watch::Receiver<Beat>,
    metrics: Metrics,
    label: OutboxLabel,
}

impl Drain {
    /// The outbox of the gateway's own database.
    #[must_use]
    pub fn own(ingest: &Ingest, metrics: Metrics) -> Self {
        Self::at(ingest.log().outbox(), ingest, metrics)
    }

    /// Any outbox.
    #[must_use]
    pub fn at(at: OutboxAt, ingest: &Ingest, metrics: Metrics) -> Self {
        Self {
            label: OutboxLabel {
                outbox: at.name().to_owned(),
            },
            at,
            beats: ingest.log().beats(),
            ingest: ingest.clone(),
            metrics,
        }
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut wait = WAIT_AFTER_ERROR;
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let Err(error) = self.serve(&stop).await else {
                continue;
            };
            if matches!(error, MoveError::Stopping) {
                continue;
            }
            let name = self.at.name();
            warn!(outbox.name = name, error = %told(&error), "the outbox is left for a moment");
            // A database of somebody else's may be away for long.
            let is_old = begun.elapsed() > LONGEST_WAIT_AFTER_ERROR;
            wait = if is_old {
                WAIT_AFTER_ERROR
            } else {
                (wait * 2).min(self.longest_wait())
            };
            stop.run_until_cancelled(sleep(wait)).await;
        }
    }

    fn longest_wait(&self) -> Duration {
        if self.at.is_elsewhere() {
            LONGEST_WAIT_AFTER_ERROR
        } else {
            WAIT_AFTER_ERROR
        }
    }

    /// Until the session is lost, or somebody else has the outbox.
    async fn serve(&mut self, stop: &CancellationToken) -> Result<(), MoveError> {
        let Some(mut outbox) = self.at.take().await? else {
            self.stand_by(stop).await;
            return Ok(());
        };
        info!(outbox.name = self.at.name(), "this node drains the outbox");
        let mut ear = self.at.listen().await?;
        let mut pace = Pace::new();
        while !stop.is_cancelled() {
            let waiting = outbox.look().await?;
            self.show_waiting(waiting.len());
            if waiting.is_empty() {
                let rest = pace.found_nothing(&mut outbox).await?;
                self.rest(&outbox, rest, (&mut ear, stop)).await?;
            } else {
                let mut mover = Mover {
                    ingest: &self.ingest,
                    metrics: &self.metrics,
                    outbox: &mut outbox,
                    stop,
                };
                mover.move_all(&waiting).await?;
                pace.found_some(&mut outbox).await?;
            }
        }
        outbox.close().await;
        Ok(())
    }

    fn show_waiting(&self, rows: usize) {
        let gauge = self.metrics.outbox_waiting.get_or_create(&self.label);
        gauge.set(i64::try_from(rows).unwrap_or(i64::MAX));
    }

    async fn stand_by(&mut self, stop: &CancellationToken) {
        let peers = self.beats.borrow().peers.clone();
        let somebody_went = self.beats.wait_for(|beat| beat.peers != peers);
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(STANDBY) => {}
            Ok(_) = somebody_went => {}
        }
    }

    /// Waits for a notice, for a beat that tells of a row, or for the next look.
    async fn rest(
        &mut self,
        outbox: &Outbox,
        rest: Rest,
        (ear, stop): (&mut Ear, &CancellationToken),
    ) -> Result<(), LogError> {
        let wait = match rest {
            Rest::Look => return Ok(()),
            Rest::For(wait) => wait,
            // Nobody's beat tells of another database.
            Rest::UntilNews if self.at.is_elsewhere() => POLL,
            Rest::UntilNews => Duration::MAX,
        };
        let is_news = |beat: &Beat| outbox.is_news(beat.newest_outbox_row);
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            heard = ear.heard() => heard,
            () = sleep(wait) => Ok(()),
            Ok(()) = next(&mut self.beats, is_news), if rest == Rest::UntilNews && !self.at.is_elsewhere() => Ok(()),
        }
    }
}

/// With what lies behind it: the database's own words.
fn told(error: &MoveError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// The next beat that says so; the last one is known.
async fn next(
    beats: &mut watch::Receiver<Beat>,
    is_news: impl Fn(&Beat) -> bool,
) -> Result<(), watch::error::RecvError> {
    loop {
        beats.changed().await?;
        if is_news(&beats.borrow_and_update()) {
            return Ok(());
        }
    }
}
