//! Events straight from SQL: moves what transactions left in an outbox into the log.
//!
//! A row is checked and matched like an event that came by HTTP, and leaves the outbox in the
//! statement that stores its event. Nobody waits for an answer any more, so nothing is refused for
//! being too much: a tenant's rows count towards its quota, and what it sends by HTTP pays for them.
//! A row that can become no event is set aside, where people find it, and holds up nobody.

mod row;

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::MAX_DATA_BYTES;
use super::accept::{AcceptError, Ingest};
use crate::domain::ids::EventId;
use crate::log::{
    AppendError, Appended, Beat, Ear, FromOutbox, LogError, NewEvent, Outbox, OutboxAt, OutboxRow,
    Waiting,
};
use crate::telemetry::metrics::Metrics;

/// Of one statement.
const MAX_PAGE_ROWS: usize = 512;
const MAX_PAGE_BYTES: usize = MAX_DATA_BYTES;
/// While a transaction is open that has emitted and may commit any moment.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const WAIT_AFTER_ERROR: Duration = Duration::from_millis(500);
const WAIT_WHILE_BUSY: Duration = Duration::from_millis(50);
/// Who does not hold the outbox looks so seldom; a node that goes is noticed sooner.
const STANDBY: Duration = Duration::from_secs(10);
/// Looks in a row that must find rows before `emit` is told that nobody needs its notices.
const BUSY_LOOKS: u32 = 3;

/// Why a row did not become an event.
#[derive(Debug, thiserror::Error)]
enum MoveError {
    /// It never will.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Accept(#[from] AcceptError),
    #[error("the gateway is stopping")]
    Stopping,
}

/// Drains one outbox, on whichever node holds its lock.
#[derive(Debug)]
pub struct Drain {
    ingest: Ingest,
    at: OutboxAt,
    beats: watch::Receiver<Beat>,
    metrics: Metrics,
}

impl Drain {
    /// The outbox of the gateway's own database.
    #[must_use]
    pub fn own(ingest: &Ingest, metrics: Metrics) -> Self {
        Self {
            at: ingest.log().outbox(),
            beats: ingest.log().beats(),
            ingest: ingest.clone(),
            metrics,
        }
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.serve(&stop).await {
                Ok(()) | Err(MoveError::Stopping) => {}
                Err(error) => {
                    warn!(%error, "the outbox is left for a moment");
                    stop.run_until_cancelled(sleep(WAIT_AFTER_ERROR)).await;
                }
            }
        }
    }

    /// Until the session is lost, or somebody else has the outbox.
    async fn serve(&mut self, stop: &CancellationToken) -> Result<(), MoveError> {
        let Some(mut outbox) = self.at.take().await? else {
            self.stand_by(stop).await;
            return Ok(());
        };
        info!("this node drains the outbox");
        let mut ear = self.at.listen().await?;
        let mut pace = Pace::new();
        while !stop.is_cancelled() {
            let waiting = outbox.look().await?;
            self.metrics
                .outbox_waiting
                .set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
            if waiting.is_empty() {
                let rest = pace.found_nothing(&mut outbox).await?;
                self.rest(&outbox, rest, (&mut ear, stop)).await?;
            } else {
                self.move_all(&mut outbox, &waiting, stop).await?;
                pace.found_some(&mut outbox).await?;
            }
        }
        outbox.close().await;
        Ok(())
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
            Rest::UntilNews => Duration::MAX,
        };
        let is_news = |beat: &Beat| outbox.is_news(beat.newest_outbox_row);
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            heard = ear.heard() => heard,
            () = sleep(wait) => Ok(()),
            Ok(()) = next(&mut self.beats, is_news), if rest == Rest::UntilNews => Ok(()),
        }
    }

    async fn move_all(
        &self,
        outbox: &mut Outbox,
        waiting: &[Waiting],
        stop: &CancellationToken,
    ) -> Result<(), MoveError> {
        let mut last = None;
        for page in pages(waiting) {
            let rows = outbox.rows(page).await?;
            let mut events = Vec::with_capacity(rows.len());
            for row in rows {
                let (id, emitted_at) = (row.id, row.emitted_at);
                match self.event(row).await {
                    Ok(event) => events.push((event, emitted_at)),
                    Err(MoveError::Refused(reason)) => self.set_aside(outbox, id, &reason).await?,
                    Err(error) => return Err(error),
                }
            }
            let (events, emitted): (Vec<_>, Vec<_>) = events.into_iter().unzip();
            self.after(last).await;
            last = self.move_page(outbox, events, stop).await?.max(last);
            let now = self.ingest.store().clock().now();
            for at in emitted {
                let delay = now.since(at).as_secs_f64();
                self.metrics.outbox_seconds.observe(delay);
            }
        }
        Ok(())
    }

    /// Another lane may store the next page: its ids are higher once the clock has gone on.
    async fn after(&self, last: Option<EventId>) {
        let clock = self.ingest.store().clock();
        while last.is_some_and(|last| clock.now() <= last.received_at()) {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Stores a page; what the database refuses is halved until the culprit stands alone. Returns
    /// the highest id.
    async fn move_page(
        &self,
        outbox: &mut Outbox,
        events: Vec<NewEvent>,
        stop: &CancellationToken,
    ) -> Result<Option<EventId>, MoveError> {
        let mut parts = vec![events];
        let mut last = None;
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.append(&part, stop).await {
                Ok(id) => last = last.max(id),
                Err(MoveError::Refused(_)) if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
                Err(MoveError::Refused(reason)) => {
                    let row = part[0].outbox.map_or(0, |outbox| outbox.row);
                    self.set_aside(outbox, row, &reason).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(last)
    }

    async fn append(
        &self,
        events: &[NewEvent],
        stop: &CancellationToken,
    ) -> Result<Option<EventId>, MoveError> {
        loop {
            let appended = self.ingest.log().append(events.to_vec()).await;
            match appended {
                Ok(appended) => return self.stored(events, &appended).await,
                Err(AppendError::Busy | AppendError::Unavailable) if !stop.is_cancelled() => {
                    sleep(WAIT_WHILE_BUSY).await;
                }
                Err(AppendError::Refused(reason)) => return Err(MoveError::Refused(reason)),
                Err(_) => return Err(MoveError::Stopping),
            }
        }
    }

    async fn stored(
        &self,
        events: &[NewEvent],
        appended: &[Appended],
    ) -> Result<Option<EventId>, MoveError> {
        let stored = appended.iter().filter_map(|appended| match appended {
            Appended::Stored { id, .. } => Some(*id),
            _ => None,
        });
        let count = stored.clone().count();
        if count < appended.len() {
            // Most likely somebody subscribed a moment ago; the next look matches anew.
            self.ingest
                .store()
                .feed()
                .refresh()
                .await
                .map_err(AcceptError::from)?;
        }
        self.metrics.outbox_events.inc_by(count as u64);
        self.ingest.charge(events);
        Ok(stored.max())
    }

    async fn set_aside(&self, outbox: &mut Outbox, row: i64, reason: &str) -> Result<(), LogError> {
        warn!(
            outbox.row = row,
            reason, "a row of the outbox can become no event and was set aside"
        );
        self.metrics.outbox_refused.inc();
        outbox.set_aside(row, reason).await
    }

    /// The row as an event, matched; the rules are those of events that come by HTTP.
    async fn event(&self, row: OutboxRow) -> Result<NewEvent, MoveError> {
        let id = row.id;
        let (tenant, mut event) = row::checked(row).map_err(MoveError::Refused)?;
        let tenant = self.ingest.store().ensure_tenant(&tenant).await;
        event.tenant = tenant.map_err(AcceptError::from)?;
        // Read before the match: what is newer than it may not have been matched.
        let matched_with = self.ingest.store().catalog().version();
        event.outbox = Some(FromOutbox {
            row: id,
            matched_with,
        });
        self.ingest.address(&mut event);
        Ok(event)
    }
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

/// How soon to look again, and whether to be told instead.
#[derive(Debug)]
struct Pace {
    busy_looks: u32,
    wait: Duration,
    /// None: what an earlier owner asked for is not known.
    wants_notice: Option<bool>,
}

/// What to do after a look that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Look again: something may have come before notices were asked for.
    Look,
    For(Duration),
    UntilNews,
}

impl Pace {
    fn new() -> Self {
        Self {
            busy_looks: 0,
            wait: FIRST_WAIT,
            wants_notice: None,
        }
    }

    /// Seldom rows are told of; from many in a row on they are found by looking.
    async fn found_some(&mut self, outbox: &mut Outbox) -> Result<(), LogError> {
        self.busy_looks += 1;
        self.wait = FIRST_WAIT;
        if self.busy_looks >= BUSY_LOOKS && self.wants_notice != Some(false) {
            outbox.wants_notice(false).await?;
            self.wants_notice = Some(false);
        }
        Ok(())
    }

    /// Whoever emitted before notices were asked for has taken its row's number before, so while
    /// such a transaction is open the outbox is not done, and looking goes on.
    async fn found_nothing(&mut self, outbox: &mut Outbox) -> Result<Rest, LogError> {
        self.busy_looks = 0;
        if !outbox.is_done() && self.wait < LONGEST_WAIT {
            let rest = Rest::For(self.wait);
            self.wait *= 2;
            return Ok(rest);
        }
        if self.wants_notice == Some(true) {
            return Ok(Rest::UntilNews);
        }
        outbox.wants_notice(true).await?;
        self.wants_notice = Some(true);
        Ok(Rest::Look)
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
