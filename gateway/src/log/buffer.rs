//! Completions on their way back, gathered for a few milliseconds so that many share a commit.
//!
//! Outlives the session that handed the work out: what a lost session did not write is written by
//! the next one.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::runs::Runs;
use super::work::Completion;

/// Longest time that a completion waits for others.
const GATHER: Duration = Duration::from_millis(10);
/// Completions that may wait behind a statement before a lane stops taking new events.
const MAX_BEHIND: usize = 8 * MAX_OUTCOMES;
/// Outcomes of one statement.
pub(super) const MAX_OUTCOMES: usize = 500;

#[derive(Debug)]
pub(super) struct Buffer {
    sender: mpsc::UnboundedSender<Completion>,
    receiver: mpsc::UnboundedReceiver<Completion>,
    pub(super) pending: Vec<Completion>,
    flush_at: Option<Instant>,
    /// A statement with some of `pending` may have committed before its answer was lost.
    pub(super) is_in_doubt: bool,
    pub(super) runs: Runs,
}

impl Buffer {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            sender,
            receiver,
            pending: Vec::new(),
            flush_at: None,
            is_in_doubt: false,
            runs: Runs::default(),
        }
    }

    /// For tickets.
    pub(super) fn sender(&self) -> mpsc::UnboundedSender<Completion> {
        self.sender.clone()
    }

    /// Waits for completions and keeps them. Losing the race of a `select!` loses none.
    pub(super) async fn receive(&mut self) {
        let room = MAX_OUTCOMES - self.pending.len();
        self.receiver.recv_many(&mut self.pending, room).await;
        self.schedule();
    }

    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < MAX_OUTCOMES
    }

    /// Whether more has come back than can be written soon: then new events must wait, or what is
    /// known and not written would grow without a bound.
    pub(super) fn is_behind(&self) -> bool {
        self.receiver.len() > MAX_BEHIND
    }

    /// When to write; none while nothing waits.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        self.flush_at
    }

    fn schedule(&mut self) {
        if !self.has_room() {
            self.flush_at = Some(Instant::now());
        } else if self.flush_at.is_none() && !self.pending.is_empty() {
            self.flush_at = Some(Instant::now() + GATHER);
        }
    }

    /// Everything that has come back by now, up to one statement's worth.
    pub(super) fn receive_now(&mut self) {
        while self.has_room()
            && let Ok(completion) = self.receiver.try_recv()
        {
            self.pending.push(completion);
        }
        self.schedule();
    }

    /// What was written is forgotten.
    pub(super) fn written(&mut self) {
        self.pending.clear();
        self.flush_at = None;
        self.is_in_doubt = false;
    }

    /// Tries again a little later.
    pub(super) fn postpone(&mut self, wait: Duration) {
        self.flush_at = Some(Instant::now() + wait);
    }
}
