//! What the demo's receiver has got: each delivery checked as it comes, kept for the screen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Notify;

use super::super::local_receiver::{Arrival, SignatureFault};
use super::scene::Role;
use crate::domain::clock::Clock;
use crate::domain::secret::SigningSecret;

/// A delivery that came.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) data: Box<RawValue>,
    pub(super) signature: Result<(), SignatureFault>,
    pub(super) at: Instant,
}

/// Clones share what has come.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    secrets: Arc<Vec<(Role, SigningSecret)>>,
    clock: Clock,
    received: Arc<Mutex<HashMap<(Role, String), Received>>>,
    news: Arc<Notify>,
}

/// What is read of a body.
#[derive(Deserialize)]
struct Body {
    id: String,
    data: Box<RawValue>,
}

impl Arrivals {
    pub(super) fn new(secrets: Vec<(Role, SigningSecret)>, clock: Clock) -> Self {
        Self {
            secrets: Arc::new(secrets),
            clock,
            received: Arc::default(),
            news: Arc::default(),
        }
    }

    /// Takes a delivery. One that belongs to nobody is refused, so it stays missing and is told.
    pub(super) fn take(&self, arrival: &Arrival) -> StatusCode {
        let path = arrival.head.uri.path();
        let owner = Role::with_path(path)
            .and_then(|role| self.secrets.iter().find(|(owner, _)| *owner == role));
        let Some((role, secret)) = owner else {
            return StatusCode::NOT_FOUND;
        };
        let Ok(body) = serde_json::from_slice::<Body>(&arrival.body) else {
            return StatusCode::BAD_REQUEST;
        };
        let received = Received {
            data: body.data,
            signature: arrival.verify(secret, self.clock.now()),
            at: Instant::now(),
        };
        // Deliveries come at least once; the first counts.
        self.received
            .lock()
            .entry((*role, body.id))
            .or_insert(received);
        self.news.notify_waiters();
        StatusCode::OK
    }

    pub(super) fn of(&self, role: Role, event: &str) -> Option<Received> {
        self.received.lock().get(&(role, event.to_owned())).cloned()
    }

    /// Waits until something more comes.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// When the last delivery came.
    pub(super) fn last_at(&self) -> Option<Instant> {
        let received = self.received.lock();
        received.values().map(|received| received.at).max()
    }
}
