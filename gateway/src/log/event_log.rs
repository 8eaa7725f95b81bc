//! What a log must be able to do: append a batch, be read from an offset, keep an offset.
//!
//! Lanes in Postgres are the implementation ([`super::lane`]). Retries, attempts and parked rows
//! are not asked of a log, so a distributed one can stand in its place.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::event::{Attributes, Event};
use crate::domain::ids::{ConfigVersion, EventId, SubscriptionId, TenantId};
use crate::domain::queueing::{OrderKey, Window};

use super::error::LogError;
use super::work::ParkReason;

/// An event that is to be stored, and who wants it.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub tenant: TenantId,
    pub event_type: Arc<str>,
    pub attributes: Attributes,
    pub data: Bytes,
    /// Active subscriptions: served from memory.
    pub targets: Vec<SubscriptionId>,
    /// Subscriptions for which it waits: kept in rows of their own by the same statement.
    pub parked: Vec<(SubscriptionId, Wait)>,
    pub idempotency: Option<Idempotency>,
    /// The row that it leaves when it is stored, for an event that came by SQL.
    pub outbox: Option<FromOutbox>,
}

/// A row of the outbox, which becomes an event in the statement that deletes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FromOutbox {
    pub row: i64,
    /// What its subscriptions were found with. Where the statement sees a newer one it leaves the
    /// row alone, so that it is matched again.
    pub matched_with: ConfigVersion,
}

/// How an event waits for a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until somebody wakes it; in its order where it has one.
    Parked {
        reason: ParkReason,
        order: Option<OrderKey>,
    },
    /// Until all before it in its order are done.
    Ordered(OrderKey),
    /// In an open window.
    Window(Window),
}

impl From<ParkReason> for Wait {
    fn from(reason: ParkReason) -> Self {
        Self::Parked {
            reason,
            order: None,
        }
    }
}

impl Wait {
    /// Whether its turn comes without anybody waking it.
    #[must_use]
    pub const fn is_soon(&self) -> bool {
        matches!(self, Self::Ordered(_) | Self::Window(_))
    }
}

/// What makes two requests the same one: SHA-256 of the key and of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    pub key_hash: [u8; 32],
    pub body_hash: [u8; 32],
}

impl NewEvent {
    /// Bytes it takes in memory, roughly.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.data.len() + self.event_type.len() + 4 * (self.targets.len() + self.parked.len()) + 512
    }
}

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Durable. `config` is the configuration that the statement itself saw.
    Stored { id: EventId, config: ConfigVersion },
    /// Its key is known, with the same body.
    Duplicate { id: EventId },
    /// Its key is known, with another body.
    OtherBody { id: EventId },
    /// Its row of the outbox is gone, or is to be matched again: look what is there.
    NotTaken,
}

/// An event read back, with the subscriptions for which it has no outcome yet.
#[derive(Clone, Debug)]
pub struct Unfinished {
    pub id: EventId,
    /// Each with the number of attempts made so far. Empty: nothing is left to do.
    pub open: Vec<(SubscriptionId, u16)>,
    /// None where nothing is left to do.
    pub event: Option<Arc<Event>>,
}

pub trait EventLog {
    /// Stores all or nothing; durable when it returns.
    ///
    /// # Errors
    /// On an error that leaves it open whether it was stored, reading tells.
    fn append(
        &mut self,
        events: &[&NewEvent],
    ) -> impl Future<Output = Result<Vec<Appended>, LogError>> + Send;

    /// The next events after an offset, at most a page; empty at the end of what an earlier owner
    /// left.
    fn read(
        &mut self,
        after: EventId,
    ) -> impl Future<Output = Result<Vec<Unfinished>, LogError>> + Send;

    /// Says that everything up to and with `offset` has its outcomes.
    fn commit(&mut self, offset: EventId) -> impl Future<Output = Result<(), LogError>> + Send;
}
