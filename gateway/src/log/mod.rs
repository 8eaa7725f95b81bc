//! The lane log: where an event becomes durable, and from where nothing is lost.
//!
//! # The story, forward
//!
//! 1. [`Log::append`] puts events into a bounded queue. A [`writer`] takes all that waits and hands
//!    it to its lane in one statement ([`lane`], [`batch`], `queries/append.sql`). When that has
//!    committed, those who wait are told, and the work goes to the delivery engine ([`work`]).
//! 2. Tickets come back with outcomes. They are gathered for a few milliseconds ([`buffer`]) and
//!    written in one statement ([`tenure`], `queries/complete_lane.sql`): an attempt for each, and a
//!    parked row for what must wait.
//! 3. What has an outcome is no longer outstanding ([`outstanding`]), and the lane's checkpoint
//!    follows, at most twice a second.
//! 4. Parked rows are loaded shortly before they are due ([`parked`]) by the node that owns their
//!    bucket ([`buckets`]), and go the same way again.
//! 5. What waits for others lies in rows too: of an order ([`orders`], [`order_reader`]) the first is
//!    handed out when all before it are gone; a window ([`windows`]) becomes one row, or several, when
//!    it closes ([`turns`]). Who stores such a thing tells the bucket's owner ([`news`]).
//! 6. Each second a node says that it lives, and hears what others left behind ([`beat`]). Lanes
//!    without an owner are adopted ([`crew`]): what is above their checkpoint and has no outcome is
//!    delivered again.
//!
//! # Why nothing is lost
//!
//! Every delivery of a committed event is at every instant at least one of: outstanding on a lane
//! that is not settled; parked; final. The step from one to the next is one statement. A lane and a
//! bucket have one owner, the session that holds the lock, and whoever gets the lock reads what the
//! last owner committed, all of it.
//!
//! What this module refuses to do: know what an event means, decide when to try again, delete.

mod again;
mod batch;
mod beat;
mod buckets;
mod buffer;
mod context;
mod crew;
mod deliveries;
mod due;
mod erase;
mod error;
mod event_log;
mod firing;
mod lane;
mod lease;
mod loader;
mod news;
mod order_reader;
mod orders;
mod outbox;
mod outcomes;
mod outstanding;
mod parked;
mod partitions;
mod queue;
mod runs;
mod session;
mod settling;
mod tenure;
mod turns;
mod windows;
pub mod work;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::domain::clock::Clock;
use crate::domain::ids::{ConfigVersion, NodeId};
use crate::telemetry::metrics::Metrics;

pub use again::{park_again, release_missed};
pub use beat::{Beat, join};
pub use deliveries::Retried;
pub use erase::erase;
pub use error::{AppendError, CancelError, LogError};
pub use event_log::{Appended, EventLog, FromOutbox, Idempotency, NewEvent, Unfinished, Wait};
pub use lease::{Lease, Pulse};
pub use outbox::{Ear, Outbox, OutboxAt, OutboxRow, Waiting};

use context::{Context, Locks, Shared, Stop};
use queue::Queue;
use session::Sessions;
use work::Work;

/// How much the log holds and keeps. Section `[log]`.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Lanes that this node may write at once.
    pub max_lanes: u8,
    /// Bytes of events that may wait to be stored.
    pub max_queued_bytes: u32,
    /// Events and attempts older than this are dropped.
    pub retention: Duration,
    /// How often all parked rows that are due are looked through, whatever is remembered of them.
    pub sweep_every: Duration,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            max_lanes: 4,
            max_queued_bytes: 64 << 20,
            retention: Duration::from_secs(30 * 24 * 3600),
            sweep_every: Duration::from_secs(45),
        }
    }
}

/// What the log is made of.
#[derive(Debug)]
pub struct LogParts {
    /// For sessions of its own: direct connections, never through a transaction pooler.
    pub database: PgConnectOptions,
    pub pool: PgPool,
    pub clock: Clock,
    pub metrics: Metrics,
    /// From [`join`].
    pub node: NodeId,
    /// What this node's configuration has seen; the beat tells the others.
    pub config_seen: watch::Receiver<ConfigVersion>,
    /// Where work goes.
    pub ready: mpsc::Sender<Vec<Work>>,
    pub config: LogConfig,
}

/// The log of one node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
    pool: PgPool,
    tasks: TaskTracker,
    beats: watch::Receiver<Beat>,
    ended_early: CancellationToken,
}

impl Log {
    /// Takes a lane and begins; returns when events can be stored.
    ///
    /// # Errors
    /// Where the database cannot be reached, or is not reached directly.
    pub async fn start(parts: LogParts) -> Result<Self, LogError> {
        let clock = parts.clock.clone();
        let sessions = Sessions::new(parts.database, clock.clone(), parts.node);
        let locks = Locks::of(&sessions.prove().await?);
        let ctx = Context {
            sessions,
            locks,
            clock,
            metrics: parts.metrics,
            node: parts.node,
            pulse: Pulse::starting_now(),
        };
        partitions::ensure(&parts.pool, &ctx).await?;
        let queue = Queue::new(parts.config.max_queued_bytes);
        let shared = Arc::new(Shared::new(ctx, queue, parts.ready, Stop::default()));
        let first = lane::PgLane::take(&shared.ctx, lane::Wanted::Any { preferred: None }).await?;

        let log_tasks = TaskTracker::new();
        let (beat, beats) = watch::channel(Beat::default());
        let (held, buckets_held) = watch::channel(buckets::Interest::default());
        let ended_early = CancellationToken::new();
        let guard = |name| Watched {
            name,
            stop: shared.stop.clone(),
            ended_early: ended_early.clone(),
        };
        log_tasks.spawn(guard("crew").run(crew::run(
            Arc::clone(&shared),
            first,
            beats.clone(),
            parts.config.max_lanes,
        )));
        log_tasks.spawn(guard("parked").run(parked::run(
            Arc::clone(&shared),
            (beats.clone(), held),
            parts.config.sweep_every,
        )));
        let heart = beat::Heart::new(Arc::clone(&shared), parts.config_seen, beat, buckets_held);
        log_tasks.spawn(guard("beat").run(heart.run()));
        let upkeep = partitions::run(
            parts.pool.clone(),
            Arc::clone(&shared),
            parts.config.retention,
        );
        log_tasks.spawn(guard("upkeep").run(upkeep));
        log_tasks.spawn(guard("news").run(news::run(
            Arc::clone(&shared),
            parts.pool.clone(),
            beats.clone(),
        )));
        log_tasks.close();
        shared.until_lane_is_up().await;
        Ok(Self {
            shared,
            pool: parts.pool,
            tasks: log_tasks,
            beats,
            ended_early,
        })
    }

    /// Stores `events` in one transaction, all or nothing. Durable when it returns; one result an
    /// event, in their order. Waits for one commit, seldom for two.
    ///
    /// # Errors
    /// Nothing was stored on [`AppendError::Busy`], [`AppendError::Stopping`] and
    /// [`AppendError::Refused`].
    pub async fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Appended>, AppendError> {
        if self.shared.stop.soft.is_cancelled() {
            return Err(AppendError::Stopping);
        }
        if self.shared.lanes_up() == 0 {
            return Err(AppendError::Unavailable);
        }
        let stored = self.shared.queue.push(events)?;
        stored.await.unwrap_or(Err(AppendError::Unavailable))
    }

    /// What each beat said: the configuration's version, live nodes, what is due.
    #[must_use]
    pub fn beats(&self) -> watch::Receiver<Beat> {
        self.beats.clone()
    }

    /// Says whether this node still hears from its database; without, it starts no attempt.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.shared.ctx.pulse.clone()
    }

    /// Completes when a task of the log ended although nobody asked it to: end the process, so
    /// that another takes over.
    pub async fn ended_early(&self) {
        self.ended_early.cancelled().await;
    }

    /// Stops: takes nothing new, waits until what is handed out has come back or `deadline` has
    /// passed, writes it down, gives back lanes and buckets. Drain the delivery engine before.
    pub async fn drain(&self, deadline: Duration) {
        self.shared.stop.soft.cancel();
        if tokio::time::timeout(deadline, self.tasks.wait())
            .await
            .is_err()
        {
            info!("the log leaves with work under way");
            self.shared.stop.hard.cancel();
            self.tasks.wait().await;
        }
        self.shared.queue.refuse_all().await;
        if let Err(error) = beat::leave(&self.pool, self.shared.ctx.node).await {
            info!(%error, "the node's row stays until others sweep it away");
        }
    }
}

/// A task that must not end before it is told to.
struct Watched {
    name: &'static str,
    stop: Stop,
    ended_early: CancellationToken,
}

impl Watched {
    async fn run(self, task: impl Future<Output = ()>) {
        // Dropped on a panic too.
        let alarm = self.ended_early.drop_guard();
        task.await;
        if self.stop.soft.is_cancelled() {
            alarm.disarm();
        } else {
            tracing::error!(task = self.name, "a task of the log ended early");
        }
    }
}
