//! Writes down what an attempt was: when, how long, with what, and what came of it.
//!
//! Only makes records; where they go is the ticket's business.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::sender::Sent;
use crate::domain::attempt::{Attempt, AttemptNumber, Note, Outcome};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::ConfigVersion;
use crate::domain::plugin::{ComponentDigest, PluginName};
use crate::log::work::Run;

/// When something began, by the database's clock and by one that never jumps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    pub(super) at: Timestamp,
    pub(super) since: Instant,
}

impl Started {
    pub(super) fn now(clock: &Clock) -> Self {
        Self {
            at: clock.now(),
            since: Instant::now(),
        }
    }

    /// The record of a try that is over now.
    pub(super) fn attempt(self, number: AttemptNumber, sent: Sent) -> Attempt {
        let has_note = sent.reason.is_some() || sent.excerpt.is_some();
        Attempt {
            number,
            started_at: self.at,
            duration: self.since.elapsed(),
            outcome: sent.outcome,
            status: sent.status,
            address: sent.address,
            body_hash: None,
            note: has_note.then_some(Note {
                reason: sent.reason,
                excerpt: sent.excerpt,
                ..Note::default()
            }),
        }
    }

    /// The record of a delivery that ended without a try.
    pub(super) fn verdict(
        self,
        number: AttemptNumber,
        outcome: Outcome,
        reason: String,
    ) -> Attempt {
        Attempt {
            number,
            started_at: self.at,
            duration: Duration::ZERO,
            outcome,
            status: None,
            address: None,
            body_hash: None,
            note: Some(Note {
                reason: Some(reason),
                ..Note::default()
            }),
        }
    }
}

/// The runs of one batch: members with the same plugins share one.
#[derive(Debug)]
pub(super) struct Runs {
    config: ConfigVersion,
    last: Option<Arc<Run>>,
}

impl Runs {
    pub(super) fn new(config: ConfigVersion) -> Self {
        Self { config, last: None }
    }

    pub(super) fn of(&mut self, plugins: Vec<(PluginName, ComponentDigest)>) -> Arc<Run> {
        if let Some(last) = &self.last
            && last.plugins == plugins
        {
            return last.clone();
        }
        let run = Arc::new(Run {
            config: self.config,
            plugins,
        });
        self.last = Some(run.clone());
        run
    }
}
