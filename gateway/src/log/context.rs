//! What every task of the log shares.

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::clock::Clock;
use crate::domain::ids::NodeId;
use crate::telemetry::metrics::Metrics;

use super::lease::Pulse;
use super::news::Arrivals;
use super::queue::Queue;
use super::session::{LockClass, Schema, Sessions};
use super::work::Work;

/// Who we are and how to reach the database.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) sessions: Sessions,
    pub(super) locks: Locks,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) node: NodeId,
    pub(super) pulse: Pulse,
}

/// What is owned by lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Locks {
    pub(super) lane: LockClass,
    pub(super) bucket: LockClass,
    /// Who makes and drops partitions.
    pub(super) upkeep: LockClass,
}

impl Locks {
    pub(super) fn of(schema: &Schema) -> Self {
        Self {
            lane: LockClass::new("lane", schema),
            bucket: LockClass::new("bucket", schema),
            upkeep: LockClass::new("upkeep", schema),
        }
    }
}

/// Stop in two steps: finish first, then leave.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    /// Take nothing new, finish what is there.
    pub(super) soft: CancellationToken,
    /// Write down what is known and go.
    pub(super) hard: CancellationToken,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) ctx: Context,
    pub(super) queue: Queue,
    pub(super) ready: mpsc::Sender<Vec<Work>>,
    pub(super) stop: Stop,
    /// What was stored that waits for others.
    pub(super) arrivals: Arrivals,
    lanes_up: watch::Sender<usize>,
}

impl Shared {
    pub(super) fn new(
        ctx: Context,
        queue: Queue,
        ready: mpsc::Sender<Vec<Work>>,
        stop: Stop,
    ) -> Self {
        Self {
            ctx,
            queue,
            ready,
            stop,
            arrivals: Arrivals::default(),
            lanes_up: watch::channel(0).0,
        }
    }

    /// Lanes that store events right now.
    pub(super) fn lanes_up(&self) -> usize {
        *self.lanes_up.borrow()
    }

    pub(super) async fn until_lane_is_up(&self) {
        // The sender is ours, so waiting cannot fail.
        let _ = self.lanes_up.subscribe().wait_for(|lanes| *lanes > 0).await;
    }

    pub(super) fn lane_is_up(&self) {
        self.lanes_up.send_modify(|lanes| *lanes += 1);
        self.ctx.metrics.lanes_held.inc();
    }

    pub(super) fn lane_is_down(&self) {
        self.lanes_up.send_modify(|lanes| *lanes -= 1);
        self.ctx.metrics.lanes_held.dec();
    }
}
