//! How a delivery goes out: fairly, signed, to an address that was vetted.
//!
//! The story, forward: [`scheduler`] takes the work that is due and gives each piece its turn
//! ([`queue`], [`line`], [`pace`], [`standing`]); [`deliver`] hands it to the plugins ([`transform`]), has
//! [`request`] or [`handshake`] write it ([`body`], [`cloudevents`], [`signature`]) and [`sender`] send it, through [`guard`] and
//! [`resolver`]; what came of it is written down by [`record`] and goes back with the ticket.
//!
//! Knows neither the API nor the database: subscriptions, plugins, time and randomness are handed
//! in, and every piece of work goes back by its ticket, whatever happens here.

pub mod answer;
pub mod aside;
pub mod board;
pub mod body;
mod cloudevents;
mod company;
mod deliver;
pub mod guard;
pub mod handshake;
mod kept;
mod line;
pub mod pace;
pub mod queue;
mod record;
pub mod request;
pub mod resolver;
mod scheduler;
pub mod sender;
pub mod signature;
pub mod standing;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tokens;
pub mod transform;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::board::Board;
use self::deliver::{Context, Courier};
pub use self::deliver::{Disable, Notify};
pub use self::handshake::{Conclude, Origin};
pub use self::queue::Bounds;
use self::scheduler::{Scheduler, SchedulerParts};
pub use self::sender::Sender;
use self::tokens::Tokens;
pub use self::transform::Transform;
use crate::domain::clock::Clock;
use crate::domain::ids::SubscriptionId;
use crate::domain::random::Random;
use crate::domain::retry::RetrySchedule;
use crate::domain::subscription::Subscription;
use crate::log::work::Work;
use crate::telemetry::metrics::Metrics;

/// Looks subscriptions up as they are configured now.
pub trait Subscriptions: Send + Sync {
    /// None where this node has not heard of it. Called several times for each delivery.
    fn subscription(&self, id: SubscriptionId) -> Option<Arc<Subscription>>;
}

/// Whether new attempts may start: not on a node that has lost sight of the database.
pub type MayStart = Arc<dyn Fn() -> bool + Send + Sync>;

/// How many nodes share what a subscription allows, this one included.
pub type Nodes = Arc<dyn Fn() -> u32 + Send + Sync>;

/// Told of a subscription whose receiver was down and is back.
pub type Recovered = Arc<dyn Fn(SubscriptionId) -> BoxFuture<'static, ()> + Send + Sync>;

/// How much is delivered at once, and how hard.
#[derive(Clone, Debug)]
pub struct DeliveryConfig {
    pub bounds: Bounds,
    /// For subscriptions that name none.
    pub retry_schedule: RetrySchedule,
    /// Likewise: requests under way at once.
    pub max_in_flight_per_subscription: usize,
}

impl Default for DeliveryConfig {
    /// 1,024 requests under way; up to 100,000 deliveries or 128 MiB wait, of which one tenant
    /// alone gets half.
    fn default() -> Self {
        Self {
            bounds: Bounds {
                max_waiting: 100_000,
                max_waiting_bytes: 128 * 1024 * 1024,
                max_in_flight: 1024,
            },
            retry_schedule: RetrySchedule::default(),
            max_in_flight_per_subscription: 16,
        }
    }
}

/// The engine's parts.
pub struct DeliveryParts {
    pub config: DeliveryConfig,
    pub ready: mpsc::Receiver<Vec<Work>>,
    pub outside: Outside,
    /// Who the gateway says it is.
    pub origin: Origin,
    pub sender: Sender,
    /// Where it is written how receivers fare.
    pub board: Board,
    pub clock: Clock,
    pub random: Random,
    pub metrics: Metrics,
}

/// What the engine asks of the rest of the gateway.
pub struct Outside {
    pub subscriptions: Arc<dyn Subscriptions>,
    pub transform: Arc<dyn Transform>,
    pub disable: Disable,
    pub notify: Notify,
    pub conclude: Conclude,
    pub may_start: MayStart,
    pub nodes: Nodes,
    pub recovered: Recovered,
}

/// The running engine.
pub struct Delivery {
    stop: CancellationToken,
    limit: Mutex<Option<oneshot::Sender<Duration>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Delivery {
    #[must_use]
    pub fn start(parts: DeliveryParts) -> Self {
        let stop = CancellationToken::new();
        let (limit, limited) = oneshot::channel();
        let courier = Courier {
            sender: parts.sender,
            tokens: Tokens::new(),
            transform: parts.outside.transform,
            disable: parts.outside.disable,
            conclude: parts.outside.conclude,
            origin: parts.origin,
            context: Context {
                clock: parts.clock,
                random: parts.random,
                metrics: parts.metrics,
                notify: parts.outside.notify,
                default_schedule: parts.config.retry_schedule,
            },
        };
        let mut scheduler = Scheduler::new(SchedulerParts {
            ready: parts.ready,
            subscriptions: parts.outside.subscriptions,
            courier: Arc::new(courier),
            may_start: parts.outside.may_start,
            nodes: parts.outside.nodes,
            recovered: parts.outside.recovered,
            bounds: parts.config.bounds,
            board: parts.board,
            default_in_flight: parts.config.max_in_flight_per_subscription,
            stop: stop.clone(),
        });
        let task = tokio::spawn(async move {
            scheduler.run().await;
            scheduler.finish(limited.await.unwrap_or_default()).await;
        });
        Self {
            stop,
            limit: Mutex::new(Some(limit)),
            task: Mutex::new(Some(task)),
        }
    }

    /// Takes no more work, parks what waits, and gives what is under way until `limit` to finish;
    /// what does not is parked as well. A second call returns at once.
    pub async fn drain(&self, limit: Duration) {
        if let Some(sender) = self.limit.lock().take() {
            // Without a listener the scheduler has ended already.
            let _ = sender.send(limit);
        }
        self.stop.cancel();
        let task = self.task.lock().take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "delivery engine failed");
        }
    }
}

impl std::fmt::Debug for DeliveryParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeliveryParts").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").finish_non_exhaustive()
    }
}
