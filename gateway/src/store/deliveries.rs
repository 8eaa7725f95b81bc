//! Reads deliveries: what became of each event for each subscription, and its attempts.
//!
//! A delivery is a view over targets, outcomes and parked rows; one that has neither outcome nor
//! parked row is in some node's memory, hence pending.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use super::events::bounds;
use super::{Store, StoreError};
use crate::domain::attempt::{Note, Outcome};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{BucketId, DeliveryId, EventId, NodeId, SubscriptionId, TenantId};

/// How far a delivery is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Under way, or waiting for its next attempt.
    Pending,
    Delivered,
    /// A plugin's verdict.
    Dropped,
    /// Another delivery stands for it.
    Merged,
    /// Out of attempts.
    Dead,
    Cancelled,
    /// Kept too long.
    Expired,
}

impl DeliveryState {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Pending, "pending"),
        (Self::Delivered, "delivered"),
        (Self::Dropped, "dropped"),
        (Self::Merged, "merged"),
        (Self::Dead, "dead"),
        (Self::Cancelled, "cancelled"),
        (Self::Expired, "expired"),
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(state, _)| *state == self)
            .map_or("pending", |(_, text)| text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a delivery is pending, delivered, dropped, merged, dead, cancelled or expired")]
pub struct UnknownDeliveryState;

impl FromStr for DeliveryState {
    type Err = UnknownDeliveryState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, name)| *name == text)
            .map(|(state, _)| state)
            .ok_or(UnknownDeliveryState)
    }
}

/// One delivery as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub id: DeliveryId,
    pub tenant: TenantId,
    pub event_type: String,
    pub state: DeliveryState,
    /// Why it ended as it did, where there is something to say.
    pub reason: Option<String>,
    pub finished_at: Option<Timestamp>,
    /// The delivery that stands for it.
    pub into: Option<DeliveryId>,
    pub waits: Option<Waits>,
}

/// A delivery that is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Code of the park reason.
    pub reason: i16,
    /// None: until somebody wakes it.
    pub due_at: Option<Timestamp>,
}

/// One attempt, or the verdict that ended a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRecord {
    pub number: u16,
    pub started_at: Timestamp,
    pub duration: Duration,
    pub outcome: Outcome,
    pub status: Option<u16>,
    pub address: Option<IpAddr>,
    pub note: Note,
    pub node: NodeId,
    /// SHA-256 of the body that went out.
    pub body_hash: Option<Vec<u8>>,
    /// The events that it stood for, the latest last; empty where it was its own alone.
    pub members: Vec<EventId>,
    /// Names and digests of the plugins that ran.
    pub plugins: Vec<(String, String)>,
}

/// Which deliveries are asked for: newest event first.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    pub tenant: Option<TenantId>,
    pub subscription: Option<SubscriptionId>,
    pub event: Option<EventId>,
    pub state: Option<DeliveryState>,
    pub since: Timestamp,
    pub after: Option<DeliveryId>,
    pub limit: u16,
}

struct Row {
    event_id: i64,
    tenant_id: i32,
    event_type: String,
    subscription_id: i32,
    state: String,
    final_note: Option<Vec<u8>>,
    final_at: Option<time::OffsetDateTime>,
    park_reason: Option<i16>,
    due_at_ms: Option<i64>,
}

impl Row {
    fn read(self) -> Result<Summary, StoreError> {
        let state = self.state.parse().map_err(|_| StoreError::Unreadable {
            table: "delivery",
            id: self.event_id,
            reason: self.state.clone(),
        })?;
        let is_pending = state == DeliveryState::Pending;
        let note = self
            .final_note
            .as_deref()
            .map(read_note)
            .unwrap_or_default();
        Ok(Summary {
            id: DeliveryId {
                event: EventId::new(self.event_id),
                subscription: SubscriptionId::new(self.subscription_id),
            },
            tenant: TenantId::new(self.tenant_id),
            event_type: self.event_type,
            state,
            reason: note.reason,
            into: note.into.filter(|_| state == DeliveryState::Merged),
            finished_at: self.final_at.filter(|_| !is_pending).map(Timestamp::from),
            waits: self.park_reason.map(|reason| Waits {
                reason,
                due_at: self.due_at_ms.map(Timestamp::from_ms),
            }),
        })
    }
}

fn read_note(bytes: &[u8]) -> Note {
    serde_json::from_slice(bytes).unwrap_or_default()
}

impl Store {
    /// # Errors
    /// Where the database does not answer.
    pub async fn list_deliveries(&self, wanted: Selection) -> Result<Vec<Summary>, StoreError> {
        match (wanted.event, wanted.subscription) {
            (Some(event), _) => self.deliveries_of_event(event, wanted).await,
            (None, Some(subscription)) => {
                self.deliveries_of_subscription(subscription, wanted).await
            }
            (None, None) if wanted.state == Some(DeliveryState::Pending) => {
                self.pending_deliveries(wanted).await
            }
            (None, None) => self.deliveries_by_event(wanted).await,
        }
    }

    async fn deliveries_of_event(
        &self,
        event: EventId,
        wanted: Selection,
    ) -> Result<Vec<Summary>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select event_id as "event_id!", tenant_id as "tenant_id!",
                 event_type as "event_type!", subscription_id as "subscription_id!",
                 state as "state!", final_note, final_at, park_reason,
                 case when isfinite(due_at) then (extract(epoch from due_at) * 1000)::bigint end
                   as due_at_ms
               from delivery
               where lane = $1 and event_id = $2 and ($3::int is null or tenant_id = $3)
                 and ($4::int is null or subscription_id = $4)
                 and ($5::text is null or state = $5) and ($6::int is null or subscription_id > $6)
               order by subscription_id limit $7"#,
            event.lane().get(),
            event.get(),
            wanted.tenant.map(TenantId::get),
            wanted.subscription.map(SubscriptionId::get),
            wanted.state.map(DeliveryState::as_str),
            wanted.after.map(|id| id.subscription.get()),
            i64::from(wanted.limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Finds events by the indexes of what was tried and what waits, and above the checkpoints
    /// those that are only in memory.
    async fn deliveries_of_subscription(
        &self,
        subscription: SubscriptionId,
        wanted: Selection,
    ) -> Result<Vec<Summary>, StoreError> {
        let (from, to) = bounds(wanted.since, None, wanted.after.map(|id| id.event));
        let rows = sqlx::query_as!(
            Row,
            r#"with candidate as (
                 select event_id as id from attempt
                   where subscription_id = $1 and event_id >= $2 and event_id < $3 and at >= $4
                 union select event_id from parked
                   where subscription_id = $1 and event_id >= $2 and event_id < $3
                 union select m.event_id from pending_key w cross join lateral unnest(w.members) as m (event_id)
                   where w.bucket = $8 and w.subscription_id = $1 and m.event_id >= $2 and m.event_id < $3
                 union select e.id from lane l join event e on e.lane = l.lane and e.id > l.checkpoint
                   where not l.is_settled and $1 = any(e.targets) and e.id >= $2 and e.id < $3
                 order by 1 desc)
               select d.event_id as "event_id!", d.tenant_id as "tenant_id!",
                 d.event_type as "event_type!", d.subscription_id as "subscription_id!",
                 d.state as "state!", d.final_note, d.final_at, d.park_reason,
                 case when isfinite(d.due_at) then (extract(epoch from d.due_at) * 1000)::bigint end
                   as due_at_ms
               from candidate c join delivery d
                 on d.lane = ((c.id >> 13) & 255)::smallint and d.event_id = c.id
               where d.subscription_id = $1 and ($5::int is null or d.tenant_id = $5)
                 and ($6::text is null or d.state = $6)
               order by d.event_id desc limit $7"#,
            subscription.get(),
            from,
            to,
            wanted.since.as_datetime(),
            wanted.tenant.map(TenantId::get),
            wanted.state.map(DeliveryState::as_str),
            i64::from(wanted.limit),
            BucketId::of(subscription).get()
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Pending is what is parked, or above the checkpoint of a lane that is not settled: few among
    /// many, so they are looked up instead of being filtered out of all.
    async fn pending_deliveries(&self, wanted: Selection) -> Result<Vec<Summary>, StoreError> {
        let (from, _) = bounds(wanted.since, None, None);
        let after = wanted.after;
        let rows = sqlx::query_as!(
            Row,
            r#"with candidate as (
                 select event_id as id from parked where event_id >= $2 and event_id <= $3
                 union select m.event_id from pending_key w cross join lateral unnest(w.members) as m (event_id)
                   where m.event_id >= $2 and m.event_id <= $3
                 union select e.id from lane l join event e on e.lane = l.lane and e.id > l.checkpoint
                   where not l.is_settled and e.id >= $2 and e.id <= $3)
               select d.event_id as "event_id!", d.tenant_id as "tenant_id!",
                 d.event_type as "event_type!", d.subscription_id as "subscription_id!",
                 d.state as "state!", d.final_note, d.final_at, d.park_reason,
                 case when isfinite(d.due_at) then (extract(epoch from d.due_at) * 1000)::bigint end
                   as due_at_ms
               from candidate c join delivery d
                 on d.lane = ((c.id >> 13) & 255)::smallint and d.event_id = c.id
               where ($1::int is null or d.tenant_id = $1) and d.state = 'pending'
                 and (d.event_id < $3 or d.subscription_id > $4)
               order by d.event_id desc, d.subscription_id limit $5"#,
            wanted.tenant.map(TenantId::get),
            from,
            after.map_or(i64::MAX, |id| id.event.get()),
            after.map_or(0, |id| id.subscription.get()),
            i64::from(wanted.limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    async fn deliveries_by_event(&self, wanted: Selection) -> Result<Vec<Summary>, StoreError> {
        let (from, _) = bounds(wanted.since, None, None);
        let after = wanted.after;
        let rows = sqlx::query_as!(
            Row,
            r#"select d.event_id as "event_id!", d.tenant_id as "tenant_id!",
                 d.event_type as "event_type!", d.subscription_id as "subscription_id!",
                 d.state as "state!", d.final_note, d.final_at, d.park_reason,
                 case when isfinite(d.due_at) then (extract(epoch from d.due_at) * 1000)::bigint end
                   as due_at_ms
               from tenant t cross join lateral (
                 select * from delivery
                 where tenant_id = t.id and event_id >= $2 and event_id <= $3
                   and (event_id < $3 or subscription_id > $4)
                   and ($5::text is null or state = $5)
                 order by event_id desc, subscription_id limit $6) d
               where $1::int is null or t.id = $1
               order by d.event_id desc, d.subscription_id limit $6"#,
            wanted.tenant.map(TenantId::get),
            from,
            after.map_or(i64::MAX, |id| id.event.get()),
            after.map_or(0, |id| id.subscription.get()),
            wanted.state.map(DeliveryState::as_str),
            i64::from(wanted.limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// None where there is none, or it belongs to another tenant.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn delivery(
        &self,
        id: DeliveryId,
        of: Option<TenantId>,
    ) -> Result<Option<Summary>, StoreError> {
        let wanted = Selection {
            tenant: of,
            subscription: Some(id.subscription),
            event: Some(id.event),
            state: None,
            since: Timestamp::from_ms(0),
            after: None,
            limit: 1,
        };
        Ok(self.deliveries_of_event(id.event, wanted).await?.pop())
    }

    /// In the order in which they were made.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn attempts(&self, of: DeliveryId) -> Result<Vec<AttemptRecord>, StoreError> {
        let rows = sqlx::query!(
            r#"select a.number, a.at, a.duration_ms, a.outcome, a.status,
                 host(a.address) as address, a.note, a.node_id, a.body_sha256, a.members,
                 r.plugins::text as "plugins?"
               from attempt a left join run r on r.id = a.run_id
               where a.lane = $1 and a.event_id = $2 and a.subscription_id = $3
               order by a.at, a.number"#,
            of.event.lane().get(),
            of.event.get(),
            of.subscription.get()
        )
        .fetch_all(&self.pool)
        .await?;
        let records = rows.into_iter().filter_map(|row| {
            Some(AttemptRecord {
                number: u16::try_from(row.number).unwrap_or(0),
                started_at: row.at.into(),
                duration: Duration::from_millis(u64::try_from(row.duration_ms).unwrap_or(0)),
                // What a newer release wrote is left out by an older one.
                outcome: Outcome::from_code(row.outcome)?,
                status: row.status.and_then(|status| u16::try_from(status).ok()),
                address: row.address.and_then(|address| address.parse().ok()),
                note: row.note.as_deref().map(read_note).unwrap_or_default(),
                node: NodeId::new(row.node_id),
                body_hash: row.body_sha256,
                members: row
                    .members
                    .into_iter()
                    .flatten()
                    .map(EventId::new)
                    .collect(),
                plugins: row
                    .plugins
                    .and_then(|text| serde_json::from_str(&text).ok())
                    .unwrap_or_default(),
            })
        });
        Ok(records.collect())
    }
}
