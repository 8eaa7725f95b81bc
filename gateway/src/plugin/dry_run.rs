//! Shows an event, a pair or a request to a plugin and tells what came of it; stores nothing, sends
//! nothing.
//!
//! Counts instructions as well as time, which the gateway's own runs do not, so the same input gives
//! the same figure on every machine.

use std::sync::Arc;

use bytes::Bytes;
use hookgate_plugin_host::{GuestEvent, GuestRequest, Question, Refused, TrialCall, TrialRun};

use super::Plugins;
use super::passage::Passage;
use super::registry::Unresolved;
use crate::domain::event::Event;
use crate::domain::ids::TenantId;
use crate::domain::plugin::{ComponentDigest, PluginName};
use crate::domain::tenant::TenantName;
use crate::store::plugins::PluginStoreError;

/// What to show to the plugin, and on whose account.
#[derive(Clone, Debug)]
pub struct DryRunInput {
    pub tenant: (TenantId, TenantName),
    pub shown: Shown,
    pub config: serde_json::Value,
}

/// What a plugin is shown.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Asked as a delivery asks: its filter first, then its transform.
    Event(Event),
    /// Asked only whether it accepts the event.
    ToFilter(Event),
    /// Asked only what to make of the event.
    ToTransform(Event),
    /// To be folded into one.
    Pair {
        earlier: Box<Event>,
        later: Box<Event>,
    },
    /// As if it had arrived at a source's address.
    Request(GuestRequest),
}

/// Why a plugin could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    #[error("plugin {name}: {why}")]
    Unresolved { name: PluginName, why: Unresolved },
    /// The component did not pass the checks.
    #[error(transparent)]
    Refused(Box<Refused>),
    #[error(transparent)]
    Store(#[from] PluginStoreError),
}

impl Plugins {
    /// Runs a stored version.
    ///
    /// # Errors
    /// Where there is no such plugin or version, or it cannot be loaded.
    pub async fn dry_run_stored(
        &self,
        name: &PluginName,
        version: Option<i32>,
        input: DryRunInput,
    ) -> Result<(ComponentDigest, TrialRun), DryRunError> {
        let unresolved = |why| DryRunError::Unresolved {
            name: name.clone(),
            why,
        };
        let digest = self
            .registry
            .digest(input.tenant.0, name, version)
            .map_err(unresolved)?;
        let component = self.store.component(digest).await?;
        let component = component.ok_or(unresolved(Unresolved::Lost))?;
        Ok((digest, self.dry_run(component, input).await?))
    }

    /// Runs a component that is not stored.
    ///
    /// # Errors
    /// Where it does not pass the checks of an upload.
    pub async fn dry_run(
        &self,
        component: Bytes,
        input: DryRunInput,
    ) -> Result<TrialRun, DryRunError> {
        let DryRunInput {
            tenant: (_, tenant),
            shown,
            config,
        } = input;
        let host = self.registry.host();
        let trial = host.trial(component, tenant.shared()).await;
        let trial = trial.map_err(|refused| DryRunError::Refused(Box::new(refused)))?;
        let call = TrialCall {
            question: question(shown, &tenant),
            config: config.to_string().into(),
            data_url: "".into(),
            limits: None,
        };
        Ok(trial.fresh(&call).await)
    }
}

fn question(shown: Shown, tenant: &TenantName) -> Question {
    let guest = |event: Event| -> GuestEvent {
        let passage = Passage::new(Arc::new(event), tenant);
        passage.guest().clone()
    };
    match shown {
        Shown::Event(event) => Question::Delivery(guest(event)),
        Shown::ToFilter(event) => Question::Filter(guest(event)),
        Shown::ToTransform(event) => Question::Transform(guest(event)),
        Shown::Pair { earlier, later } => Question::Fold {
            earlier: guest(*earlier),
            later: guest(*later),
        },
        Shown::Request(request) => Question::Receive(request),
    }
}
