//! The REST API: routes, callers, problems.
//!
//! Handlers extract, call one function, and turn what it says into a response. Status codes live
//! here and nowhere else; what is delivered, and how, is not known here.

pub mod access_form;
pub mod again;
pub mod arrivals;
pub mod audit;
mod audited;
pub mod backtest;
pub mod caller;
mod check;
pub mod confirm;
pub mod deliveries;
pub mod delivery_form;
mod docs;
mod document;
pub mod erase;
pub mod events;
pub mod explain;
mod fields;
pub mod inbound;
mod inbound_plugin;
pub mod input;
pub mod jobs;
pub mod keys;
pub mod missed;
pub mod ndjson;
pub mod operating;
pub mod page;
mod past;
pub mod plugin_run;
pub mod plugin_run_view;
pub mod plugin_seen_view;
pub mod plugin_view;
pub mod plugins;
pub mod portal;
pub mod problem;
pub mod pull;
pub mod queueing_form;
pub mod retrace;
pub mod router;
pub mod samples;
pub mod server;
pub mod source_form;
pub mod source_records;
pub mod source_view;
pub mod sources;
pub mod subscription_check;
pub mod subscription_form;
pub mod subscription_test;
pub mod subscription_view;
pub mod subscriptions;
pub mod tail;
pub mod tail_frame;
pub mod tenants;
pub mod timeline;
pub mod verify;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::subscription_form::FormRules;
use crate::domain::health::Health;
use crate::domain::ids::{ConfigVersion, EventId, SubscriptionId};
use crate::domain::key::KeyHash;
use crate::domain::parcel::Parcel;
use crate::domain::subscription::{State, Subscription};
use crate::domain::target_url::TargetRules;
use crate::ingest::accept::Ingest;
use crate::log::Log;
use crate::plugin::Plugins;
use crate::plugin::claim::ClaimSigner;
use crate::store::Store;
use crate::store::feed::Applied;
use crate::telemetry::metrics::Metrics;
use arrivals::Arrivals;
use problem::{Kind, Problem};
use source_records::SourceRecords;

/// What is out of the ordinary with a subscription's receiver, as far as this node knows.
pub type HealthOf = Arc<dyn Fn(SubscriptionId) -> Option<Health> + Send + Sync>;

/// What the API calls on.
#[derive(Clone)]
pub struct ApiParts {
    pub store: Store,
    pub log: Log,
    pub metrics: Metrics,
    pub claims: ClaimSigner,
    pub plugins: Plugins,
    pub rules: ApiRules,
    pub write_body: verify::WriteBody,
    pub health: HealthOf,
    /// Cancelled when the gateway begins to stop.
    pub stopping: CancellationToken,
}

impl std::fmt::Debug for ApiParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiParts").finish_non_exhaustive()
    }
}

/// What the configuration says about requests.
#[derive(Clone, Debug)]
pub struct ApiRules {
    pub admin_key: Option<KeyHash>,
    pub max_body_bytes: usize,
    pub body_timeout: Duration,
    pub targets: TargetRules,
    /// The longest attempt, whatever a subscription asks for.
    pub max_timeout: Duration,
}

/// The state of all handlers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: ApiParts,
    ingest: Ingest,
    sources: SourceRecords,
    arrivals: Arrivals,
    /// One for each reader of the tail.
    tails: Arc<Semaphore>,
}

impl Api {
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        let ingest = Ingest::new(parts.store.clone(), parts.log.clone());
        let sources = SourceRecords::default();
        Self(Arc::new(Shared {
            parts,
            ingest,
            sources,
            arrivals: Arrivals::default(),
            tails: Arc::new(Semaphore::new(tail::MAX_TAILS)),
        }))
    }

    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.parts.store
    }

    #[must_use]
    pub fn ingest(&self) -> &Ingest {
        &self.0.ingest
    }

    #[must_use]
    pub fn log(&self) -> &Log {
        &self.0.parts.log
    }

    #[must_use]
    pub fn plugins(&self) -> &Plugins {
        &self.0.parts.plugins
    }

    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.parts.metrics
    }

    /// What came in at sources on this node.
    fn source_records(&self) -> &SourceRecords {
        &self.0.sources
    }

    /// What a provider is given to send to.
    fn source_url(&self, address: &str) -> String {
        format!("{}/in/{address}", self.public_url())
    }

    /// Cancelled when the gateway begins to stop.
    #[must_use]
    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.0.parts.stopping
    }

    #[must_use]
    pub fn arrivals(&self) -> &Arrivals {
        &self.0.arrivals
    }

    fn tails(&self) -> &Arc<Semaphore> {
        &self.0.tails
    }

    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.parts.stopping.is_cancelled()
    }

    /// Whether a claim check opens this event now.
    fn check_claim(&self, event: EventId, token: &str) -> Result<(), Problem> {
        let now = self.store().clock().now();
        let claims = &self.0.parts.claims;
        let of = claims
            .verify(event, token, now)
            .map_err(|error| Problem::new(Kind::InvalidClaim, error.to_string()))?;
        // A claim check ends with the subscription that it was made for.
        let subscription = self.store().catalog().subscription(of);
        match subscription {
            Some(subscription) if subscription.state != State::Deleted => Ok(()),
            _ => {
                let detail = "its subscription was deleted, and the claim check with it";
                Err(Problem::new(Kind::InvalidClaim, detail))
            }
        }
    }

    fn claims(&self) -> &ClaimSigner {
        &self.0.parts.claims
    }

    /// The body that a delivery has; nothing is sent.
    fn write_body(&self, subscription: &Subscription, parcel: &Parcel) -> bytes::Bytes {
        (self.0.parts.write_body)(subscription, parcel)
    }

    fn admin_key(&self) -> Option<&KeyHash> {
        self.0.parts.rules.admin_key.as_ref()
    }

    fn public_url(&self) -> &str {
        self.claims().public_url()
    }

    fn max_body_bytes(&self) -> usize {
        self.0.parts.rules.max_body_bytes
    }

    fn body_timeout(&self) -> Duration {
        self.0.parts.rules.body_timeout
    }

    fn targets(&self) -> &TargetRules {
        &self.0.parts.rules.targets
    }

    fn health(&self, of: SubscriptionId) -> Health {
        (self.0.parts.health)(of).unwrap_or_default()
    }

    fn form_rules(&self) -> FormRules<'_> {
        FormRules {
            targets: self.targets(),
            max_timeout: self.0.parts.rules.max_timeout,
        }
    }

    /// Waits until a change has reached all live nodes, and says so.
    pub async fn applied(&self, version: ConfigVersion) -> AppliedView {
        self.store().feed().applied(version).await.into()
    }
}

impl From<Applied> for AppliedView {
    fn from(applied: Applied) -> Self {
        let missing_nodes = match applied {
            Applied::Everywhere => Vec::new(),
            Applied::Missing(nodes) => nodes.into_iter().map(|node| node.get()).collect(),
        };
        Self {
            applied: missing_nodes.is_empty(),
            missing_nodes,
        }
    }
}

/// Whether a change has reached all nodes.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct AppliedView {
    /// False where a live node had not seen the change after two seconds.
    pub applied: bool,
    /// The nodes that had not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_nodes: Vec<i32>,
}
