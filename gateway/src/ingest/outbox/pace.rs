//! How soon to look into an outbox again, and whether to be told instead.

use std::time::Duration;

use crate::log::{LogError, Outbox};

/// While a transaction is open that has emitted and may commit any moment.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Looks in a row that must find rows before `emit` is told that nobody needs its notices.
const BUSY_LOOKS: u32 = 3;

#[derive(Debug)]
pub(super) struct Pace {
    busy_looks: u32,
    wait: Duration,
    /// None: what an earlier owner asked for is not known.
    wants_notice: Option<bool>,
}

/// What to do after a look that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Look again: something may have come before notices were asked for.
    Look,
    For(Duration),
    UntilNews,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            busy_looks: 0,
            wait: FIRST_WAIT,
            wants_notice: None,
        }
    }

    /// Seldom rows are told of; from many in a row on they are found by looking.
    pub(super) async fn found_some(&mut self, outbox: &mut Outbox) -> Result<(), LogError> {
        self.busy_looks += 1;
        self.wait = FIRST_WAIT;
        if self.busy_looks >= BUSY_LOOKS && self.wants_notice != Some(false) {
            outbox.wants_notice(false).await?;
            self.wants_notice = Some(false);
        }
        Ok(())
    }

    /// Whoever emitted before notices were asked for has taken its row's number before, so while
    /// such a transaction is open the outbox is not done, and looking goes on.
    pub(super) async fn found_nothing(&mut self, outbox: &mut Outbox) -> Result<Rest, LogError> {
        self.busy_looks = 0;
        if !outbox.is_done() && self.wait < LONGEST_WAIT {
            let rest = Rest::For(self.wait);
            self.wait *= 2;
            return Ok(rest);
        }
        if self.wants_notice == Some(true) {
            return Ok(Rest::UntilNews);
        }
        outbox.wants_notice(true).await?;
        self.wants_notice = Some(true);
        Ok(Rest::Look)
    }
}
