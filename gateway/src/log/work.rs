//! What passes between the log and the delivery engine: work handed out, and what came of it.
//!
//! Each [`Work`] carries a [`Ticket`], and a ticket always comes back: finished with a completion,
//! or, where it is dropped by a task that ended early, as work to be handed out again. So no
//! delivery depends on anybody's memory. Nothing here knows how either side works.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::domain::attempt::{Attempt, AttemptNumber};
use crate::domain::clock::Timestamp;
use crate::domain::event::Event;
use crate::domain::ids::{BucketId, ConfigVersion, DeliveryId, EventId, LaneId, SubscriptionId};
use crate::domain::plugin::{ComponentDigest, PluginName};
use crate::domain::queueing::Grouping;

use super::lease::Lease;

/// One delivery that is due: try it, then return its ticket.
#[derive(Debug)]
pub struct Work {
    pub event: Arc<Event>,
    pub subscription: SubscriptionId,
    /// The number that the next attempt has.
    pub number: AttemptNumber,
    pub ticket: Ticket,
    /// Its number in its order, where it has one.
    pub sequence: Option<i64>,
    /// What it stands for beside its own event.
    pub company: Option<Company>,
}

/// The events that one delivery stands for, itself last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub grouping: Grouping,
    pub members: Arc<[EventId]>,
}

/// A group as it is handed out.
#[derive(Clone, Debug)]
pub struct Company {
    pub group: Group,
    /// Those of its events that are needed and still there, in their order.
    pub events: Vec<Arc<Event>>,
}

impl Work {
    /// Bytes it takes in memory, roughly.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        let company = self.company.as_ref();
        let others = company.map_or(0, |company| {
            company
                .events
                .iter()
                .map(|event| event.weight_bytes())
                .sum()
        });
        self.event.weight_bytes().max(others)
    }
}

/// Where a delivery waits: what must be written to, and by which session, when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A target of an event of this lane, in the epoch in which it was handed out.
    Lane { lane: LaneId, epoch: i32 },
    /// A parked row.
    Parked { bucket: BucketId, row: i64 },
}

/// Why a delivery waits in a row of its own. The number is what the `parked` table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum ParkReason {
    /// Will be tried again by the schedule.
    Retry = 1,
    /// A plugin must be mended first.
    Plugin = 2,
    /// The subscription is paused.
    Paused = 3,
    /// Missed: the subscription is disabled or expired.
    Missed = 4,
    /// There was no room in memory, or its turn took too long.
    Overflow = 5,
    /// Somebody asked for it again.
    Replay = 6,
    /// Found by a configuration newer than the one that matched first.
    Late = 7,
    /// It comes after those before it in its order.
    Ordered = 8,
    /// Its window has closed.
    Window = 9,
}

impl ParkReason {
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }
}

/// Which plugins and which configuration an attempt ran with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Run {
    pub config: ConfigVersion,
    pub plugins: Vec<(PluginName, ComponentDigest)>,
}

/// What becomes of the delivery now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing more will happen to it.
    Final,
    /// It waits; without an instant, until somebody wakes it.
    Park {
        reason: ParkReason,
        due_at: Option<Timestamp>,
    },
}

/// What came of a [`Work`].
#[derive(Debug)]
pub struct Completion {
    pub delivery: DeliveryId,
    pub origin: Origin,
    /// Attempts made so far, this one included.
    pub attempts_made: u16,
    /// None where nothing was tried, only parked.
    pub record: Option<(Attempt, Option<Arc<Run>>)>,
    pub after: After,
    /// Where it waits in an order: for how long it holds up the others from its first failure on.
    pub blocks_for: Option<Duration>,
    pub sequence: Option<i64>,
    pub group: Option<Group>,
}

/// The obligation to say what came of a delivery.
#[derive(Debug)]
pub struct Ticket {
    delivery: DeliveryId,
    origin: Origin,
    attempts_made: u16,
    /// Holds at most one completion for each ticket that was handed out, so the work bounds it.
    completions: Option<mpsc::UnboundedSender<Completion>>,
    lease: Option<Lease>,
    blocks_for: Option<Duration>,
    sequence: Option<i64>,
    group: Option<Group>,
}

impl Ticket {
    #[must_use]
    pub fn new(
        delivery: DeliveryId,
        origin: Origin,
        attempts_made: u16,
        completions: mpsc::UnboundedSender<Completion>,
    ) -> Self {
        Self {
            delivery,
            origin,
            attempts_made,
            completions: Some(completions),
            lease: None,
            blocks_for: None,
            sequence: None,
            group: None,
        }
    }

    /// Has a number in an order, or stands for several events: its record says so.
    #[must_use]
    pub fn standing_for(mut self, sequence: Option<i64>, group: Option<Group>) -> Self {
        self.sequence = sequence;
        self.group = group;
        self
    }

    /// Where it fails it holds up those behind it in its order for at most so long.
    #[must_use]
    pub fn blocking_for(mut self, time: Option<Duration>) -> Self {
        self.blocks_for = time;
        self
    }

    #[must_use]
    pub fn under(mut self, lease: Lease) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Whether an attempt may begin: not once the session that handed it out is gone, because
    /// then somebody else hands it out again. Drop the work in that case.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.lease.as_ref().is_none_or(Lease::is_valid)
    }

    #[must_use]
    pub fn delivery(&self) -> DeliveryId {
        self.delivery
    }

    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// An attempt was made, or a verdict was reached.
    pub fn finish(mut self, attempt: Attempt, run: Option<Arc<Run>>, after: After) {
        let made = if attempt.outcome.is_verdict() {
            self.attempts_made
        } else {
            attempt.number.get()
        };
        self.send(made, Some((attempt, run)), after);
    }

    /// Nothing was tried: it waits.
    pub fn park(mut self, reason: ParkReason, due_at: Option<Timestamp>) {
        let made = self.attempts_made;
        self.send(made, None, After::Park { reason, due_at });
    }

    fn send(
        &mut self,
        attempts_made: u16,
        record: Option<(Attempt, Option<Arc<Run>>)>,
        after: After,
    ) {
        if let Some(completions) = self.completions.take() {
            let (delivery, origin) = (self.delivery, self.origin);
            let was_tried = matches!(&record, Some((attempt, _)) if !attempt.outcome.is_verdict());
            // A closed channel means that the session is gone: whoever takes its lane or bucket
            // finds the delivery without an outcome and hands it out again.
            let _ = completions.send(Completion {
                delivery,
                origin,
                attempts_made,
                record,
                after,
                blocks_for: self.blocks_for.filter(|_| was_tried),
                sequence: self.sequence,
                group: self.group.take(),
            });
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let made = self.attempts_made;
        let now = Timestamp::from_ms(0);
        self.send(
            made,
            None,
            After::Park {
                reason: ParkReason::Overflow,
                due_at: Some(now),
            },
        );
    }
}
