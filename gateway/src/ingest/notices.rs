//! Turns the gateway's own notices into events: matched, stored and delivered like any other.
//!
//! Whoever has a notice hands it over and goes on; nobody waits. What is not wanted by any
//! subscription of its tenant is not stored, so that a storm of failures does not become a second
//! one. A notice is sent at most once: a crash in the moment between what happened and its notice
//! loses the notice alone.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::accept::Ingest;
use crate::domain::ids::TenantId;
use crate::domain::notice::Notice;

/// Notices that may wait to be stored; what comes beyond is dropped, and the log says so.
const MAX_WAITING: usize = 1024;

/// Takes notices. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notices {
    waiting: mpsc::Sender<(TenantId, Notice)>,
}

/// Stores what [`Notices`] take.
#[derive(Debug)]
pub struct NoticeWriter {
    ingest: Ingest,
    waiting: mpsc::Receiver<(TenantId, Notice)>,
}

impl Notices {
    #[must_use]
    pub fn new(ingest: Ingest) -> (Self, NoticeWriter) {
        let (sender, waiting) = mpsc::channel(MAX_WAITING);
        (Self { waiting: sender }, NoticeWriter { ingest, waiting })
    }

    /// Hands a notice over; never waits.
    pub fn emit(&self, tenant: TenantId, notice: Notice) {
        if self.waiting.try_send((tenant, notice)).is_err() {
            warn!("too many notices wait, one was dropped");
        }
    }
}

impl NoticeWriter {
    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let next = tokio::select! {
                () = stop.cancelled() => return,
                next = self.waiting.recv() => next,
            };
            let Some((tenant, notice)) = next else {
                return stop.cancelled().await;
            };
            let data = notice.data().into();
            let event_type = notice.event_type();
            if let Err(error) = self.ingest.emit(tenant, event_type, data).await {
                warn!(%error, notice = event_type, "notice could not be stored");
            }
        }
    }
}
