//! Where neighbours meet that must not see each other: small translations, no decisions.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::delivery::aside::{self, Aside};
use crate::delivery::{Board, Nodes, Recovered, Subscriptions, Transform};
use crate::domain::clock::Clock;
use crate::domain::event::Event;
use crate::domain::ids::SubscriptionId;
use crate::domain::plugin::PluginName;
use crate::domain::prepared::{Folded, Prepared};
use crate::domain::random::Random;
use crate::domain::subscription::Subscription;
use crate::http::HealthOf;
use crate::http::verify::WriteBody;
use crate::jobs::{AsideReport, SendAside};
use crate::log::work::ParkReason;
use crate::log::{Beat, Log};
use crate::plugin::Pipeline;
use crate::store::catalog::Catalog;
use crate::store::feed::Feed;

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

    fn fold(
        &self,
        subscription: Arc<Subscription>,
        plugin: PluginName,
        events: Vec<Arc<Event>>,
    ) -> BoxFuture<'static, Folded> {
        let pipeline = self.0.clone();
        async move { pipeline.fold(&subscription, plugin, events).await }.boxed()
    }
}

/// Wakes what waits for `reason`, of a subscription of which the reason is gone.
pub(super) fn wake(log: Log, reason: ParkReason) -> Recovered {
    Arc::new(move |subscription| {
        let log = log.clone();
        async move {
            if let Err(error) = log.wake(subscription, &[reason]).await {
                warn!(%subscription, ?reason, %error, "what waits could not be woken");
            }
        }
        .boxed()
    })
}

/// Deliveries to another URL, for jobs.
pub(super) fn aside(aside: Aside) -> SendAside {
    let aside = Arc::new(aside);
    Arc::new(move |subscription, event, target| {
        let aside = aside.clone();
        async move {
            let sent = aside.send(subscription, event, &target).await;
            AsideReport {
                outcome: sent.outcome.as_str(),
                status: sent.status,
                reason: sent.reason,
            }
        }
        .boxed()
    })
}

/// The bodies of deliveries, for the API to compare with.
pub(super) fn write_body(clock: Clock, random: Random) -> WriteBody {
    Arc::new(move |subscription, parcel| aside::body(subscription, parcel, (&clock, &random)))
}

/// How receivers fare, for the API to show.
pub(super) fn health(board: Board) -> HealthOf {
    Arc::new(move |subscription| board.health(subscription))
}

/// How many nodes live, this one included.
pub(super) fn nodes(beats: watch::Receiver<Beat>) -> Nodes {
    Arc::new(move || {
        let peers = beats.borrow().peers.len();
        u32::try_from(peers).unwrap_or(u32::MAX).saturating_add(1)
    })
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
