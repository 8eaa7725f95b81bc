//! The breakers of all plugins on this node: one for each version and tenant.
//!
//! For each tenant, so that nobody's events can pause a shared plugin for others. Remembered only
//! where something failed; a node that restarts begins anew.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::breaker::{Admission, Breaker, Change, Judged, Why};
use super::records::SeenFailure;
use crate::domain::clock::Timestamp;
use crate::domain::ids::TenantId;
use crate::domain::plugin::ComponentDigest;
use crate::store::plugins::PluginKey;

/// Breakers that can be told apart; what fails beyond that is not paused.
const MAX_BREAKERS: usize = 10_000;

/// Which code, for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BreakerKey {
    pub(super) digest: ComponentDigest,
    /// Whose events it fails on.
    pub(super) tenant: TenantId,
}

/// A version that does not run for a tenant now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub plugin: PluginKey,
    pub version: i32,
    pub digest: ComponentDigest,
    pub tenant: TenantId,
    pub why: Why,
    pub since: Timestamp,
    /// When it is tried again; sooner where another version is activated.
    pub until: Timestamp,
    /// What happened last before the pause.
    pub last_failure: Option<SeenFailure>,
}

/// What others have to hear of.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Paused(Pause),
    Resumed(Pause),
}

/// What a batch came to, for its breaker.
pub(super) struct Noted<'a> {
    pub(super) plugin: &'a PluginKey,
    pub(super) version: i32,
    pub(super) admission: Admission,
    pub(super) results: &'a [Judged],
    pub(super) last_failure: Option<SeenFailure>,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Breakers {
    known: Arc<Mutex<HashMap<BreakerKey, Known>>>,
    /// Holds at most one word for each pause and its end, so the breakers bound it.
    told: mpsc::UnboundedSender<Told>,
}

#[derive(Debug)]
struct Known {
    breaker: Breaker,
    pause: Option<Pause>,
}

impl Breakers {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Told>) {
        let (told, heard) = mpsc::unbounded_channel();
        let known = Arc::default();
        (Self { known, told }, heard)
    }

    pub(super) fn admit(&self, key: BreakerKey, now: Timestamp) -> Admission {
        let mut known = self.known.lock();
        known
            .get_mut(&key)
            .map_or(Admission::Run, |known| known.breaker.admit(now))
    }

    pub(super) fn note(&self, key: BreakerKey, noted: Noted<'_>, now: Timestamp) {
        let mut all = self.known.lock();
        if !all.contains_key(&key) {
            let is_worth_it = noted.results.contains(&Judged::Badly);
            if !is_worth_it || all.len() >= MAX_BREAKERS {
                return;
            }
            let breaker = Breaker::new();
            let pause = None;
            all.insert(key, Known { breaker, pause });
        }
        let known = all.get_mut(&key).expect("it is there, or was put there");
        match known.breaker.note(noted.admission, noted.results, now) {
            Some(Change::Paused { why, until }) => {
                let pause = Pause {
                    plugin: noted.plugin.clone(),
                    version: noted.version,
                    digest: key.digest,
                    tenant: key.tenant,
                    why,
                    since: now,
                    until,
                    last_failure: noted.last_failure,
                };
                known.pause = Some(pause.clone());
                // Nobody listens any more when the gateway stops.
                let _ = self.told.send(Told::Paused(pause));
            }
            Some(Change::Resumed) => {
                if let Some(pause) = known.pause.take() {
                    let _ = self.told.send(Told::Resumed(pause));
                }
            }
            None => {}
        }
        if known.breaker.is_settled() {
            all.remove(&key);
        }
    }

    /// Forgets what a version did, for all tenants: somebody wants it to run.
    pub(super) fn forget(&self, digest: ComponentDigest) {
        self.known.lock().retain(|key, _| key.digest != digest);
    }

    /// The pauses of one version, with the time of the next try.
    #[must_use]
    pub fn pauses(&self, digest: ComponentDigest) -> Vec<Pause> {
        let known = self.known.lock();
        let of_digest = known.iter().filter(|(key, _)| key.digest == digest);
        let pauses = of_digest.filter_map(|(_, known)| {
            let until = known.breaker.paused_until()?;
            Some(Pause {
                until,
                ..known.pause.clone()?
            })
        });
        pauses.collect()
    }
}
