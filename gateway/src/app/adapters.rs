//! Where neighbours meet that must not see each other: small translations, no decisions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::delivery::handshake::Verdict;
use crate::delivery::{Conclude, Disable, Notify, Subscriptions, Transform};
use crate::domain::event::Event;
use crate::domain::ids::SubscriptionId;
use crate::domain::notice::Notice;
use crate::domain::prepared::Prepared;
use crate::domain::subscription::{State, Subscription};
use crate::ingest::notices::Notices;
use crate::log::work::ParkReason;
use crate::log::{Beat, Log};
use crate::plugin::Pipeline;
use crate::store::catalog::Catalog;
use crate::store::feed::Feed;
use crate::store::{Store, StoreError};

/// The delivery engine's view of the configuration.
pub(super) struct CatalogSubscriptions(pub(super) Catalog);

impl Subscriptions for CatalogSubscriptions {
    fn subscription(&self, id: SubscriptionId) -> Option<Arc<Subscription>> {
        self.0.subscription(id)
    }
}

/// The delivery engine's view of the plugins.
pub(super) struct PluginTransform(pub(super) Pipeline);

impl Transform for PluginTransform {
    fn run(
        &self,
        subscription: Arc<Subscription>,
        events: Vec<Arc<Event>>,
    ) -> BoxFuture<'static, Vec<Prepared>> {
        let pipeline = self.0.clone();
        async move { pipeline.run(&subscription, events).await }.boxed()
    }
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
pub(super) async fn expire(store: Store, stop: CancellationToken) {
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

/// The net below the database's notifications: where a beat saw a newer configuration, it is
/// fetched.
pub(super) async fn follow_beats(
    mut beats: watch::Receiver<Beat>,
    feed: Feed,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = beats.changed() => if changed.is_err() {
                return stop.cancelled().await;
            }
        }
        let seen = beats.borrow_and_update().config;
        if seen > feed.catalog().version()
            && let Err(error) = feed.refresh().await
        {
            warn!(%error, "configuration could not be refreshed");
        }
    }
}
