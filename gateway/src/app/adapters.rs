//! Where neighbours meet that must not see each other: small translations, no decisions.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::delivery::aside::{self, Aside};
use crate::delivery::{Disable, Subscriptions, Transform};
use crate::domain::clock::Clock;
use crate::domain::event::{Attributes, Event};
use crate::domain::ids::SubscriptionId;
use crate::domain::key::{Caller, Role};
use crate::domain::prepared::Prepared;
use crate::domain::random::Random;
use crate::domain::subscription::{State, Subscription};
use crate::http::verify::WriteBody;
use crate::ingest::accept::{Ingest, Sender};
use crate::ingest::{Identity, Incoming};
use crate::jobs::{AsideReport, SendAside};
use crate::log::Beat;
use crate::plugin::{Pipeline, Tell};
use crate::store::Store;
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
}

/// Makes an ordinary event of a word from the plugins, so that anybody may subscribe to it.
pub(super) fn tell(store: Store, ingest: Ingest) -> Tell {
    Arc::new(move |tenant, failed| {
        let (store, ingest) = (store.clone(), ingest.clone());
        async move {
            let Some(name) = store.catalog().tenant_name(tenant) else {
                return;
            };
            let sender = Sender {
                caller: Caller {
                    key: None,
                    role: Role::Admin,
                    bound_to: Some((tenant, name)),
                },
                tenant: None,
                key: None,
                trace_parent: None,
            };
            let data = serde_json::to_vec(&failed).expect("texts and numbers can be written");
            let event = Incoming {
                tenant: None,
                event_type: "hookgate.plugin.failed".into(),
                attributes: Attributes {
                    source: Some("hookgate".into()),
                    ..Attributes::default()
                },
                data: data.into(),
                identity: Identity::None,
            };
            if let Err(error) = ingest.accept(&sender, vec![event]).await {
                warn!(tenant.id = tenant.get(), %error, "an operational event could not be stored");
            }
        }
        .boxed()
    })
}

/// Disables a subscription whose receiver is gone.
pub(super) fn disable(store: Store) -> Disable {
    Arc::new(move |subscription, reason| {
        let store = store.clone();
        async move {
            if let Err(error) = store.set_state(subscription, State::Disabled, reason).await {
                warn!(%subscription, %error, "subscription could not be disabled");
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
    Arc::new(move |subscription, event, outgoing| {
        aside::body(subscription, event, outgoing, (&clock, &random))
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
