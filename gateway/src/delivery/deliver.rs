//! One delivery, forward only: plugins, body, signature, request, outcome, next step.
//!
//! Whatever happens ends in exactly one returned ticket. Nothing goes out that its plugins did not
//! pass: where one fails, the delivery waits, is retried or is dropped, as its subscription says.
//! Does not decide whose turn it is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tracing::debug;

use super::company::{self, Verdict};
use super::handshake::{self, Conclude, Origin};
use super::queue::Waiting;
use super::record::{Runs, Started};
use super::request;
use super::sender::{Route, Sender, Sent};
use super::tokens::Tokens;
use super::transform::Transform;
use crate::domain::attempt::{Attempt, Outcome};
use crate::domain::clock::Clock;
use crate::domain::ids::{ConfigVersion, DeliveryId, SubscriptionId, TenantId};
use crate::domain::notice::Notice;
use crate::domain::parcel;
use crate::domain::pattern::OWN_PREFIX;
use crate::domain::plugin::OnError;
use crate::domain::prepared::{PluginFailure, RetryWhen};
use crate::domain::queueing::Blocks;
use crate::domain::random::Random;
use crate::domain::retry::{Next, RetrySchedule, Tried, next_step};
use crate::domain::subscription::Subscription;
use crate::log::work::{After, ParkReason, Run, Work};
use crate::telemetry::metrics::{Metrics, OutcomeLabel};

/// Disables a subscription, with a reason for its owner.
pub type Disable =
    Arc<dyn Fn(SubscriptionId, &'static str) -> BoxFuture<'static, ()> + Send + Sync>;

/// Tells a tenant what became of something of its own; never waits.
pub type Notify = Arc<dyn Fn(TenantId, Notice) + Send + Sync>;

/// Wait before an event is handed to its plugins again that were not to blame.
const SOON: Duration = Duration::from_secs(2);

/// Between attempts that go on until one succeeds, where the schedule has no wait.
const KEPT_WAIT: Duration = Duration::from_secs(60);

/// Work on its way through this node.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) work: Work,
    pub(super) passed: Option<Passed>,
}

/// What the plugins made of an event.
#[derive(Debug)]
pub(super) struct Passed {
    /// One, or those of a batch that are to be sent.
    items: Vec<parcel::Item>,
    run: Arc<Run>,
}

impl Passed {
    /// The configuration of the subscription that its plugins ran with.
    pub(super) fn config(&self) -> ConfigVersion {
        self.run.config
    }
}

/// What an attempt says about its receiver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) took: Duration,
    pub(super) outcome: Outcome,
    /// Whether the receiver is down, as far as this attempt can tell.
    pub(super) is_down: bool,
    /// How long nothing is to go there; zero where the receiver did not say.
    pub(super) slow_down: Option<Duration>,
    /// Whether there was no answer at all.
    pub(super) is_silent: bool,
}

/// Delivers; shared by all tasks.
pub(super) struct Courier {
    pub(super) sender: Sender,
    pub(super) tokens: Tokens,
    pub(super) transform: Arc<dyn Transform>,
    pub(super) disable: Disable,
    pub(super) conclude: Conclude,
    pub(super) origin: Origin,
    pub(super) context: Context,
}

/// What every step needs to know.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) metrics: Metrics,
    pub(super) notify: Notify,
    pub(super) default_schedule: RetrySchedule,
}

impl Courier {
    /// Hands a batch of one subscription to its plugins. What is to be sent comes back in the same
    /// order; of everything else the tickets have been returned.
    pub(super) async fn prepare(
        &self,
        subscription: &Arc<Subscription>,
        batch: Vec<Waiting<Item>>,
    ) -> Vec<Waiting<Item>> {
        // A handshake has nothing for plugins to look at.
        let (mut passed, batch): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|waiting| handshake::is_handshake(&waiting.item.work.event));
        let started = Started::now(&self.context.clock);
        let mut runs = Runs::new(subscription.version);
        let mut members = Vec::with_capacity(batch.len());
        for waiting in batch {
            match company::events(&*self.transform, subscription, &waiting.item.work).await {
                Ok(found) => members.push((waiting, found)),
                Err((failure, ran)) => {
                    let (work, run) = (waiting.item.work, runs.of(ran));
                    self.context
                        .plugin_failed(subscription, work, started, failure, run);
                }
            }
        }
        let events = members.iter().flat_map(|(_, found)| &found.events);
        let events = events.cloned().collect();
        let mut results = self
            .transform
            .run(subscription.clone(), events)
            .await
            .into_iter();
        for (mut waiting, found) in members {
            let results = results.by_ref().take(found.events.len());
            let (verdict, ran) = company::verdict(found, results);
            let run = runs.of(ran);
            match verdict {
                Verdict::Deliver(items) => {
                    waiting.item.passed = Some(Passed { items, run });
                    passed.push(waiting);
                }
                Verdict::Drop { reason } => {
                    let end = started.verdict(waiting.item.work.number, Outcome::Dropped, reason);
                    self.context
                        .finish(waiting.item.work, end, Some(run), After::Final);
                }
                Verdict::Failed(failure) => {
                    let work = waiting.item.work;
                    self.context
                        .plugin_failed(subscription, work, started, failure, run);
                }
            }
        }
        passed
    }

    /// Makes one attempt and returns its ticket. None where there is nobody to send it to,
    /// or the work is not ours any more.
    pub(super) async fn attempt(&self, subscription: &Subscription, item: Item) -> Option<Report> {
        let target = subscription.target.as_ref()?;
        // The lane or bucket that it came from may be another node's by now.
        if !item.work.ticket.is_current() {
            return None;
        }
        let context = &self.context;
        let started = Started::now(&context.clock);
        let Item { work, passed } = item;
        let (items, run) = passed.map(|passed| (passed.items, passed.run)).unzip();
        let is_handshake = handshake::is_handshake(&work.event);
        let parcel = company::parcel(&work, items);
        let parcel = if is_handshake {
            parcel
        } else {
            parcel.for_policy(&subscription.policy)
        };
        let origin = (Some(&self.origin), &context.random);
        let request = request::build(subscription, &parcel, origin, started.at);
        let request = if is_handshake {
            handshake::request(subscription, request, &self.origin)
        } else {
            request
        };
        let route = Route {
            tenant: subscription.tenant,
            target,
            tls: subscription.access.tls.as_deref(),
        };
        let body_hash = Sha256::digest(&request.body).into();
        context.metrics.attempts_in_flight.inc();
        let mut sent = {
            let _in_flight = InFlight(&context.metrics);
            let outgoing = (route, request);
            self.tokens.send(&self.sender, subscription, outgoing).await
        };
        let took = started.since.elapsed();
        context.metrics.attempt_seconds.observe(took.as_secs_f64());
        let verdict = is_handshake.then(|| handshake::judge(subscription, &mut sent, &self.origin));
        let report = report(&sent, took);
        let next = context.next(subscription, &work, &sent);
        if next == Next::Dead {
            context.tell_dead(&work, &sent);
        }
        let attempt = Attempt {
            body_hash: Some(body_hash),
            ..started.attempt(work.number, sent)
        };
        let after = match next {
            // It stays the first of its order, for when its subscription goes on.
            Next::Gone if is_kept(subscription, &work) => After::Park {
                reason: ParkReason::Missed,
                due_at: None,
            },
            next => after(next),
        };
        context.finish(work, attempt, run, after);
        if next == Next::Gone {
            (self.disable)(subscription.id, "the receiver answered 410 Gone").await;
        }
        if let Some(verdict) = verdict {
            (self.conclude)(subscription.id, verdict).await;
        }
        Some(report)
    }
}

/// Counts a request as under way for as long as it is, also where its task is stopped.
struct InFlight<'a>(&'a Metrics);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.attempts_in_flight.dec();
    }
}

impl Context {
    /// Ends a delivery that is never to be tried.
    pub(super) fn cancel(&self, work: Work, reason: &'static str) {
        let started = Started::now(&self.clock);
        let end = started.verdict(work.number, Outcome::Cancelled, reason.to_owned());
        self.finish(work, end, None, After::Final);
    }

    fn plugin_failed(
        &self,
        subscription: &Subscription,
        work: Work,
        started: Started,
        failure: PluginFailure,
        run: Arc<Run>,
    ) {
        let reason = format!("{}: {} ({})", failure.plugin, failure.reason, failure.kind);
        if failure.retry.is_none() {
            let (plugin, reason) = (failure.plugin.to_string().into(), reason.as_str().into());
            self.tell(&work, |delivery| Notice::PluginFailed {
                delivery,
                plugin,
                reason,
            });
        }
        let mut sent = Sent::of(Outcome::PluginFailed);
        sent.reason = Some(reason);
        let by_schedule = || after(self.next(subscription, &work, &sent));
        let after = match (failure.retry, failure.on_error) {
            (Some(RetryWhen::Soon), _) => {
                let due_at = self.clock.now().plus(SOON);
                return work.ticket.park(ParkReason::Retry, Some(due_at));
            }
            (Some(RetryWhen::Resumed { until }), _) => {
                return work.ticket.park(ParkReason::Plugin, Some(until));
            }
            (Some(RetryWhen::BySchedule), _) | (None, OnError::Retry) => by_schedule(),
            (None, OnError::Park) => After::Park {
                reason: ParkReason::Plugin,
                due_at: None,
            },
            (None, OnError::Drop) => {
                let reason = sent.reason.unwrap_or_default();
                let end = started.verdict(work.number, Outcome::Dropped, reason);
                return self.finish(work, end, Some(run), After::Final);
            }
        };
        let attempt = started.attempt(work.number, sent);
        self.finish(work, attempt, Some(run), after);
    }

    fn tell_dead(&self, work: &Work, sent: &Sent) {
        self.tell(work, |delivery| Notice::DeliveryDead {
            delivery,
            attempts: work.number,
            outcome: sent.outcome,
            status: sent.status,
        });
    }

    /// Trouble with a notice is no notice: it would never end.
    fn tell(&self, work: &Work, notice: impl FnOnce(DeliveryId) -> Notice) {
        if !work.event.event_type.starts_with(OWN_PREFIX) {
            (self.notify)(work.event.tenant, notice(work.ticket.delivery()));
        }
    }

    fn next(&self, subscription: &Subscription, work: &Work, sent: &Sent) -> Next {
        let schedule = subscription.policy.retry_schedule.as_ref();
        let tried = Tried {
            number: work.number,
            outcome: sent.outcome,
            status: sent.status,
            retry_after: sent.retry_after,
        };
        let schedule = schedule.unwrap_or(&self.default_schedule);
        let now = self.clock.now();
        let next = next_step(schedule, tried, now, self.random.jitter());
        if next == Next::Dead && is_kept(subscription, work) {
            let last = schedule.waits().last().copied();
            return Next::RetryAt(now.plus(last.unwrap_or(KEPT_WAIT)));
        }
        next
    }

    fn finish(&self, work: Work, attempt: Attempt, run: Option<Arc<Run>>, after: After) {
        let label = OutcomeLabel {
            outcome: attempt.outcome,
        };
        self.metrics.deliveries.get_or_create(&label).inc();
        let tenant = work.event.tenant;
        let pulse = &self.metrics.pulse;
        pulse.attempt(tenant, attempt.outcome, attempt.duration);
        debug!(
            delivery.id = %work.ticket.delivery(),
            attempt.number = attempt.number.get(),
            attempt.outcome = attempt.outcome.as_str(),
            attempt.status = attempt.status,
            attempt.duration_ms = attempt.duration.as_millis(),
            "attempt finished"
        );
        work.ticket.finish(attempt, run, after);
    }
}

/// Whether it is never given up, because those behind it wait for its success.
fn is_kept(subscription: &Subscription, work: &Work) -> bool {
    let blocks = subscription.policy.queueing.blocks();
    blocks == Some(Blocks::UntilSuccess) && work.sequence.is_some()
}

fn after(next: Next) -> After {
    match next {
        Next::Delivered | Next::Dead | Next::Gone => After::Final,
        Next::RetryAt(at) => After::Park {
            reason: ParkReason::Retry,
            due_at: Some(at),
        },
    }
}

/// Standard Webhooks names the statuses that ask for less; a `Retry-After` beside any other does
/// so as well.
fn report(sent: &Sent, took: Duration) -> Report {
    let asks_for_less = matches!(sent.status, Some(429 | 502 | 504));
    let is_accepted = sent.outcome == Outcome::Accepted;
    let slow_down = sent
        .retry_after
        .or(asks_for_less.then_some(Duration::ZERO))
        .filter(|_| !is_accepted);
    let is_broken = sent.status.is_some_and(|status| status >= 500);
    let is_silent = matches!(sent.outcome, Outcome::TimedOut | Outcome::Unreachable);
    Report {
        took,
        outcome: sent.outcome,
        is_down: is_silent || is_broken,
        slow_down,
        is_silent,
    }
}
