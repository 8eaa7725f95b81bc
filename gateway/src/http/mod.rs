//! The REST API: routes, callers, problems.
//!
//! Handlers extract, call one function, and turn what it says into a response. Status codes live
//! here and nowhere else; what is delivered, and how, is not known here.

pub mod caller;
pub mod deliveries;
pub mod events;
pub mod input;
pub mod keys;
pub mod operating;
pub mod page;
pub mod problem;
pub mod router;
pub mod server;
pub mod subscription_form;
pub mod subscription_view;
pub mod subscriptions;
pub mod tenants;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::{Secret, ServerConfig};
use crate::domain::ids::{ConfigVersion, EventId};
use crate::domain::key::KeyHash;
use crate::domain::target_url::TargetRules;
use crate::ingest::accept::Ingest;
use crate::log::Log;
use crate::plugin::Plugins;
use crate::plugin::claim::ClaimSigner;
use crate::store::Store;
use crate::store::feed::Applied;
use crate::store::keys::hash;
use crate::telemetry::metrics::Metrics;
use problem::{Kind, Problem};

pub use server::serve;

/// What the API calls on.
#[derive(Clone)]
pub struct ApiParts {
    pub ingest: Ingest,
    pub store: Store,
    pub log: Log,
    pub plugins: Plugins,
    pub claims: ClaimSigner,
    pub metrics: Metrics,
    /// The key that is always there.
    pub admin_key: Secret,
    pub targets: TargetRules,
    pub limits: Limits,
    /// Cancelled when the gateway begins to stop.
    pub stopping: CancellationToken,
}

/// Bounds of requests and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest body, of many events excepted.
    pub max_body_bytes: usize,
    /// Longest wait for a request's headers.
    pub header_timeout: Duration,
    pub max_connections: usize,
}

impl From<&ServerConfig> for Limits {
    fn from(config: &ServerConfig) -> Self {
        Self {
            max_body_bytes: config.max_body_bytes,
            header_timeout: config.header_timeout,
            max_connections: config.max_connections.get(),
        }
    }
}

/// The state of all handlers. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    parts: ApiParts,
    admin_key: KeyHash,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        let admin_key = hash(parts.admin_key.expose());
        Self(Arc::new(Shared { parts, admin_key }))
    }

    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.parts.store
    }

    #[must_use]
    pub fn ingest(&self) -> &Ingest {
        &self.0.parts.ingest
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

    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.parts.stopping.is_cancelled()
    }

    /// Whether a claim check opens this event now.
    fn check_claim(&self, event: EventId, token: &str) -> Result<(), Problem> {
        let now = self.store().clock().now();
        let claims = &self.0.parts.claims;
        claims
            .verify(event, token, now)
            .map(drop)
            .map_err(|error| Problem::new(Kind::InvalidClaim, error.to_string()))
    }

    fn admin_key(&self) -> &KeyHash {
        &self.0.admin_key
    }

    fn max_body_bytes(&self) -> usize {
        self.0.parts.limits.max_body_bytes
    }

    fn targets(&self) -> &TargetRules {
        &self.0.parts.targets
    }

    /// Waits until a change has reached all live nodes, and says so.
    pub async fn applied(&self, version: ConfigVersion) -> AppliedView {
        match self.store().feed().applied(version).await {
            Applied::Everywhere => AppliedView {
                applied: true,
                missing_nodes: Vec::new(),
            },
            Applied::Missing(nodes) => AppliedView {
                applied: false,
                missing_nodes: nodes.into_iter().map(|node| node.get()).collect(),
            },
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
