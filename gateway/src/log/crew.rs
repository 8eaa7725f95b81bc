//! Who writes which lane: the node's own, extra ones while it is busy, and those that others left.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::interval;
use tracing::error;

use crate::domain::ids::LaneId;

use super::beat::Beat;
use super::context::Shared;
use super::lane::PgLane;
use super::queue::MAX_FLUSH_EVENTS;
use super::writer::{LaneWriter, Role};

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks in a row that must find more than a full batch waiting before a lane is added.
const BUSY_LOOKS: u32 = 4;
/// Lanes that are adopted at once; the others wait for their turn, or for another node.
const MAX_ADOPTED: usize = 4;

/// Keeps the writers; ends when the log stops and all of them have given their lanes back.
pub(super) async fn run(
    shared: Arc<Shared>,
    first: PgLane,
    mut beats: watch::Receiver<Beat>,
    max_lanes: u8,
) {
    let mut crew = Crew {
        shared: Arc::clone(&shared),
        writers: JoinSet::new(),
        own: 0,
        adopting: HashSet::new(),
        busy_looks: 0,
    };
    crew.spawn(Role::Main, Some(first));
    let mut looks = interval(LOOK_EVERY);
    while !shared.stop.soft.is_cancelled() {
        tokio::select! {
            _ = looks.tick() => crew.look(max_lanes),
            Ok(()) = beats.changed() => crew.adopt(&beats.borrow_and_update().orphans),
            Some(ended) = crew.writers.join_next() => crew.ended(ended),
            () = shared.stop.soft.cancelled() => {}
        }
    }
    while let Some(ended) = crew.writers.join_next().await {
        crew.ended(ended);
    }
}

struct Crew {
    shared: Arc<Shared>,
    writers: JoinSet<Role>,
    own: u8,
    adopting: HashSet<LaneId>,
    busy_looks: u32,
}

impl Crew {
    fn spawn(&mut self, role: Role, lane: Option<PgLane>) {
        match role {
            Role::Main | Role::Extra => self.own += 1,
            Role::Adopted(lane) => {
                self.adopting.insert(lane);
            }
        }
        let writer = LaneWriter::new(Arc::clone(&self.shared), role);
        self.writers.spawn(async move {
            writer.run(lane).await;
            role
        });
    }

    /// Another lane helps only where the queue stays long: larger batches are cheaper.
    fn look(&mut self, max_lanes: u8) {
        let is_busy = self.shared.queue.waiting_events() > MAX_FLUSH_EVENTS;
        self.busy_looks = if is_busy { self.busy_looks + 1 } else { 0 };
        if self.busy_looks >= BUSY_LOOKS && self.own < max_lanes {
            self.busy_looks = 0;
            self.spawn(Role::Extra, None);
        }
    }

    fn adopt(&mut self, orphans: &[LaneId]) {
        for lane in orphans {
            if self.adopting.len() < MAX_ADOPTED && !self.adopting.contains(lane) {
                self.spawn(Role::Adopted(*lane), None);
            }
        }
    }

    fn ended(&mut self, ended: Result<Role, tokio::task::JoinError>) {
        match ended {
            Ok(Role::Main | Role::Extra) => self.own -= 1,
            Ok(Role::Adopted(lane)) => {
                self.adopting.remove(&lane);
            }
            Err(error) => {
                // Its session went with it, so its lane is an orphan that the next beat reports.
                error!(%error, "a lane's writer broke down");
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}
