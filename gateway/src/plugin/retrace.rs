//! Makes a past run again and keeps what each plugin was shown and what it said: the way of one
//! event, told to a person.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hookgate_plugin_host::{GuestEvent, LogLine, Verdict};

use super::Plugins;
use super::claim::ClaimSigner;
use super::passage::Passage;
use super::pinned::{Account, Pinned};
use super::registry::Unresolved;
use crate::domain::event::Event;
use crate::domain::ids::SubscriptionId;
use crate::domain::plugin::{ComponentDigest, PluginUse};
use crate::domain::prepared::Prepared;
use crate::domain::tenant::TenantName;

/// What a plugin was shown, or what was there after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub content_type: Arc<str>,
    pub data: Bytes,
}

impl From<&GuestEvent> for Shown {
    fn from(guest: &GuestEvent) -> Self {
        Self {
            content_type: guest.content_type.clone(),
            data: guest.data.clone(),
        }
    }
}

/// One plugin on the way.
#[derive(Clone, Debug)]
pub struct Step {
    pub used: PluginUse,
    pub digest: ComponentDigest,
    pub before: Shown,
    /// None where it ended there.
    pub after: Option<Shown>,
    /// `pass`, `drop`, `replace`, `deliver` or `failed`.
    pub verdict: &'static str,
    /// Why it was dropped, or what failed.
    pub reason: Option<String>,
    pub took: Duration,
    pub logs: Vec<LogLine>,
}

impl Plugins {
    /// Runs `steps` in their order, each with the very version that ran then, as far as the event
    /// gets; and tells what came of it in the end.
    ///
    /// # Errors
    /// Where a component is not stored any more, or does not load.
    pub async fn retrace(
        &self,
        (event, tenant): (Arc<Event>, &TenantName),
        subscription: SubscriptionId,
        steps: Vec<(PluginUse, ComponentDigest)>,
        claims: ClaimSigner,
    ) -> Result<(Vec<Step>, Prepared), Unresolved> {
        let account = Account {
            registry: self.registry.clone(),
            claims,
            queue: tenant.shared(),
            subscription,
        };
        let id = event.id;
        let mut passage = Passage::new(event, tenant);
        let mut told = Vec::with_capacity(steps.len());
        for (used, digest) in steps {
            if !passage.is_open() {
                break;
            }
            let pinned = Pinned::load(&self.registry, used, digest).await?;
            let before = passage.guest().into();
            let guests = [passage.guest().clone()];
            let mut reports = pinned.reports(&account, (&[id], &guests)).await;
            let report = reports.pop().expect("one report an event");
            let dropped = match &report.result {
                Ok(Verdict::Drop(reason)) => Some(reason.clone()),
                _ => None,
            };
            let verdict = pinned.apply(&mut passage, report.result);
            let failed = passage.failure().map(|(_, reason)| reason.to_owned());
            told.push(Step {
                used: pinned.used,
                digest,
                before,
                after: passage.is_open().then(|| passage.guest().into()),
                verdict,
                reason: failed.or(dropped),
                took: report.duration,
                logs: report.logs,
            });
        }
        Ok((told, passage.finish()))
    }
}
