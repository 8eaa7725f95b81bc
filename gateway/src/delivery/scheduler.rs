//! Takes the work that is due and gives each piece its turn.
//!
//! One task owns the queue and spawns a task for each attempt and each batch for the plugins. What
//! cannot be tried soon does not stay: after a few seconds it is parked, so that the log's
//! checkpoint can move, and its next turn comes when the line will have got to it. Sends nothing
//! itself and decides nothing about retries.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::board::Board;
use super::deliver::{Courier, Item, Report};
use super::handshake::is_handshake;
use super::queue::{Bounds, Limits, Place, Queue, Turn, Waiting};
use super::standing::{Standing, standing};
use super::{MayStart, Nodes, Recovered, Subscriptions};
use crate::domain::attempt::Outcome;
use crate::domain::health::Health;
use crate::domain::ids::SubscriptionId;
use crate::domain::queueing::Blocks;
use crate::domain::subscription::{State, Subscription};
use crate::log::work::{Origin, ParkReason, Ticket, Work};

/// Longest time that work stays in memory before its attempt starts.
const PATIENCE: Duration = Duration::from_secs(10);
/// Shortest and longest time away for what did not get its turn.
const MIN_AWAY: Duration = Duration::from_secs(2);
const MAX_AWAY: Duration = Duration::from_secs(3600);
const TICK: Duration = Duration::from_millis(250);
/// Signals that are taken at once.
const MAX_SIGNALS: usize = 256;

/// Where the scheduler gets work, and what it does it with.
pub(super) struct SchedulerParts {
    pub(super) ready: mpsc::Receiver<Vec<Work>>,
    pub(super) subscriptions: Arc<dyn Subscriptions>,
    pub(super) courier: Arc<Courier>,
    pub(super) may_start: MayStart,
    pub(super) nodes: Nodes,
    pub(super) recovered: Recovered,
    pub(super) bounds: Bounds,
    pub(super) board: Board,
    /// Requests under way at once for a subscription that names no number.
    pub(super) default_in_flight: usize,
    pub(super) stop: CancellationToken,
}

/// What a task reports when it ends, however it ends.
enum Signal {
    Sent(Place, Option<Report>),
    Prepared(Place, Vec<Waiting<Item>>),
}

/// Returns a slot to the queue, also where its task panics or is stopped.
struct Slot {
    signal: Option<Signal>,
    signals: mpsc::UnboundedSender<Signal>,
}

impl Slot {
    fn set(&mut self, signal: Signal) {
        self.signal = Some(signal);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(signal) = self.signal.take() {
            // Nobody listens any more once the scheduler has stopped.
            let _ = self.signals.send(signal);
        }
    }
}

pub(super) struct Scheduler {
    parts: SchedulerParts,
    queue: Queue<Item>,
    tasks: JoinSet<()>,
    signals: mpsc::UnboundedSender<Signal>,
    signalled: mpsc::UnboundedReceiver<Signal>,
}

impl Scheduler {
    pub(super) fn new(parts: SchedulerParts) -> Self {
        let (signals, signalled) = mpsc::unbounded_channel();
        Self {
            queue: Queue::new(parts.bounds),
            tasks: JoinSet::new(),
            parts,
            signals,
            signalled,
        }
    }

    /// Runs until it is stopped, or until nobody hands out work any more and all of it is done.
    /// Dropping the scheduler parks what still waits and stops what is under way.
    pub(super) async fn run(&mut self) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut signals = Vec::with_capacity(MAX_SIGNALS);
        let stop = self.parts.stop.clone();
        let mut is_open = true;
        while is_open || !self.queue.is_idle() {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = self.signalled.recv_many(&mut signals, MAX_SIGNALS) => {
                    for signal in signals.drain(..) {
                        self.take_back(signal);
                    }
                }
                works = self.parts.ready.recv(), if is_open => match works {
                    Some(works) => self.take_in(works),
                    None => is_open = false,
                },
                _ = tick.tick() => {
                    if self.queue.waiting() > 0 {
                        self.tidy();
                    }
                }
            }
            self.parts.courier.context.metrics.flow.scheduled();
            self.dispatch();
            self.report();
        }
    }

    /// Parks what waits and lets what is under way finish, for at most `limit`.
    pub(super) async fn finish(&mut self, limit: Duration) {
        self.parts.ready.close();
        let waiting = self.queue.waiting();
        self.queue = Queue::new(self.parts.bounds);
        while let Ok(works) = self.parts.ready.try_recv() {
            drop(works);
        }
        let in_flight = self.tasks.len();
        let all_done = async { while self.tasks.join_next().await.is_some() {} };
        let is_done = timeout(limit, all_done).await.is_ok();
        info!(waiting, in_flight, is_done, "delivery stopped");
        self.tasks.shutdown().await;
        // What came back from the plugins meanwhile is parked by being dropped.
        self.signalled.close();
        while self.signalled.try_recv().is_ok() {}
    }

    fn take_in(&mut self, works: Vec<Work>) {
        let now = Instant::now();
        for mut work in works {
            if work.sequence.is_some() {
                work.ticket = self.blocking(work.subscription, work.ticket);
            }
            if self.belongs_elsewhere(&work) {
                let now = self.parts.courier.context.clock.now();
                work.ticket.park(ParkReason::Overflow, Some(now));
                continue;
            }
            let place = Place {
                tenant: work.event.tenant,
                subscription: work.subscription,
            };
            let waiting = Waiting {
                weight_bytes: work.weight_bytes(),
                since: now,
                item: Item { work, passed: None },
            };
            let held_back = self
                .queue
                .pace(place.subscription)
                .is_some_and(|pace| pace.held_back_for(now) > PATIENCE);
            let refused = if held_back {
                Err(waiting)
            } else {
                self.queue.push(place, waiting)
            };
            if let Err(waiting) = refused {
                self.park(place.subscription, vec![waiting]);
            }
        }
    }

    /// How long it may hold up those behind it in its order, where that is limited.
    fn blocking(&self, subscription: SubscriptionId, ticket: Ticket) -> Ticket {
        let found = self.parts.subscriptions.subscription(subscription);
        let limit = match found.and_then(|found| found.policy.queueing.blocks()) {
            Some(Blocks::For(time)) => Some(time),
            Some(Blocks::UntilSuccess | Blocks::UntilDead) | None => None,
        };
        ticket.blocking_for(limit)
    }

    /// Whether only the owner of the subscription's bucket may deliver it, and this did not come
    /// from there.
    fn belongs_elsewhere(&self, work: &Work) -> bool {
        matches!(work.ticket.origin(), Origin::Lane { .. })
            && self
                .parts
                .subscriptions
                .subscription(work.subscription)
                .is_some_and(|found| found.is_paced_by_one_node())
    }

    fn take_back(&mut self, signal: Signal) {
        match signal {
            Signal::Prepared(place, batch) => self.queue.prepared(place, batch),
            Signal::Sent(place, report) => {
                if let Some(report) = report {
                    self.learn(place.subscription, report);
                }
                self.queue.sent(place);
            }
        }
    }

    fn learn(&mut self, subscription: SubscriptionId, report: Report) {
        let now = Instant::now();
        let Some(pace) = self.queue.pace(subscription) else {
            return;
        };
        pace.observe(report.took);
        if report.is_down {
            pace.fail(now);
        }
        if report.outcome == Outcome::Accepted && pace.take_up(now) {
            // What was sent away because the line moved slowly need not stay away.
            self.tasks.spawn((self.parts.recovered)(subscription));
        }
        let Some(pace) = self.queue.pace(subscription) else {
            return;
        };
        if report.is_silent && pace.silent(now) {
            info!(%subscription, "circuit opened: nobody answers there");
        }
        if let Some(asked) = report.slow_down {
            pace.hold_back(now, asked);
        }
        let health = pace.trouble(now).map(|(health, held_back)| Health {
            held_back_until: (!held_back.is_zero())
                .then(|| self.parts.courier.context.clock.now().plus(held_back)),
            ..health
        });
        let is_away = pace.held_back_for(now) > PATIENCE;
        self.parts.board.write(subscription, health);
        if is_away {
            let late = self.queue.drain_line(subscription);
            self.park(subscription, late);
        }
    }

    fn tidy(&mut self) {
        let now = Instant::now();
        if let Some(before) = now.checked_sub(PATIENCE) {
            for (place, late) in self.queue.drain_older(before) {
                self.park(place.subscription, late);
            }
        }
        self.queue.wake(now);
    }

    /// Parks work that has to come back, when the line will have got to it.
    fn park(&mut self, subscription: SubscriptionId, late: Vec<Waiting<Item>>) {
        let now = Instant::now();
        let held_back = self
            .queue
            .pace(subscription)
            .map_or(Duration::ZERO, |pace| pace.held_back_for(now));
        let max_in_flight = self
            .parts
            .subscriptions
            .subscription(subscription)
            .map_or(1, |found| {
                max_in_flight(&found, self.parts.default_in_flight)
            });
        let (spacing, ahead) = self.queue.outlook(subscription, max_in_flight);
        let context = &self.parts.courier.context;
        for (index, waiting) in (ahead..).zip(late) {
            let turns = u32::try_from(index).unwrap_or(u32::MAX);
            let away = held_back.max(MIN_AWAY) + spacing.saturating_mul(turns);
            // A little more for each, so that what went together does not come back together.
            let away = away.min(MAX_AWAY.max(held_back));
            let spread = context.random.up_to(away / 10);
            let due_at = context.clock.now().plus(away + spread);
            waiting
                .item
                .work
                .ticket
                .park(ParkReason::Overflow, Some(due_at));
        }
    }

    fn dispatch(&mut self) {
        while (self.parts.may_start)() {
            let subscriptions = &self.parts.subscriptions;
            let nodes = (self.parts.nodes)();
            let in_flight = self.parts.default_in_flight;
            let limits = |id| limits(subscriptions.subscription(id).as_deref(), nodes, in_flight);
            match self.queue.next(Instant::now(), limits) {
                None => return,
                Some(Turn::Send(place, waiting)) => self.send(place, waiting),
                Some(Turn::Prepare(place, batch)) => self.prepare(place, batch),
            }
        }
    }

    fn send(&mut self, place: Place, mut waiting: Waiting<Item>) {
        let subscription = self.parts.subscriptions.subscription(place.subscription);
        let Some(subscription) = subscription.filter(|found| self.delivers(found, &waiting)) else {
            self.queue.sent(place);
            return self.settle_line(place.subscription, waiting);
        };
        // Its plugins may have been changed since it passed them.
        let is_current = match &waiting.item.passed {
            Some(passed) => passed.config() == subscription.version,
            None => !subscription.has_plugins() || is_handshake(&waiting.item.work.event),
        };
        if !is_current {
            waiting.item.passed = None;
            self.queue.sent(place);
            return self.queue.put_back(place, waiting);
        }
        let courier = self.parts.courier.clone();
        let mut slot = self.slot(Signal::Sent(place, None));
        self.tasks.spawn(async move {
            let report = courier.attempt(&subscription, waiting.item).await;
            slot.set(Signal::Sent(place, report));
        });
    }

    fn prepare(&mut self, place: Place, batch: Vec<Waiting<Item>>) {
        let mut slot = self.slot(Signal::Prepared(place, Vec::new()));
        let courier = self.parts.courier.clone();
        let Some(subscription) = self.parts.subscriptions.subscription(place.subscription) else {
            // Gone between two look-ups: sending it settles it.
            slot.set(Signal::Prepared(place, batch));
            return;
        };
        self.tasks.spawn(async move {
            let passed = courier.prepare(&subscription, batch).await;
            slot.set(Signal::Prepared(place, passed));
        });
    }

    fn slot(&self, signal: Signal) -> Slot {
        Slot {
            signal: Some(signal),
            signals: self.signals.clone(),
        }
    }

    fn delivers(&self, subscription: &Subscription, waiting: &Waiting<Item>) -> bool {
        let now = self.parts.courier.context.clock.now();
        standing(Some(subscription), &waiting.item.work.event, now) == Standing::Deliver
    }

    /// Ends or parks everything that waits for a subscription which takes no deliveries now.
    fn settle_line(&mut self, subscription: SubscriptionId, first: Waiting<Item>) {
        let context = &self.parts.courier.context;
        let found = self.parts.subscriptions.subscription(subscription);
        let rest = self.queue.drain_line(subscription);
        for waiting in std::iter::once(first).chain(rest) {
            let work = waiting.item.work;
            match standing(found.as_deref(), &work.event, context.clock.now()) {
                // Its state changed back just now.
                Standing::Deliver => drop(work),
                Standing::Park { reason, due_at } => work.ticket.park(reason, due_at),
                Standing::Cancel(reason) => context.cancel(work, reason),
            }
        }
    }

    fn report(&mut self) {
        let metrics = &self.parts.courier.context.metrics;
        let waiting = i64::try_from(self.queue.waiting()).unwrap_or(i64::MAX);
        metrics.ready_deliveries.set(waiting);
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                warn!(%error, "delivery task failed");
            }
        }
    }
}

fn max_in_flight(subscription: &Subscription, default: usize) -> usize {
    let own = subscription.policy.max_in_flight;
    own.map_or(default, usize::from).max(1)
}

/// Time from one delivery to the next on this node, which is one of so many.
fn spacing(subscription: &Subscription, nodes: u32) -> Option<Duration> {
    let interval = subscription.interval()?;
    let sharing = if subscription.is_paced_by_one_node() {
        1
    } else {
        nodes.max(1)
    };
    Some(interval * sharing)
}

/// A subscription that takes no deliveries gets its turn at once, to be settled.
fn limits(subscription: Option<&Subscription>, nodes: u32, default_in_flight: usize) -> Limits {
    match subscription {
        Some(subscription) if subscription.state == State::Active => Limits {
            max_in_flight: max_in_flight(subscription, default_in_flight),
            has_plugins: subscription.has_plugins(),
            interval: spacing(subscription, nodes),
        },
        _ => Limits {
            max_in_flight: usize::MAX,
            has_plugins: false,
            interval: None,
        },
    }
}
