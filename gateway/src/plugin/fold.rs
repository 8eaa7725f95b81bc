//! Folds the events of a window into one, by the version of a plugin that the last of them meets.
//!
//! Fails closed like the pipeline: where there is no result, nothing goes out. Who the result is, the
//! last event says; a plugin changes its data, not its identity.

use std::sync::Arc;

use hookgate_plugin_host::{CallFailure, FoldJob, GuestEvent, Limits, LoadedPlugin};

use super::passage::{guest_event, is_json_text};
use super::pipeline::Pipeline;
use super::registry::Registry;
use crate::domain::event::{Event, is_json};
use crate::domain::plugin::{ComponentDigest, OnError, PluginName};
use crate::domain::prepared::{Folded, PluginFailure, RetryWhen};
use crate::domain::subscription::Subscription;
use crate::domain::tenant::TenantName;

impl Pipeline {
    /// What `plugin` makes of `events`, which are in their order and at least one.
    pub async fn fold(
        &self,
        subscription: &Arc<Subscription>,
        plugin: PluginName,
        events: Vec<Arc<Event>>,
    ) -> Folded {
        let failed = |kind, reason: String, retry| PluginFailure {
            plugin: plugin.clone(),
            kind,
            reason,
            on_error: OnError::Park,
            retry,
        };
        let unresolved = |why: super::registry::Unresolved| {
            let retry = why.is_passing().then_some(RetryWhen::Soon);
            Folded {
                result: Err(failed(why.kind(), why.to_string(), retry)),
                ran: Vec::new(),
            }
        };
        let entry = match self.registry.entry(subscription.tenant, &plugin) {
            Ok(entry) => entry,
            Err(why) => return unresolved(why),
        };
        let version = events.last().and_then(|last| entry.version_for(last.id));
        let resolved = match self.registry.resolve(&entry, version).await {
            Ok(resolved) => resolved,
            Err(why) => return unresolved(why),
        };
        let code = (&self.registry, resolved.plugin.clone(), self.limits.clone());
        let result = fold(code, &subscription.tenant_name, &events).await;
        Folded {
            result: result.map_err(|why| failed(why.kind, why.reason, why.retry)),
            ran: vec![(plugin.clone(), resolved.digest)],
        }
    }
}

/// Why there is no result.
#[derive(Debug)]
pub(super) struct NoFold {
    kind: &'static str,
    pub(super) reason: String,
    retry: Option<RetryWhen>,
}

impl From<CallFailure> for NoFold {
    fn from(failure: CallFailure) -> Self {
        let retry = if failure.is_not_asked() {
            Some(RetryWhen::Soon)
        } else {
            matches!(failure, CallFailure::AgainLater(_)).then_some(RetryWhen::BySchedule)
        };
        Self {
            kind: failure.kind(),
            reason: failure.to_string(),
            retry,
        }
    }
}

/// Runs one version of a plugin over the events.
pub(super) async fn fold(
    (registry, plugin, limits): (&Registry, Arc<LoadedPlugin>, Arc<Limits>),
    tenant: &TenantName,
    events: &[Arc<Event>],
) -> Result<Arc<Event>, NoFold> {
    let mut guests = events.iter().map(|event| guest_event(event, tenant));
    let job = FoldJob {
        tenant: tenant.shared(),
        plugin,
        config: "{}".into(),
        first: guests.next().expect("a window holds an event"),
        later: guests.collect(),
        limits,
    };
    let folded = registry.host().fold(job).await.result?;
    let last = events.last().expect("a window holds an event");
    taken(last, folded)
}

/// The last event with what the plugin made of its data.
fn taken(last: &Event, folded: GuestEvent) -> Result<Arc<Event>, NoFold> {
    if is_json(&folded.content_type) && !is_json_text(&folded.data) {
        return Err(NoFold {
            kind: "invalid-json",
            reason: format!(
                "the plugin folded the events into data that is not JSON as {}; return JSON, or the \
                 content type that it has",
                folded.content_type
            ),
            retry: None,
        });
    }
    let mut event = last.clone();
    event.attributes.content_type = Some((&*folded.content_type).into());
    event.data = folded.data;
    Ok(Arc::new(event))
}

/// Loads and runs the version that is named by its digest: to make a past delivery again.
pub(super) async fn fold_again(
    (registry, limits): (&Registry, Arc<Limits>),
    digest: ComponentDigest,
    tenant: &TenantName,
    events: &[Arc<Event>],
) -> Result<Arc<Event>, String> {
    let plugin = registry.load(digest).await.map_err(|why| why.to_string())?;
    let folded = fold((registry, plugin, limits), tenant, events).await;
    folded.map_err(|why| why.reason)
}
