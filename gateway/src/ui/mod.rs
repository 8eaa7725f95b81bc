//! The dashboard at `/ui`: pages made on the server, a style sheet and one small script, all inside
//! the binary; nothing comes from elsewhere.
//!
//! It knows the gateway only through its own API, which it calls in the same process as the caller
//! that the session stands for. So it can show and do what that caller may, and nothing else; and
//! what a route refuses, the page that uses it refuses in the same words.

pub mod assets;
pub mod audit;
pub mod chart;
pub mod deliveries;
pub mod delivery;
pub mod diff;
pub mod door;
pub mod enter;
pub mod event;
pub mod events;
pub mod form;
pub mod frame;
pub mod guard;
pub mod jobs;
pub mod keys;
pub mod layout;
pub mod live;
pub mod login;
pub mod nodes;
pub mod overview;
pub mod parts;
pub mod plugin;
pub mod plugins;
pub mod refusal;
pub mod replay;
pub mod routes;
pub mod seen;
pub mod session;
pub mod settings;
pub mod sources;
pub mod subscription;
pub mod subscription_form;
pub mod subscriptions;
pub mod tenants;
pub mod text;
pub mod workbench;

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::config::{InForce, UiConfig};
use crate::domain::key::KeyHash;
use crate::store::Store;

pub use self::routes::router;

/// What the dashboard calls on.
#[derive(Clone)]
pub struct UiParts {
    /// The API, called in this process.
    pub api: Router,
    /// For sessions alone.
    pub store: Store,
    pub admin_key: Option<KeyHash>,
    pub look: UiConfig,
    pub in_force: Vec<InForce>,
    /// Scheme, host and port under which browsers reach the gateway.
    pub public_url: Box<str>,
    /// Cancelled when the gateway begins to stop.
    pub stopping: CancellationToken,
}

impl std::fmt::Debug for UiParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UiParts").finish_non_exhaustive()
    }
}

/// The state of all pages. Cheap to clone.
#[derive(Clone)]
pub struct Ui(Arc<UiParts>);

impl Ui {
    #[must_use]
    pub fn new(parts: UiParts) -> Self {
        Self(Arc::new(parts))
    }

    fn parts(&self) -> &UiParts {
        &self.0
    }

    /// Whether cookies may be kept from plain HTTP.
    fn is_https(&self) -> bool {
        self.0.public_url.starts_with("https:")
    }
}

impl std::fmt::Debug for Ui {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ui").finish_non_exhaustive()
    }
}
