//! What is handed to plugins: events, and the batches they come in.

use crate::limits::Limits;
use crate::load::LoadedPlugin;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// An event as a plugin sees it. Clones are cheap.
#[derive(Debug, Clone)]
pub struct GuestEvent {
    pub id: Arc<str>,
    pub source: Arc<str>,
    pub event_type: Arc<str>,
    pub subject: Option<Arc<str>>,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub time_ms: u64,
    pub tenant: Arc<str>,
    pub key: Option<Arc<str>>,
    pub content_type: Arc<str>,
    pub data: Bytes,
    /// Extensions: name and value.
    pub attributes: Arc<[(String, String)]>,
}

/// Makes the claim check of the event at an index of the batch; called only when a
/// plugin asks for it.
pub type DataUrls = Arc<dyn Fn(usize) -> String + Send + Sync>;

/// For runs that have nothing to link to: every address is empty.
pub fn no_data_urls() -> DataUrls {
    Arc::new(|_| String::new())
}

/// Events of one subscription for one plugin; they share one instance.
#[derive(Clone)]
pub struct BatchJob {
    /// Whose processor time this is.
    pub tenant: Arc<str>,
    pub plugin: Arc<LoadedPlugin>,
    /// JSON, `{}` where the subscription has none.
    pub config: Arc<str>,
    pub events: Vec<GuestEvent>,
    pub data_urls: DataUrls,
    /// For this batch; those about uploads are not looked at.
    pub limits: Arc<Limits>,
}

/// One event for a component that is not stored.
#[derive(Clone)]
pub struct DryRunJob {
    pub tenant: Arc<str>,
    pub component: Bytes,
    pub config: Arc<str>,
    pub event: GuestEvent,
    pub data_urls: DataUrls,
}

impl fmt::Debug for BatchJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchJob")
            .field("tenant", &self.tenant)
            .field("plugin", &self.plugin)
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DryRunJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DryRunJob")
            .field("tenant", &self.tenant)
            .field("event", &self.event.id)
            .finish_non_exhaustive()
    }
}
