//! Looks for deliveries that are to be made again: by range, type, subscription and state, and those
//! that a subscription would have got had it been there.
//!
//! Only reads, a page of events at a time, oldest first, so that a job of a million deliveries is
//! never one statement. Parking what was found is the log's.

use std::sync::Arc;

use sqlx::PgConnection;

use super::events::regex;
use super::{Store, StoreError};
use crate::domain::clock::Timestamp;
use crate::domain::event::Event;
use crate::domain::filter::{Candidate, Filters};
use crate::domain::ids::{DeliveryId, EventId, LaneId, SubscriptionId, TenantId};
use crate::domain::job::EventRange;
use crate::domain::labels::Labels;
use crate::domain::pattern::TypePattern;
use crate::domain::subscription::Subscription;

/// Events of one page.
pub const PAGE_EVENTS: u16 = 500;
/// State of a delivery that never was, though the subscription wants the event.
pub const MISSING: &str = "missing";

/// Which deliveries of one tenant are looked for.
#[derive(Clone, Debug)]
pub struct AgainQuery {
    pub tenant: TenantId,
    pub subscription: Option<SubscriptionId>,
    pub event: Option<EventId>,
    pub range: EventRange,
    /// Only deliveries in these states; none means any.
    pub states: Option<Vec<String>>,
    /// Also finds events that this one wants and has no delivery of.
    pub missing_of: Option<Arc<Subscription>>,
}

/// A delivery that was found, or one that never was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub id: DeliveryId,
    /// As the API names states, or [`MISSING`].
    pub state: String,
}

/// One page: what was found, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgainPage {
    pub found: Vec<Found>,
    /// None at the end.
    pub next: Option<EventId>,
}

/// Whether a subscription with these patterns, labels and filters gets an event.
#[must_use]
pub fn wants(
    patterns: &[TypePattern],
    (labels, filters): (&Labels, &Filters),
    event: &Event,
) -> bool {
    let is_of_type = patterns
        .iter()
        .any(|pattern| pattern.wants(&event.event_type));
    let candidate = Candidate::new(&event.event_type, &event.attributes, &event.data);
    is_of_type && labels.take(candidate.labels()) && filters.hold(&candidate)
}

/// First id that may exist at an instant.
pub(super) fn first_id(at_ms: i64) -> i64 {
    EventId::first_at(Timestamp::from_ms(at_ms.max(0)), LaneId::new(0)).get()
}

impl Store {
    /// The next page after `after`.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn again_page(
        &self,
        wanted: &AgainQuery,
        after: EventId,
    ) -> Result<AgainPage, StoreError> {
        let types: Vec<String> = wanted.range.types.iter().map(regex).collect();
        let from = after.get().max(first_id(wanted.range.since_ms) - 1);
        let rows = sqlx::query!(
            r#"with page as (
                 select e.id, e.lane, e.event_type from event e
                 where e.tenant_id = $1 and e.id > $2 and e.id < $3 and e.erased_at is null
                   and (cardinality($4::text[]) = 0 or e.event_type ~ any($4))
                   and ($5::bigint is null or e.id = $5)
                 order by e.id limit $6)
               select p.id as "event!", p.event_type as "event_type!",
                 d.subscription_id as "subscription?", d.state as "state?"
               from page p left join lateral (
                 select v.subscription_id, v.state from delivery v
                 where v.lane = p.lane and v.event_id = p.id
                   and ($7::int is null or v.subscription_id = $7)
                   and ($8::text[] is null or v.state = any($8))) d on true
               order by p.id, d.subscription_id"#,
            wanted.tenant.get(),
            from,
            first_id(wanted.range.until_ms),
            &types,
            wanted.event.map(EventId::get),
            i64::from(PAGE_EVENTS),
            wanted.subscription.map(SubscriptionId::get),
            wanted.states.as_deref()
        )
        .fetch_all(&self.pool)
        .await?;
        let (mut events, mut found) = (0_u16, Vec::new());
        let (mut last, mut lonely) = (None, Vec::new());
        for row in rows {
            let event = EventId::new(row.event);
            if last != Some(event) {
                events += 1;
                last = Some(event);
            }
            match row.subscription.map(SubscriptionId::new).zip(row.state) {
                Some((subscription, state)) => {
                    let id = DeliveryId {
                        event,
                        subscription,
                    };
                    found.push(Found { id, state });
                }
                None => lonely.push((event, row.event_type)),
            }
        }
        if let Some(subscription) = &wanted.missing_of {
            let missing = self.missing(subscription, &lonely).await?;
            found.extend(missing.into_iter().map(|id| Found {
                id,
                state: MISSING.to_owned(),
            }));
            found.sort_by_key(|one| one.id);
        }
        let is_last = events < PAGE_EVENTS;
        Ok(AgainPage {
            next: last.filter(|_| !is_last),
            found,
        })
    }

    /// Those of `events` that `subscription` wants.
    async fn missing(
        &self,
        subscription: &Subscription,
        events: &[(EventId, String)],
    ) -> Result<Vec<DeliveryId>, StoreError> {
        let patterns = &subscription.event_types;
        let of_type = |of: &str| patterns.iter().any(|pattern| pattern.wants(of));
        let events = events.iter().filter(|(_, of)| of_type(of));
        let mut ids: Vec<EventId> = events.map(|(event, _)| *event).collect();
        let rules = (&subscription.labels, &subscription.filters);
        if !rules.0.is_empty() || !rules.1.is_empty() {
            let events = self.stored_events(&ids).await?;
            let held = events.iter().filter(|event| wants(patterns, rules, event));
            ids = held.map(|event| event.id).collect();
        }
        let delivery = |event| DeliveryId {
            event,
            subscription: subscription.id,
        };
        Ok(ids.into_iter().map(delivery).collect())
    }

    /// All tenants, oldest first.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn tenant_ids(&self) -> Result<Vec<i32>, StoreError> {
        Ok(sqlx::query_scalar!("select id from tenant order by id")
            .fetch_all(&self.pool)
            .await?)
    }

    /// How many deliveries a subscription missed.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn count_missed(&self, of: SubscriptionId) -> Result<u64, StoreError> {
        let missed = sqlx::query_scalar!(
            r#"select count(*) as "missed!" from parked where subscription_id = $1 and reason = 4"#,
            of.get()
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(super::jobs::count(missed))
    }

    /// What a subscription missed after `after`, oldest first.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn missed(
        &self,
        of: SubscriptionId,
        after: Option<EventId>,
        limit: u16,
    ) -> Result<Vec<(EventId, String)>, StoreError> {
        let rows = sqlx::query!(
            r#"select p.event_id, e.event_type
               from parked p join event e on e.lane = p.lane and e.id = p.event_id
               where p.subscription_id = $1 and p.reason = 4 and p.event_id > $2
               order by p.event_id limit $3"#,
            of.get(),
            after.map_or(0, EventId::get),
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        let missed = rows.into_iter();
        Ok(missed
            .map(|row| (EventId::new(row.event_id), row.event_type))
            .collect())
    }

    /// Events of a tenant that still have their data, oldest first.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn not_erased(
        connection: &mut PgConnection,
        tenant: TenantId,
        (after, until_ms): (EventId, i64),
        limit: u16,
    ) -> Result<Vec<EventId>, StoreError> {
        let ids = sqlx::query_scalar!(
            "select id from event
             where tenant_id = $1 and id > $2 and id < $3 and erased_at is null
             order by id limit $4",
            tenant.get(),
            after.get(),
            first_id(until_ms),
            i64::from(limit)
        )
        .fetch_all(connection)
        .await?;
        Ok(ids.into_iter().map(EventId::new).collect())
    }

    /// Takes the samples out of the results of a tenant's jobs: they show data of events. With
    /// `event`, only out of those that show it.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn erase_samples(
        &self,
        tenant: TenantId,
        event: Option<EventId>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update job set result = result - 'samples' - 'failures'
             where (tenant_id = $1 or tenant_id is null) and result is not null
               and ($2::text is null or position($2 in result::text) > 0)",
            tenant.get(),
            event.map(|event| event.to_string())
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
