//! Moves rows of an outbox into the log, a page a statement, in their order.
//!
//! A page that the database refuses is halved until the culprit stands alone and is set aside.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::row;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ConfigVersion, EventId};
use crate::ingest::MAX_DATA_BYTES;
use crate::ingest::accept::{AcceptError, Given, Ingest};
use crate::ingest::idempotency;
use crate::log::{
    AppendError, Appended, FromOutbox, LogError, NewEvent, Outbox, OutboxRow, Waiting,
};
use crate::telemetry::metrics::Metrics;

const MAX_PAGE_ROWS: usize = 512;
const MAX_PAGE_BYTES: usize = MAX_DATA_BYTES;
const WAIT_WHILE_BUSY: Duration = Duration::from_millis(50);

/// Why rows did not become events.
#[derive(Debug, thiserror::Error)]
pub(super) enum MoveError {
    /// They never will.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Accept(#[from] AcceptError),
    #[error("the gateway is stopping")]
    Stopping,
}

pub(super) struct Mover<'a> {
    pub(super) ingest: &'a Ingest,
    pub(super) metrics: &'a Metrics,
    pub(super) outbox: &'a mut Outbox,
    pub(super) stop: &'a CancellationToken,
}

/// A row that is an event by now.
struct Moving {
    row: i64,
    emitted_at: Timestamp,
    matched_with: ConfigVersion,
    event: NewEvent,
}

impl Mover<'_> {
    pub(super) async fn move_all(&mut self, waiting: &[Waiting]) -> Result<(), MoveError> {
        let mut last = None;
        for page in pages(waiting) {
            let mut moving = Vec::with_capacity(page.len());
            for row in self.outbox.rows(page).await? {
                let id = row.id;
                match self.read(row).await {
                    Ok(read) => moving.push(read),
                    Err(MoveError::Refused(reason)) => self.set_aside(id, &reason).await?,
                    Err(error) => return Err(error),
                }
            }
            self.after(last).await;
            last = self.move_page(moving).await?.max(last);
        }
        Ok(())
    }

    /// The row as an event, matched; the rules are those of events that come by HTTP.
    async fn read(&self, row: OutboxRow) -> Result<Moving, MoveError> {
        let (id, emitted_at) = (row.id, row.emitted_at);
        let (tenant, mut event) = row::checked(row).map_err(MoveError::Refused)?;
        let tenant = self.ingest.store().ensure_tenant(&tenant).await;
        event.tenant = tenant.map_err(AcceptError::from)?;
        // Read before the match: what is newer than it may not have been matched.
        let matched_with = self.ingest.store().catalog().version();
        match self.outbox.home() {
            None => {
                event.outbox = Some(FromOutbox {
                    row: id,
                    matched_with,
                });
            }
            Some(home) => event.idempotency = Some(idempotency::of_row(home, id, &event)),
        }
        self.ingest.address(&mut event);
        Ok(Moving {
            row: id,
            emitted_at,
            matched_with,
            event,
        })
    }

    /// Another lane may store the next page: its ids are higher once the clock has gone on.
    async fn after(&self, last: Option<EventId>) {
        let clock = self.ingest.store().clock();
        while last.is_some_and(|last| clock.now() <= last.received_at()) {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Returns the highest id.
    async fn move_page(&mut self, moving: Vec<Moving>) -> Result<Option<EventId>, MoveError> {
        let mut parts = vec![moving];
        let mut last = None;
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.append(&part).await {
                Ok(appended) => last = self.stored(&part, &appended).await?.max(last),
                Err(MoveError::Refused(_)) if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
                Err(MoveError::Refused(reason)) => self.set_aside(part[0].row, &reason).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(last)
    }

    async fn append(&self, part: &[Moving]) -> Result<Vec<Appended>, MoveError> {
        loop {
            let events = part.iter().map(|moving| moving.event.clone()).collect();
            match self.ingest.log().append(events).await {
                Ok(appended) => return Ok(appended),
                Err(AppendError::Refused(reason)) => return Err(MoveError::Refused(reason)),
                Err(AppendError::Stopping) => return Err(MoveError::Stopping),
                Err(AppendError::Busy | AppendError::Unavailable) => {
                    let wait = self.stop.run_until_cancelled(sleep(WAIT_WHILE_BUSY)).await;
                    wait.ok_or(MoveError::Stopping)?;
                }
            }
        }
    }

    async fn stored(
        &mut self,
        part: &[Moving],
        appended: &[Appended],
    ) -> Result<Option<EventId>, MoveError> {
        let now = self.ingest.store().clock().now();
        let mut last = None;
        let mut events = Vec::new();
        for (moving, appended) in part.iter().zip(appended) {
            if let Appended::Stored { id, .. } = appended {
                last = last.max(Some(*id));
                events.push(moving.event.clone());
                let delay = now.since(moving.emitted_at).as_secs_f64();
                self.metrics.outbox_seconds.observe(delay);
            }
        }
        self.metrics.outbox_events.inc_by(events.len() as u64);
        self.ingest.charge(&events);
        if appended.contains(&Appended::NotTaken) {
            // Most likely somebody subscribed a moment ago; the next look matches anew.
            let refreshed = self.ingest.store().feed().refresh().await;
            refreshed.map_err(AcceptError::from)?;
        }
        if self.outbox.home().is_some() {
            self.leave_elsewhere(part, appended).await?;
        }
        Ok(last)
    }

    /// Rows of another database are deleted once nothing about their events can be missed any more.
    async fn leave_elsewhere(
        &mut self,
        part: &[Moving],
        appended: &[Appended],
    ) -> Result<(), MoveError> {
        let given: Vec<Given> = part.iter().map(|moving| Given::of(&moving.event)).collect();
        let oldest = part.iter().map(|moving| moving.matched_with).min();
        let matched_with = oldest.unwrap_or_default();
        let mut is_told = false;
        while let Err(error) = self
            .ingest
            .park_what_was_missed(&given, appended, matched_with)
            .await
        {
            if !is_told {
                warn!(%error, "events of another database wait for their subscriptions");
                is_told = true;
            }
            let wait = self.stop.run_until_cancelled(sleep(WAIT_WHILE_BUSY)).await;
            wait.ok_or(MoveError::Stopping)?;
        }
        if is_told {
            info!("events of another database wait no longer for their subscriptions");
        }
        let mut rows = Vec::with_capacity(part.len());
        for (moving, appended) in part.iter().zip(appended) {
            if matches!(appended, Appended::OtherBody { .. }) {
                let reason = "another row with this number was stored within a day; was the outbox restored?";
                self.set_aside(moving.row, reason).await?;
            } else {
                rows.push(moving.row);
            }
        }
        Ok(self.outbox.forget(&rows).await?)
    }

    async fn set_aside(&mut self, row: i64, reason: &str) -> Result<(), LogError> {
        warn!(
            outbox.row = row,
            reason, "a row of the outbox can become no event and was set aside"
        );
        self.metrics.outbox_refused.inc();
        self.outbox.set_aside(row, reason).await
    }
}

/// Parts of what waits that are stored in one statement each.
fn pages(waiting: &[Waiting]) -> impl Iterator<Item = &[Waiting]> {
    let mut rest = waiting;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |row: &&Waiting| {
            bytes += row.data_bytes;
            bytes <= MAX_PAGE_BYTES
        };
        let rows = rest.iter().take(MAX_PAGE_ROWS).take_while(fits).count();
        // A row that is too large by itself still goes, alone.
        let (page, others) = rest.split_at(rows.max(1).min(rest.len()));
        rest = others;
        (!page.is_empty()).then_some(page)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded_in_rows_and_bytes_and_leave_nothing_out() {
        let row = |row, data_bytes| Waiting { row, data_bytes };
        let small = (0..1100).map(|id| row(id, 10));
        let large = [MAX_PAGE_BYTES, 2 * MAX_PAGE_BYTES, 600_000, 600_000];
        let large = (1100..).zip(large).map(|(id, bytes)| row(id, bytes));
        let waiting: Vec<Waiting> = small.chain(large).collect();
        let lengths: Vec<usize> = pages(&waiting).map(<[_]>::len).collect();
        assert_eq!(lengths, [512, 512, 76, 1, 1, 1, 1]);
        assert_eq!(pages(&waiting).flatten().count(), waiting.len());
        assert_eq!(pages(&[]).count(), 0);
    }
}
