//! What one request carries: an event, or the events of a batch, as their plugins left them.
//!
//! Values only. Made by the delivery engine for what goes out now, and by whoever makes a past
//! delivery again; the same parcel gives the same bytes.

use std::sync::Arc;

use super::event::Event;
use super::ids::{DeliveryId, EventId, SubscriptionId};
use super::prepared::Outgoing;
use super::queueing::{Grouping, Queueing};
use super::subscription::DeliveryPolicy;

/// What one request carries.
#[derive(Clone, Debug)]
pub struct Parcel {
    pub delivery: DeliveryId,
    /// One, or the events of a batch in their order.
    pub items: Vec<Item>,
    /// Its number in its order, where it has one.
    pub sequence: Option<i64>,
    /// The events that it stands for, itself last.
    pub group: Option<(Grouping, Arc<[EventId]>)>,
}

/// An event, and what its plugins made of it; none where there are no plugins.
#[derive(Clone, Debug)]
pub struct Item {
    pub event: Arc<Event>,
    pub outgoing: Option<Outgoing>,
}

/// The events that one of a window stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    pub count: usize,
    pub first: EventId,
    pub last: EventId,
}

impl Parcel {
    /// One event for one subscription, by itself.
    #[must_use]
    pub fn of(subscription: SubscriptionId, event: Arc<Event>, outgoing: Option<Outgoing>) -> Self {
        Self {
            delivery: DeliveryId {
                event: event.id,
                subscription,
            },
            items: vec![Item { event, outgoing }],
            sequence: None,
            group: None,
        }
    }

    /// For a subscription with batches a single event goes as a batch of one, so that its receiver
    /// meets one form of body.
    #[must_use]
    pub fn for_policy(mut self, policy: &DeliveryPolicy) -> Self {
        if self.group.is_none() && matches!(policy.queueing, Queueing::Batched(_)) {
            self.group = Some((Grouping::Batch, [self.delivery.event].into()));
        }
        self
    }

    #[must_use]
    pub fn is_batch(&self) -> bool {
        matches!(self.group, Some((Grouping::Batch, _)))
    }

    /// Where it stands for others than itself: which, and how many.
    #[must_use]
    pub fn merged(&self) -> Option<Merged> {
        let (grouping, members) = self.group.as_ref()?;
        let (first, last) = (*members.first()?, *members.last()?);
        let is_window = *grouping != Grouping::Batch && members.len() > 1;
        is_window.then_some(Merged {
            count: members.len(),
            first,
            last,
        })
    }
}
