//! The task that owns a lane: it stores what is queued, hands out the work, writes down what came
//! of it and moves the checkpoint, one statement after the other on the lane's one session.
//!
//! Because one task does all of it in turn, an event is outstanding before its work is handed out,
//! and the checkpoint is computed when no append is under way: it can never pass an event that is
//! about to appear.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use crate::domain::ids::LaneId;

use super::buffer::Buffer;
use super::context::Shared;
use super::error::LogError;
use super::lane::{PgLane, Wanted};
use super::queue::Request;
use super::tenure::Tenure;

const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// An extra lane that stored nothing for this long is given back.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// Wait for room downstream between two pages of recovery.
const PAGE_WAIT: Duration = Duration::from_millis(20);

/// What a lane is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The node's first: held until it stops.
    Main,
    /// Held while one is not enough.
    Extra,
    /// Another node left it: its work is finished, nothing is added.
    Adopted(LaneId),
}

/// What to do next.
enum Step {
    Store(Vec<Request>),
    Received,
    Write,
    Checkpoint,
    Page,
    Finish,
    Leave,
}

#[derive(Debug)]
pub(super) struct LaneWriter {
    shared: Arc<Shared>,
    role: Role,
    buffer: Buffer,
    /// The lane that was held last: its outcomes may still be in the buffer.
    last: Option<(LaneId, i32)>,
    /// A batch that met a dead session before it was sent.
    carried: Vec<Request>,
}

impl LaneWriter {
    pub(super) fn new(shared: Arc<Shared>, role: Role) -> Self {
        Self {
            shared,
            role,
            buffer: Buffer::new(),
            last: None,
            carried: Vec::new(),
        }
    }

    /// Takes a lane and serves it; takes one again when its session is lost. Ends when the lane is
    /// given back.
    pub(super) async fn run(mut self, mut taken: Option<PgLane>) {
        let mut wait = FIRST_WAIT;
        while !self.shared.stop.hard.is_cancelled() {
            let lane = match taken.take() {
                Some(lane) => Ok(lane),
                None => PgLane::take(&self.shared.ctx, self.wanted()).await,
            };
            let error = match lane {
                Ok(lane) => match self.serve(lane).await {
                    Ok(()) => return,
                    Err(error) => {
                        wait = FIRST_WAIT;
                        error
                    }
                },
                Err(LogError::NoFreeLane) if matches!(self.role, Role::Adopted(_)) => return,
                Err(error) => {
                    self.carried.clear();
                    wait = (wait * 2).min(LONGEST_WAIT);
                    error
                }
            };
            warn!(error = error.told(), "no session for a lane");
            if !self.carried.is_empty() {
                continue;
            }
            self.refuse_if_alone().await;
            if self.shared.stop.soft.is_cancelled() && self.role != Role::Main {
                return;
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = self.shared.stop.hard.cancelled() => {}
            }
        }
    }

    fn wanted(&self) -> Wanted {
        match self.role {
            Role::Adopted(lane) => Wanted::Only(lane),
            Role::Main | Role::Extra => Wanted::Any {
                preferred: self.last.map(|(lane, _)| lane),
            },
        }
    }

    /// With no lane left nobody would answer those who wait.
    async fn refuse_if_alone(&self) {
        if self.shared.lanes_up() == 0 {
            self.shared.queue.refuse_all().await;
        }
    }

    async fn serve(&mut self, lane: PgLane) -> Result<(), LogError> {
        let stores = !matches!(self.role, Role::Adopted(_));
        info!(lane = %lane.lane(), epoch = lane.epoch(), adopted = !stores, "lane taken");
        let earlier = self.last.replace((lane.lane(), lane.epoch()));
        let mut tenure = Tenure::new(Arc::clone(&self.shared), lane);
        tenure.rescue(&mut self.buffer, earlier).await?;
        if stores {
            self.shared.lane_is_up();
        }
        let served = self.steps(&mut tenure, stores).await;
        if stores {
            self.shared.lane_is_down();
        }
        tenure.revoke();
        match served {
            Ok(()) => tenure.give_back(&mut self.buffer).await,
            Err(error) => Err(error),
        }
    }

    /// Until the lane is to be given back, or its session is lost.
    async fn steps(&mut self, tenure: &mut Tenure, stores: bool) -> Result<(), LogError> {
        let mut takes_batches = stores;
        let mut idle_at = Instant::now() + IDLE_LIMIT;
        let carried = std::mem::take(&mut self.carried);
        if !carried.is_empty() {
            tenure.store(carried, &self.buffer).await?;
        }
        while takes_batches || !(tenure.is_settled() && self.buffer.flush_at().is_none()) {
            match self.next_step(tenure, takes_batches, idle_at).await {
                Step::Store(batch) => {
                    idle_at = Instant::now() + IDLE_LIMIT;
                    if let Err(error) = tenure.wake().await {
                        self.carried = batch;
                        return Err(error);
                    }
                    tenure.store(batch, &self.buffer).await?;
                }
                Step::Received => {}
                Step::Write => tenure.write_outcomes(&mut self.buffer).await?,
                Step::Checkpoint => tenure.move_checkpoint().await?,
                Step::Page => tenure.recover_page(&self.buffer).await?,
                Step::Finish => takes_batches = false,
                Step::Leave => break,
            }
        }
        Ok(())
    }

    async fn next_step(&mut self, tenure: &Tenure, takes: bool, idle_at: Instant) -> Step {
        let Shared {
            queue, ready, stop, ..
        } = &*self.shared;
        let (write_at, is_behind) = (self.buffer.flush_at(), self.buffer.is_behind());
        let checkpoint_at = tenure.checkpoint_at();
        let page_wait = if ready.capacity() > 0 {
            Duration::ZERO
        } else {
            PAGE_WAIT
        };
        tokio::select! {
            () = stop.hard.cancelled() => Step::Leave,
            () = at(write_at), if write_at.is_some() => Step::Write,
            () = self.buffer.receive(), if self.buffer.has_room() => Step::Received,
            batch = queue.next_batch(), if takes && !is_behind => Step::Store(batch),
            () = at(checkpoint_at), if checkpoint_at.is_some() => Step::Checkpoint,
            () = sleep(page_wait), if tenure.is_recovering() => Step::Page,
            () = stop.soft.cancelled(), if takes && queue.waiting_events() == 0 => Step::Finish,
            () = sleep_until(idle_at), if takes && self.role == Role::Extra => Step::Finish,
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
