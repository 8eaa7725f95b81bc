//! The dashboard at `/ui`: pages made on the server, a style sheet and one small script, all inside
//! the binary; nothing comes from elsewhere.
//!
//! It knows the gateway only through its own API, which it calls in the same process as the caller
//! that the session stands for. So it can show and do what that caller may, and nothing else; and
//! what a route refuses, the page that uses it refuses in the same words.

mod assets;
mod chart;
mod deliveries;
mod delivery;
mod diff;
mod door;
mod enter;
mod event;
mod events;
mod form;
mod frame;
mod guard;
mod jobs;
mod keys;
mod layout;
mod live;
mod login;
mod nodes;
mod overview;
mod parts;
mod plugin;
mod plugins;
mod refusal;
mod replay;
mod routes;
mod seen;
mod session;
mod settings;
mod subscription;
mod subscription_form;
mod subscriptions;
mod tenants;
mod text;
mod workbench;

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
