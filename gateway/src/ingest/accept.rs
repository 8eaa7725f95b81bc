//! The way of an event from being understood to being durable.
//!
//! One look at the catalog, one append. Only where the log saw a newer configuration than the one
//! that was matched with, there is a second look, so that a subscription that was confirmed before
//! an event was sent never misses it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::flaw::{Flaw, Rule};
use super::idempotency::{self, IdempotencyKey};
use super::quota::{Meters, Wanted};
use super::{Incoming, text};
use crate::domain::event::Attributes;
use crate::domain::filter::Candidate;
use crate::domain::ids::{ConfigVersion, EventId, SubscriptionId, TenantId};
use crate::domain::key::Caller;
use crate::domain::queueing::{OrderKey, Place};
use crate::domain::subscription::State;
use crate::domain::tenant::TenantName;
use crate::domain::trace::Trace;
use crate::log::work::ParkReason;
use crate::log::{AppendError, Appended, Log, LogError, NewEvent, Wait};
use crate::store::{Store, StoreError};

/// Source of the gateway's own events.
const OWN_SOURCE: &str = "hookgate";

/// Takes events in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ingest {
    store: Store,
    log: Log,
    meters: Arc<Meters>,
}

/// Who sends events, and what holds for all events of the request.
#[derive(Clone, Debug)]
pub struct Sender {
    pub caller: Caller,
    /// The tenant that the request names beside its events.
    pub tenant: Option<TenantName>,
    pub key: Option<IdempotencyKey>,
    /// W3C trace context of the request.
    pub trace: Trace,
    /// How many events of the same request went before, in calls of their own.
    pub events_before: usize,
}

/// An event that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub id: EventId,
    pub is_duplicate: bool,
}

/// Why events were not accepted. Where it is about one of several, the index says which.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("{flaw}")]
    Flaw { index: usize, flaw: Flaw },
    #[error("this key is bound to the tenant {bound_to}; it cannot send for {named}")]
    OtherTenant {
        index: usize,
        bound_to: TenantName,
        named: TenantName,
    },
    #[error("event {index} repeats the key of {known} with other content")]
    OtherBody { index: usize, known: EventId },
    #[error("the tenant may send {limit} {what} per second, and has sent more")]
    OverQuota {
        what: &'static str,
        limit: NonZeroU32,
        retry_after: Duration,
    },
    #[error("the events could not be stored")]
    Append(#[from] AppendError),
    #[error("the events could not be parked for a subscription that was just made")]
    Late(#[from] LogError),
    #[error("the configuration could not be read")]
    Store(#[from] StoreError),
}

impl AcceptError {
    /// Which of the events it is about; none where it is about all of them.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        match self {
            Self::Flaw { index, .. }
            | Self::OtherTenant { index, .. }
            | Self::OtherBody { index, .. } => Some(*index),
            _ => None,
        }
    }

    /// The same, with the index in the place of a flaw: for an array of events.
    #[must_use]
    pub fn in_array(self) -> Self {
        match self {
            Self::Flaw { index, flaw } => Self::Flaw {
                index,
                flaw: flaw.at_index(index),
            },
            other => other,
        }
    }
}

impl Ingest {
    #[must_use]
    pub fn new(store: Store, log: Log) -> Self {
        Self {
            store,
            log,
            meters: Arc::default(),
        }
    }

    /// Stores all events or none; when this returns they are on disk. The answer is in the order
    /// of the events.
    ///
    /// # Errors
    /// Says why none was accepted, except for [`AcceptError::OtherBody`]: the others are stored
    /// then, and are duplicates when they come again.
    pub async fn accept(
        &self,
        sender: &Sender,
        events: Vec<Incoming>,
    ) -> Result<Vec<Accepted>, AcceptError> {
        let matched_with = self.store.catalog().version();
        let mut batch = Vec::with_capacity(events.len());
        for (index, incoming) in events.into_iter().enumerate() {
            batch.push(self.matched(sender, incoming, index).await?);
        }
        self.meter(&batch)?;
        let given: Vec<Given> = batch.iter().map(Given::of).collect();
        let appended = self.log.append(batch).await?;
        self.park_what_was_missed(&given, &appended, matched_with)
            .await?;
        appended
            .into_iter()
            .enumerate()
            .map(|(index, appended)| match appended {
                Appended::Stored { id, .. } => Ok(Accepted {
                    id,
                    is_duplicate: false,
                }),
                Appended::Duplicate { id } => Ok(Accepted {
                    id,
                    is_duplicate: true,
                }),
                Appended::OtherBody { id } => Err(AcceptError::OtherBody { index, known: id }),
                Appended::NotTaken => unreachable!("no event of a request has a row of the outbox"),
            })
            .collect()
    }

    async fn matched(
        &self,
        sender: &Sender,
        incoming: Incoming,
        index: usize,
    ) -> Result<NewEvent, AcceptError> {
        text::not_own(&incoming.event_type).map_err(|rule| {
            let flaw = Flaw::body("/type", rule);
            AcceptError::Flaw { index, flaw }
        })?;
        let tenant = self.tenant(sender, incoming.tenant.as_ref(), index).await?;
        let place = sender.events_before + index;
        let idempotency = idempotency::of(&incoming, sender.key.as_ref(), place);
        let mut attributes = incoming.attributes;
        attributes.trace_parent.clone_from(&sender.trace.parent);
        attributes.trace_state.clone_from(&sender.trace.state);
        let mut event = NewEvent {
            tenant,
            event_type: incoming.event_type,
            attributes,
            data: incoming.data,
            targets: Vec::new(),
            parked: Vec::new(),
            idempotency,
            outbox: None,
        };
        self.address(&mut event);
        Ok(event)
    }

    /// Fills in who gets the event, now or later.
    pub(super) fn address(&self, event: &mut NewEvent) {
        let candidate = Candidate::new(&event.event_type, &event.attributes, &event.data);
        for wish in self.store.catalog().wishes(event.tenant, &candidate) {
            let reason = match wish.state {
                State::Active | State::Paused => ParkReason::Paused,
                State::Disabled | State::Expired => ParkReason::Missed,
                State::Pending | State::Deleted => continue,
            };
            let wait = match wish.place(event.attributes.key()) {
                Place::Memory => {
                    event.targets.push(wish.subscription);
                    continue;
                }
                Place::Ordered(order) => Wait::Ordered(order),
                Place::Parked(order) => Wait::Parked { reason, order },
                Place::Window(window) => Wait::Window(window),
            };
            event.parked.push((wish.subscription, wait));
        }
    }

    /// Stores an event of the gateway's own where a subscription wants it; None where none does.
    ///
    /// # Errors
    /// Where it could not be stored.
    pub async fn emit(
        &self,
        tenant: TenantId,
        event_type: &str,
        data: Bytes,
    ) -> Result<Option<EventId>, AcceptError> {
        let mut event = NewEvent {
            tenant,
            event_type: event_type.into(),
            attributes: Attributes {
                source: Some(OWN_SOURCE.into()),
                ..Attributes::default()
            },
            data,
            targets: Vec::new(),
            parked: Vec::new(),
            idempotency: None,
            outbox: None,
        };
        self.address(&mut event);
        if event.targets.is_empty() && event.parked.is_empty() {
            return Ok(None);
        }
        let appended = self.log.append(vec![event]).await?;
        Ok(appended.first().and_then(|appended| match appended {
            Appended::Stored { id, .. } => Some(*id),
            _ => None,
        }))
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// What a batch takes of the quotas of tenants that have one.
    fn wanted(&self, batch: &[NewEvent]) -> Vec<Wanted> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for event in batch {
            let known = wanted
                .iter_mut()
                .find(|wanted| wanted.tenant == event.tenant);
            if let Some(wanted) = known {
                wanted.events += 1;
                wanted.bytes += event.data.len();
            } else {
                wanted.push(Wanted {
                    tenant: event.tenant,
                    quota: self.store.catalog().quota(event.tenant).unwrap_or_default(),
                    events: 1,
                    bytes: event.data.len(),
                });
            }
        }
        wanted.retain(|wanted| !wanted.quota.is_unlimited());
        wanted
    }

    fn nodes(&self) -> usize {
        1 + self.log.beats().borrow().peers.len()
    }

    /// Counts what was committed elsewhere before anybody could refuse it.
    pub(super) fn charge(&self, batch: &[NewEvent]) {
        let wanted = self.wanted(batch);
        if !wanted.is_empty() {
            self.meters.charge(&wanted, self.nodes(), Instant::now());
        }
    }

    /// Refuses what a tenant sends beyond its quota; a tenant without one costs a look-up.
    fn meter(&self, batch: &[NewEvent]) -> Result<(), AcceptError> {
        let wanted = self.wanted(batch);
        if wanted.is_empty() {
            return Ok(());
        }
        let taken = self.meters.take(&wanted, self.nodes(), Instant::now());
        taken.map_err(|refused| AcceptError::OverQuota {
            what: refused.what,
            limit: refused.limit,
            retry_after: refused.retry_after,
        })
    }

    async fn tenant(
        &self,
        sender: &Sender,
        in_event: Option<&TenantName>,
        index: usize,
    ) -> Result<TenantId, AcceptError> {
        let named = match (in_event, sender.tenant.as_ref()) {
            (Some(one), Some(other)) if one != other => {
                let rule = Rule::Domain(format!("is not the tenant of the request, {other}"));
                let flaw = Flaw::body("/tenant", rule);
                return Err(AcceptError::Flaw { index, flaw });
            }
            (in_event, in_request) => in_event.or(in_request),
        };
        match (&sender.caller.bound_to, named) {
            (Some((_, bound_to)), Some(named)) if bound_to != named => {
                Err(AcceptError::OtherTenant {
                    index,
                    bound_to: bound_to.clone(),
                    named: named.clone(),
                })
            }
            (Some((id, _)), _) => Ok(*id),
            (None, Some(named)) => Ok(self.store.ensure_tenant(named).await?),
            (None, None) => Ok(self.store.ensure_tenant(&TenantName::unnamed()).await?),
        }
    }

    /// The log's statement may have seen subscriptions that the catalog did not know yet.
    pub(super) async fn park_what_was_missed(
        &self,
        given: &[Given],
        appended: &[Appended],
        matched_with: ConfigVersion,
    ) -> Result<(), AcceptError> {
        let newest = appended.iter().filter_map(|appended| match appended {
            Appended::Stored { config, .. } => Some(*config),
            _ => None,
        });
        if newest.max().is_none_or(|newest| newest <= matched_with) {
            return Ok(());
        }
        self.store.feed().refresh().await?;
        for (given, appended) in given.iter().zip(appended) {
            let Appended::Stored { id, .. } = appended else {
                continue;
            };
            let candidate = Candidate::new(&given.event_type, &given.attributes, &given.data);
            let wishes = self.store.catalog().wishes(given.tenant, &candidate);
            let missed: Vec<(SubscriptionId, Option<OrderKey>)> = wishes
                .into_iter()
                .filter(|wish| !given.to.contains(&wish.subscription))
                .map(|wish| match wish.place(given.attributes.key()) {
                    Place::Ordered(order) | Place::Parked(Some(order)) => {
                        (wish.subscription, Some(order))
                    }
                    _ => (wish.subscription, None),
                })
                .collect();
            if !missed.is_empty() {
                self.log.park_late(*id, &missed).await?;
            }
        }
        Ok(())
    }
}

/// What an event was matched by, and whom it was given to.
pub(super) struct Given {
    tenant: TenantId,
    event_type: Arc<str>,
    attributes: Attributes,
    data: Bytes,
    to: Vec<SubscriptionId>,
}

impl Given {
    pub(super) fn of(event: &NewEvent) -> Self {
        let parked = event.parked.iter().map(|(subscription, _)| *subscription);
        Self {
            tenant: event.tenant,
            event_type: event.event_type.clone(),
            attributes: event.attributes.clone(),
            data: event.data.clone(),
            to: event.targets.iter().copied().chain(parked).collect(),
        }
    }
}
