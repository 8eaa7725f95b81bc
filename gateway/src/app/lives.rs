//! What changes a subscription's state from within: its receiver's consent, its failures, the clock.
//!
//! Joins the engine, which sees what happens, and the store, which writes it down; decides only how
//! often it is worth a look.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::delivery::handshake::Verdict;
use crate::delivery::{Conclude, Disable, Notify};
use crate::domain::ids::{NodeId, SubscriptionId};
use crate::domain::notice::Notice;
use crate::domain::subscription::State;
use crate::ingest::accept::Ingest;
use crate::ingest::notices::Notices;
use crate::lifecycle::Shutdown;
use crate::log::Log;
use crate::log::work::ParkReason;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;

/// How often a node writes down what it saw.
const PULSE_EVERY: Duration = Duration::from_secs(2);
/// And how often it throws away what is old.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How often old entries of the audit log go.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Writes down what this node saw, for charts; a node that saw nothing writes nothing.
pub(super) fn pulse((store, node): (&Store, NodeId), metrics: &Metrics, shutdown: &Shutdown) {
    let whose = (store.clone(), node);
    shutdown.spawn("pulse", beat(whose, metrics.clone(), shutdown.soft()));
}

async fn beat((store, node): (Store, NodeId), metrics: Metrics, stop: CancellationToken) {
    let mut forgot_at = Instant::now();
    let mut is_running = true;
    while is_running {
        is_running = stop
            .run_until_cancelled(tokio::time::sleep(PULSE_EVERY))
            .await
            .is_some();
        let seen = metrics.pulse.take();
        if seen.is_empty() {
            continue;
        }
        if let Err(error) = store.add_pulse(node, &seen).await {
            debug!(%error, "what was seen could not be written down");
        }
        if forgot_at.elapsed() >= FORGET_EVERY {
            forgot_at = Instant::now();
            if let Err(error) = store.forget_pulse().await {
                debug!(%error, "what is old could not be thrown away");
            }
        }
    }
}

/// What goes by the clock: subscriptions end, and entries of the audit log that are older than `kept` go.
pub(super) fn upkeep(store: &Store, kept: Duration, shutdown: &Shutdown) {
    shutdown.spawn("expiry", expire(store.clone(), shutdown.soft()));
    let sweep = sweep_audit(store.clone(), kept, shutdown.soft());
    shutdown.spawn("audit", sweep);
}

/// Any node does it for all.
async fn sweep_audit(store: Store, kept: Duration, stop: CancellationToken) {
    let mut pause = Duration::ZERO;
    while stop
        .run_until_cancelled(tokio::time::sleep(pause))
        .await
        .is_some()
    {
        pause = match store.sweep_audit(kept).await {
            Ok(0) => SWEEP_EVERY,
            // There may be more.
            Ok(_) => Duration::from_secs(1),
            Err(error) => {
                warn!(%error, "old entries of the audit log could not be deleted");
                FORGET_EVERY
            }
        };
    }
}

/// The one way in which the gateway tells of itself.
pub(super) fn notices(store: &Store, log: &Log, shutdown: &Shutdown) -> Notices {
    let ingest = Ingest::new(store.clone(), log.clone());
    let (notices, writer) = Notices::new(ingest);
    shutdown.spawn("notices", writer.run(shutdown.soft()));
    notices
}

/// Disables a subscription whose receiver is gone, and says so.
pub(super) fn disable(store: Store, notices: Notices) -> Disable {
    Arc::new(move |subscription, reason| {
        let (store, notices) = (store.clone(), notices.clone());
        async move {
            let disabled = store.set_state(subscription, State::Disabled, reason).await;
            match disabled {
                Ok(None) => {}
                Ok(Some(tenant)) => {
                    let reason = reason.into();
                    let notice = Notice::SubscriptionDisabled {
                        subscription,
                        reason,
                    };
                    notices.emit(tenant, notice);
                }
                Err(error) => {
                    warn!(%subscription, %error, "subscription could not be disabled");
                }
            }
        }
        .boxed()
    })
}

/// Writes down what a receiver answered when it was asked for its consent.
pub(super) fn conclude(store: Store, log: Log) -> Conclude {
    Arc::new(move |subscription, verdict| {
        let (store, log) = (store.clone(), log.clone());
        async move {
            let noted = match &verdict {
                Verdict::Confirmed { allowed_rate } => {
                    confirm(&store, &log, (subscription, *allowed_rate)).await
                }
                Verdict::Waiting => {
                    let reason = "the receiver was asked, and may confirm when it likes";
                    store.note_pending(subscription, reason).await
                }
                Verdict::Refused(reason) => {
                    let reason = format!("not confirmed at the last try: {reason}");
                    store.note_pending(subscription, &reason).await
                }
            };
            if let Err(error) = noted {
                warn!(%subscription, %error, "the answer of a receiver could not be noted");
            }
        }
        .boxed()
    })
}

async fn confirm(
    store: &Store,
    log: &Log,
    (subscription, allowed_rate): (SubscriptionId, Option<u32>),
) -> Result<(), StoreError> {
    let confirmed = store.confirm(subscription, allowed_rate).await?;
    if confirmed.is_some()
        && let Err(error) = log.wake(subscription, &[ParkReason::Paused]).await
    {
        warn!(%subscription, %error, "what waited for a confirmation could not be woken");
    }
    Ok(())
}

/// Hands notices on; a delivery that died may be the last straw for its subscription.
pub(super) fn notify(store: Store, notices: Notices, disable_after: Duration) -> Notify {
    let disable = disable(store.clone(), notices.clone());
    let watch = Arc::new(FailureWatch::new(disable_after));
    Arc::new(move |tenant, notice| {
        let dead = match &notice {
            Notice::DeliveryDead { delivery, .. } => Some(delivery.subscription),
            _ => None,
        };
        notices.emit(tenant, notice);
        let Some(subscription) = dead.filter(|subscription| watch.is_worth_a_look(*subscription))
        else {
            return;
        };
        let (store, disable) = (store.clone(), disable.clone());
        tokio::spawn(async move {
            match store.only_fails(subscription, disable_after).await {
                Ok(true) => disable(subscription, "nothing was accepted for too long").await,
                Ok(false) => {}
                Err(error) => warn!(%subscription, %error, "its failures could not be counted"),
            }
        });
    })
}

/// Looks at a failing subscription now and then, not at each of its failures.
struct FailureWatch {
    pause: Duration,
    looked: Mutex<HashMap<SubscriptionId, Instant>>,
}

impl FailureWatch {
    const MAX_PAUSE: Duration = Duration::from_secs(60);
    const MAX_KNOWN: usize = 10_000;

    fn new(disable_after: Duration) -> Self {
        Self {
            pause: (disable_after / 10).min(Self::MAX_PAUSE),
            looked: Mutex::default(),
        }
    }

    fn is_worth_a_look(&self, subscription: SubscriptionId) -> bool {
        let mut looked = self.looked.lock();
        let recent = |at: &Instant| at.elapsed() < self.pause;
        if looked.get(&subscription).is_some_and(recent) {
            return false;
        }
        if looked.len() >= Self::MAX_KNOWN {
            looked.retain(|_, at| recent(at));
        }
        looked.insert(subscription, Instant::now());
        true
    }
}

/// Ends subscriptions whose time has come.
async fn expire(store: Store, stop: CancellationToken) {
    const LOOK_EVERY: Duration = Duration::from_millis(250);
    while stop
        .run_until_cancelled(tokio::time::sleep(LOOK_EVERY))
        .await
        .is_some()
    {
        if let Err(error) = store.expire_due().await {
            warn!(%error, "subscriptions could not be ended");
        }
    }
}
