//! What is handed to plugins: events, requests, and the jobs they come in.

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

/// A request as it arrived at the address of a source. Clones are cheap.
#[derive(Clone)]
pub struct GuestRequest {
    /// Upper case.
    pub method: Arc<str>,
    /// What follows the source's own address, at least `/`.
    pub path: Arc<str>,
    /// Without the question mark, still encoded; empty where there is none.
    pub query: Arc<str>,
    /// In the order of arrival, names in lower case.
    pub headers: Arc<[(String, String)]>,
    pub body: Bytes,
    /// The source's secret. Never printed.
    pub secret: Option<Arc<str>>,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub received_ms: u64,
}

impl GuestRequest {
    /// What counts against the limit of a call's input.
    pub(crate) fn bytes(&self) -> usize {
        let headers = self.headers.iter();
        self.body.len()
            + self.path.len()
            + self.query.len()
            + headers
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>()
    }
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

/// Waiting events of one key, to be merged into one.
#[derive(Clone)]
pub struct FoldJob {
    /// Whose processor time this is.
    pub tenant: Arc<str>,
    pub plugin: Arc<LoadedPlugin>,
    /// JSON, `{}` where there is none.
    pub config: Arc<str>,
    /// In order of arrival. One alone is its own result.
    pub first: GuestEvent,
    pub later: Vec<GuestEvent>,
    /// For this job; those about uploads are not looked at.
    pub limits: Arc<Limits>,
}

/// One request for a receiver.
#[derive(Clone)]
pub struct ReceiveJob {
    /// Whose processor time this is.
    pub tenant: Arc<str>,
    pub plugin: Arc<LoadedPlugin>,
    /// JSON, `{}` where there is none.
    pub config: Arc<str>,
    pub request: GuestRequest,
    /// For this call; those about uploads are not looked at.
    pub limits: Arc<Limits>,
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

impl fmt::Debug for FoldJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoldJob")
            .field("tenant", &self.tenant)
            .field("plugin", &self.plugin)
            .field("later", &self.later.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiveJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveJob")
            .field("tenant", &self.tenant)
            .field("plugin", &self.plugin)
            .finish_non_exhaustive()
    }
}

/// Headers and body may hold secrets as well as the secret itself.
impl fmt::Debug for GuestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
