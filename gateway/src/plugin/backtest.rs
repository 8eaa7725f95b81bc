//! Two versions of a plugin over the same stored events, and what differs. Sends nothing.
//!
//! Each event goes through the plugins that stand before it in its subscription, then through both
//! versions in batches of a hundred that share an instance, as deliveries do. The backtest waits in
//! a queue of its own and stands back while deliveries wait for a plugin thread.

use std::sync::Arc;
use std::time::Duration;

use hookgate_plugin_host::{CallReport, GuestEvent};
use tokio::time::sleep;

use super::Plugins;
use super::backtest_tally::Tally;
use super::claim::ClaimSigner;
use super::passage::Passage;
use super::pinned::{Account, BATCH_EVENTS, Pinned, pass};
use super::registry::Unresolved;
use crate::domain::event::Event;
use crate::domain::filter::Filters;
use crate::domain::ids::{EventId, SubscriptionId};
use crate::domain::job::{BacktestSpec, BacktestUse};
use crate::domain::labels::Labels;
use crate::domain::pattern::TypePattern;
use crate::domain::plugin::PluginName;
use crate::domain::prepared::PipelineResult;
use crate::domain::tenant::TenantName;
use crate::store::again::wants;

/// No tenant can be called so.
const QUEUE: &str = "backtest of stored events";
/// How long one batch stands back at most, so that a busy gateway comes to an end with it too.
const STAND_BACK: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Why a backtest cannot be run.
#[derive(Debug, thiserror::Error)]
#[error("plugin {name}: {why}")]
pub struct BacktestError {
    pub name: PluginName,
    pub why: Unresolved,
}

/// One use of the plugin, with everything loaded.
#[derive(Debug)]
pub struct Backtest {
    account: Account,
    /// None: every event that is handed in.
    wish: Option<(Vec<TypePattern>, Labels, Filters)>,
    tenant: TenantName,
    before: Vec<Pinned>,
    baseline: Pinned,
    candidate: Pinned,
}

impl Plugins {
    /// # Errors
    /// Where a version cannot be loaded, or a name is none.
    pub async fn backtest(
        &self,
        spec: &BacktestSpec,
        of: &BacktestUse,
        claims: ClaimSigner,
    ) -> Result<Backtest, BacktestError> {
        let refuse = |name: &PluginName| {
            let name = name.clone();
            move |why| BacktestError { name, why }
        };
        let mut before = Vec::new();
        for (used, digest) in &of.before {
            let pinned = Pinned::load(&self.registry, used.clone(), *digest).await;
            before.push(pinned.map_err(refuse(&used.name))?);
        }
        let load = async |digest| {
            let pinned = Pinned::load(&self.registry, of.used.clone(), digest).await;
            pinned.map_err(refuse(&of.used.name))
        };
        let filters = Filters::parse(&of.filters).unwrap_or_default();
        Ok(Backtest {
            wish: of
                .subscription
                .map(|_| (of.types.clone(), of.labels.clone(), filters)),
            account: Account {
                registry: self.registry.clone(),
                claims,
                queue: Arc::from(QUEUE),
                subscription: of.subscription.unwrap_or(SubscriptionId::new(0)),
            },
            tenant: of
                .tenant_name
                .parse()
                .unwrap_or_else(|_| TenantName::unnamed()),
            before,
            baseline: load(spec.baseline.digest).await?,
            candidate: load(spec.candidate.digest).await?,
        })
    }
}

impl Backtest {
    /// Sizes of the two components.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.baseline.size_bytes(), self.candidate.size_bytes())
    }

    /// Those that the subscription gets.
    #[must_use]
    pub fn wanted(&self, mut events: Vec<Event>) -> Vec<Event> {
        if let Some((patterns, labels, filters)) = &self.wish {
            events.retain(|event| wants(patterns, (labels, filters), event));
        }
        events
    }

    /// Compares the two versions over `events` and adds what differs to `tally`.
    pub async fn run(&self, events: Vec<Event>, tally: &mut Tally) {
        let mut events = events.into_iter().map(Arc::new).peekable();
        while events.peek().is_some() {
            let batch: Vec<Arc<Event>> = events.by_ref().take(BATCH_EVENTS).collect();
            self.stand_back().await;
            self.batch(batch, tally).await;
        }
    }

    async fn batch(&self, events: Vec<Arc<Event>>, tally: &mut Tally) {
        let mut passages: Vec<Passage> = events
            .into_iter()
            .map(|event| Passage::new(event, &self.tenant))
            .collect();
        for pinned in &self.before {
            let mut all: Vec<&mut Passage> = passages.iter_mut().collect();
            pass(pinned, &self.account, &mut all).await;
        }
        let (open, ended): (Vec<_>, Vec<_>) = passages.into_iter().partition(Passage::is_open);
        tally.skip(ended.len());
        if open.is_empty() {
            return;
        }
        let ids: Vec<EventId> = open.iter().map(|passage| passage.event().id).collect();
        let guests: Vec<GuestEvent> = open.iter().map(|one| one.guest().clone()).collect();
        // One after the other: the other plugin threads stay free for deliveries.
        let before = self.baseline.reports(&self.account, (&ids, &guests)).await;
        let after = self.candidate.reports(&self.account, (&ids, &guests)).await;
        for ((passage, before), after) in open.into_iter().zip(before).zip(after) {
            let event = passage.event().id;
            let pair = [
                Seen::of(&self.baseline, passage.clone(), before),
                Seen::of(&self.candidate, passage, after),
            ];
            tally.add((event, self.account.subscription), pair);
        }
    }

    /// Deliveries that wait for a plugin thread go first.
    async fn stand_back(&self) {
        let mut waited = Duration::ZERO;
        while waited < STAND_BACK && self.account.registry.host().stats().batches_waiting > 0 {
            sleep(LOOK_AGAIN).await;
            waited += LOOK_AGAIN;
        }
    }
}

/// What one version made of one event.
#[derive(Debug)]
pub(super) struct Seen {
    /// `pass`, `drop`, `replace`, `deliver` or `failed`.
    pub(super) verdict: &'static str,
    pub(super) result: PipelineResult,
    pub(super) duration: Duration,
    pub(super) cpu: Duration,
}

impl Seen {
    fn of(pinned: &Pinned, mut passage: Passage, report: CallReport) -> Self {
        Self {
            verdict: pinned.apply(&mut passage, report.result),
            result: passage.finish().result,
            duration: report.duration,
            cpu: report.cpu,
        }
    }
}
