//! One epoch of a lane: from taking its lock to losing it or giving it back.
//!
//! Everything here belongs to the epoch. What comes back from an earlier one leaves its attempt in
//! the record and changes nothing else, because recovery has already decided about its delivery.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, error, warn};

use crate::domain::attempt::AttemptNumber;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId, LaneId, SubscriptionId};

use super::buffer::{Buffer, MAX_OUTCOMES};
use super::context::Shared;
use super::error::{AppendError, Fault, LogError};
use super::event_log::{Appended, EventLog, NewEvent, Unfinished};
use super::lane::PgLane;
use super::lease::Lease;
use super::news::News;
use super::outcomes::{LaneOutcomes, Writer};
use super::outstanding::Outstanding;
use super::queue::Request;
use super::work::{Completion, Origin, ParkReason, Ticket, Work};

const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);
/// A session that was quiet for this long is asked whether it lives before a batch is risked.
const QUIET: Duration = Duration::from_secs(1);
const RETRY_WAIT: Duration = Duration::from_millis(250);
/// Tries of a batch that met a deadlock or the like.
const MAX_TRIES: u32 = 3;

#[derive(Debug)]
pub(super) struct Tenure {
    shared: Arc<Shared>,
    lane: PgLane,
    lease: Lease,
    outstanding: Outstanding,
    /// Up to where recovery has read; none once it is through.
    recovering: Option<EventId>,
    times: Times,
}

#[derive(Debug)]
struct Times {
    checkpoint_from: Instant,
    used_at: Instant,
}

impl Tenure {
    pub(super) fn new(shared: Arc<Shared>, lane: PgLane) -> Self {
        let lease = Lease::new(shared.ctx.pulse.clone());
        let (checkpoint, taken_over) = (lane.checkpoint(), lane.taken_over());
        let outstanding = Outstanding::after(taken_over).recovering_from(checkpoint);
        let now = Instant::now();
        Self {
            shared,
            lane,
            lease,
            outstanding,
            recovering: Some(checkpoint),
            times: Times {
                checkpoint_from: now,
                used_at: now,
            },
        }
    }

    /// Writes what an earlier session of this process could not. If nobody had the lane in between,
    /// its deliveries are parked as they asked; else only their attempts are kept, for whoever had
    /// the lane has decided about the deliveries.
    pub(super) async fn rescue(
        &mut self,
        buffer: &mut Buffer,
        earlier: Option<(LaneId, i32)>,
    ) -> Result<(), LogError> {
        let here = self.lane.lane();
        let parks = earlier.filter(|(lane, epoch)| *lane == here && epoch + 1 == self.lane.epoch());
        loop {
            buffer.receive_now();
            if buffer.pending.is_empty() {
                return Ok(());
            }
            self.write(buffer, parks.map(|(_, epoch)| epoch)).await?;
        }
    }

    /// Stores the requests together. What the database refuses for what is in it is split until it
    /// stands alone, so that it alone is refused.
    pub(super) async fn store(
        &mut self,
        requests: Vec<Request>,
        buffer: &Buffer,
    ) -> Result<(), LogError> {
        let mut parts = vec![requests];
        while let Some(mut part) = parts.pop() {
            match self.append(&part).await {
                Ok(results) => self.accept(part, results, buffer),
                Err(error) => match error.fault() {
                    Fault::Data if part.len() > 1 => {
                        parts.push(part.split_off(part.len() / 2));
                        parts.push(part);
                    }
                    Fault::Data => refuse(part, &error),
                    // Dropping requests tells those who wait that they may try again.
                    Fault::Later => self.tell_failure(&error),
                    Fault::Lost => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Once, and then now and then: on a full disk each batch fails.
    fn tell_failure(&self, fault: &LogError) {
        if self.shared.ctx.metrics.flow.store_failed() {
            error!(error = fault.told(), "events cannot be stored");
        }
    }

    async fn append(&mut self, part: &[Request]) -> Result<Vec<Appended>, LogError> {
        let events: Vec<&NewEvent> = part.iter().flat_map(|request| &request.events).collect();
        let metrics = self.shared.ctx.metrics.clone();
        metrics.flush_events.observe(events.len() as f64);
        let mut tries = 1;
        loop {
            let begun = Instant::now();
            let appended = self.lane.append(&events).await;
            self.times.used_at = Instant::now();
            match appended {
                Err(error) if error.fault() == Fault::Later && tries < MAX_TRIES => tries += 1,
                appended => {
                    metrics.flush_seconds.observe(begun.elapsed().as_secs_f64());
                    return appended;
                }
            }
        }
    }

    /// They are durable: say so, and hand out the work.
    fn accept(&mut self, part: Vec<Request>, results: Vec<Appended>, buffer: &Buffer) {
        let metrics = &self.shared.ctx.metrics;
        metrics.flow.stored();
        let mut results = results.into_iter();
        let mut works = Vec::new();
        let mut news = News::default();
        for request in part {
            let answer: Vec<Appended> = results.by_ref().take(request.events.len()).collect();
            for (event, appended) in request.events.into_iter().zip(&answer) {
                let Appended::Stored { id, .. } = *appended else {
                    if *appended != Appended::NotTaken {
                        metrics.events_duplicate.inc();
                    }
                    continue;
                };
                metrics.events_accepted.inc();
                news.add(&event.parked);
                metrics.pulse.event(event.tenant);
                self.outstanding.add(id, event.targets.len());
                let open = event.targets.iter().map(|target| (*target, 0)).collect();
                let event = Arc::new(Event {
                    id,
                    tenant: event.tenant,
                    event_type: event.event_type,
                    attributes: event.attributes,
                    data: event.data,
                });
                self.work(&mut works, event, open, buffer);
            }
            let _ = request.answer.send(Ok(answer));
        }
        self.hand_out(works);
        news.windows_close(self.lane.window_at());
        self.shared.arrivals.tell(news);
        self.shared.stored.notify_waiters();
    }

    fn work(
        &self,
        works: &mut Vec<Work>,
        event: Arc<Event>,
        open: Vec<(SubscriptionId, u16)>,
        buffer: &Buffer,
    ) {
        let origin = Origin::Lane {
            lane: self.lane.lane(),
            epoch: self.lane.epoch(),
        };
        for (subscription, made) in open {
            let delivery = DeliveryId {
                event: event.id,
                subscription,
            };
            let ticket = Ticket::new(delivery, origin, made, buffer.sender());
            works.push(Work {
                event: Arc::clone(&event),
                subscription,
                number: AttemptNumber::new(made).next(),
                ticket: ticket.under(self.lease.clone()),
                sequence: None,
                company: None,
            });
        }
    }

    /// What finds no room waits in rows of its own.
    fn hand_out(&self, works: Vec<Work>) {
        if works.is_empty() {
            return;
        }
        if let Err(refused) = self.shared.ready.try_send(works) {
            let now = self.shared.ctx.clock.now();
            for work in refused.into_inner() {
                work.ticket.park(ParkReason::Overflow, Some(now));
            }
        }
    }

    /// Reads what an earlier owner left, a page at a time, between the other steps.
    pub(super) async fn recover_page(&mut self, buffer: &Buffer) -> Result<(), LogError> {
        let Some(after) = self.recovering else {
            return Ok(());
        };
        let page = self.lane.read(after).await?;
        self.recovering = page.last().map(|unfinished| unfinished.id);
        let mut works = Vec::new();
        for Unfinished { id, open, event } in page {
            self.outstanding.add(id, open.len());
            if let Some(event) = event {
                self.work(&mut works, event, open, buffer);
            }
        }
        self.outstanding.recovered(self.recovering);
        if !works.is_empty() {
            debug!(lane = %self.lane.lane(), deliveries = works.len(), "deliveries recovered");
        }
        self.hand_out(works);
        Ok(())
    }

    pub(super) async fn write_outcomes(&mut self, buffer: &mut Buffer) -> Result<(), LogError> {
        buffer.receive_now();
        match self.write(buffer, None).await {
            Err(error) if error.fault() == Fault::Later => {
                warn!(error = error.told(), "outcomes wait to be written");
                buffer.postpone(RETRY_WAIT);
                Ok(())
            }
            written => written,
        }
    }

    /// `also` is an earlier epoch whose deliveries may still be parked.
    async fn write(&mut self, buffer: &mut Buffer, also: Option<i32>) -> Result<(), LogError> {
        let begun = Instant::now();
        let written = self.try_write(buffer, also).await;
        self.times.used_at = Instant::now();
        match written {
            Ok(()) => {
                for completion in &buffer.pending {
                    self.done(completion);
                }
                let metrics = &self.shared.ctx.metrics;
                let count = buffer.pending.len().min(MAX_OUTCOMES);
                metrics.complete_outcomes.observe(count as f64);
                let seconds = begun.elapsed().as_secs_f64();
                metrics.complete_seconds.observe(seconds);
                buffer.written();
                Ok(())
            }
            Err(error) => match error.fault() {
                Fault::Data => self.write_singly(buffer, also).await,
                Fault::Later => Err(error),
                Fault::Lost => {
                    buffer.is_in_doubt = true;
                    Err(error)
                }
            },
        }
    }

    async fn try_write(&mut self, buffer: &mut Buffer, also: Option<i32>) -> Result<(), LogError> {
        let connection = self.lane.connection();
        buffer.runs.intern(connection, &buffer.pending).await?;
        let outcomes = self.outcomes(buffer, &buffer.pending, also);
        let writer = Writer {
            node: self.shared.ctx.node,
            is_in_doubt: buffer.is_in_doubt,
        };
        outcomes.write(self.lane.connection(), writer).await
    }

    fn outcomes(
        &self,
        buffer: &Buffer,
        completions: &[Completion],
        also: Option<i32>,
    ) -> LaneOutcomes {
        let mut outcomes = LaneOutcomes::default();
        for completion in completions {
            let Origin::Lane { lane, epoch } = completion.origin else {
                continue;
            };
            if lane != self.lane.lane() {
                continue;
            }
            if let Some((attempt, run)) = &completion.record {
                let is_final = completion.after == super::work::After::Final;
                let run = buffer.runs.id(run);
                outcomes
                    .attempts
                    .push((completion.delivery, is_final), attempt, run);
            }
            if epoch == self.lane.epoch() || Some(epoch) == also {
                outcomes.park(completion);
            }
        }
        outcomes
    }

    /// One of them cannot be stored: find it, store what can be stored of it.
    async fn write_singly(
        &mut self,
        buffer: &mut Buffer,
        also: Option<i32>,
    ) -> Result<(), LogError> {
        let mut pending = std::mem::take(&mut buffer.pending);
        while let Some(mut completion) = pending.pop() {
            let mut written = self.write_one(buffer, &completion, also).await;
            if matches!(&written, Err(error) if error.fault() == Fault::Data) {
                if let Some((attempt, _)) = &mut completion.record {
                    (attempt.note, attempt.address, attempt.status) = (None, None, None);
                }
                written = self.write_one(buffer, &completion, also).await;
            }
            match written {
                Ok(()) => self.done(&completion),
                Err(error) if error.fault() == Fault::Data => {
                    // It stays outstanding, so the next owner of the lane delivers it again.
                    error!(delivery.id = %completion.delivery, %error, "an outcome cannot be stored");
                }
                Err(error) => {
                    pending.push(completion);
                    buffer.pending = pending;
                    buffer.is_in_doubt = true;
                    return Err(error);
                }
            }
        }
        buffer.written();
        Ok(())
    }

    async fn write_one(
        &mut self,
        buffer: &Buffer,
        completion: &Completion,
        also: Option<i32>,
    ) -> Result<(), LogError> {
        let outcomes = self.outcomes(buffer, std::slice::from_ref(completion), also);
        let writer = Writer {
            node: self.shared.ctx.node,
            is_in_doubt: buffer.is_in_doubt,
        };
        outcomes.write(self.lane.connection(), writer).await
    }

    fn done(&mut self, completion: &Completion) {
        let ours = Origin::Lane {
            lane: self.lane.lane(),
            epoch: self.lane.epoch(),
        };
        if completion.origin == ours {
            self.outstanding.done(completion.delivery.event);
        }
    }

    /// When the checkpoint is to be moved; none while it is where it can be.
    pub(super) fn checkpoint_at(&self) -> Option<Instant> {
        let moves = self.outstanding.checkpoint() > self.lane.checkpoint();
        moves.then_some(self.times.checkpoint_from)
    }

    pub(super) async fn move_checkpoint(&mut self) -> Result<(), LogError> {
        self.times.checkpoint_from = Instant::now() + CHECKPOINT_EVERY;
        match self.lane.commit(self.outstanding.checkpoint()).await {
            Err(error) if error.fault() == Fault::Lost => Err(error),
            _ => Ok(()),
        }
    }

    /// Asks a session that was quiet whether it lives.
    pub(super) async fn wake(&mut self) -> Result<(), LogError> {
        if self.times.used_at.elapsed() > QUIET {
            self.lane.ping().await?;
            self.times.used_at = Instant::now();
        }
        Ok(())
    }

    pub(super) fn is_recovering(&self) -> bool {
        self.recovering.is_some()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// What is handed out and not begun is not ours any more.
    pub(super) fn revoke(&self) {
        self.lease.revoke();
    }

    /// Writes the last outcomes and gives the lane back, settled where nothing is left.
    pub(super) async fn give_back(mut self, buffer: &mut Buffer) -> Result<(), LogError> {
        self.write_outcomes(buffer).await?;
        let checkpoint = self.outstanding.checkpoint();
        if self.outstanding.is_empty() {
            return self.lane.settle(checkpoint).await;
        }
        self.move_checkpoint().await?;
        self.lane.leave().await;
        Ok(())
    }
}

fn refuse(part: Vec<Request>, error: &LogError) {
    let reason = match error {
        LogError::Database(error) => error.to_string(),
        other => other.to_string(),
    };
    for request in part {
        warn!(error = %reason, "an event cannot be stored");
        let _ = request
            .answer
            .send(Err(AppendError::Refused(reason.clone())));
    }
}
