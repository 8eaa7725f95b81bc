//! Reads stored events whole, with their data: one, or page by page for a backtest.
//!
//! Newest first, because a backtest is about the events that a plugin would meet today. What was
//! erased is not there.

use super::again::first_id;
use super::events::{check_encoding, read_attributes, regex};
use super::{Store, StoreError};
use crate::domain::event::Event;
use crate::domain::ids::{EventId, TenantId};
use crate::domain::job::EventRange;

pub(super) struct Row {
    pub(super) id: i64,
    pub(super) tenant_id: i32,
    pub(super) event_type: String,
    pub(super) encoding: i16,
    pub(super) attributes: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

impl Row {
    pub(super) fn read(self) -> Result<Event, StoreError> {
        check_encoding(self.id, self.encoding)?;
        Ok(Event {
            id: EventId::new(self.id),
            tenant: TenantId::new(self.tenant_id),
            event_type: self.event_type.into(),
            attributes: read_attributes(self.id, &self.attributes)?,
            data: self.payload.into(),
        })
    }
}

impl Store {
    /// None where there is none, it was erased, or it belongs to another tenant.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn stored_event(
        &self,
        id: EventId,
        of: Option<TenantId>,
    ) -> Result<Option<Event>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "select id, tenant_id, event_type, encoding, attributes, payload from event
             where lane = $1 and id = $2 and ($3::int is null or tenant_id = $3)
               and erased_at is null",
            id.lane().get(),
            id.get(),
            of.map(TenantId::get)
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }

    /// Those of `ids` that are there, in no order.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn stored_events(&self, ids: &[EventId]) -> Result<Vec<Event>, StoreError> {
        let lanes: Vec<i16> = ids.iter().map(|id| id.lane().get()).collect();
        let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
        let rows = sqlx::query_as!(
            Row,
            r#"select e.id as "id!", e.tenant_id as "tenant_id!", e.event_type as "event_type!",
                 e.encoding as "encoding!", e.attributes as "attributes!", e.payload as "payload!"
               from unnest($1::smallint[], $2::bigint[]) as w (lane, id)
               join event e on e.lane = w.lane and e.id = w.id and e.erased_at is null"#,
            &lanes,
            &ids
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// The newest `limit` events of `range` that are older than `before`.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn stored_page(
        &self,
        tenant: TenantId,
        range: &EventRange,
        (before, limit): (Option<EventId>, u32),
    ) -> Result<Vec<Event>, StoreError> {
        let types: Vec<String> = range.types.iter().map(regex).collect();
        let until = first_id(range.until_ms).min(before.map_or(i64::MAX, EventId::get));
        let rows = sqlx::query_as!(
            Row,
            r#"select id as "id!", tenant_id as "tenant_id!", event_type as "event_type!",
                 encoding as "encoding!", attributes as "attributes!", payload as "payload!"
               from event
               where tenant_id = $1 and id >= $2 and id < $3 and erased_at is null
                 and (cardinality($4::text[]) = 0 or event_type ~ any($4))
               order by id desc limit $5"#,
            tenant.get(),
            first_id(range.since_ms),
            until,
            &types,
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// How many events `range` has, counted up to `max`.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn count_stored(
        &self,
        tenant: TenantId,
        range: &EventRange,
        max: u32,
    ) -> Result<u64, StoreError> {
        let types: Vec<String> = range.types.iter().map(regex).collect();
        let counted = sqlx::query_scalar!(
            r#"select count(*) as "counted!" from (
                 select from event
                 where tenant_id = $1 and id >= $2 and id < $3 and erased_at is null
                   and (cardinality($4::text[]) = 0 or event_type ~ any($4))
                 limit $5) e"#,
            tenant.get(),
            first_id(range.since_ms),
            first_id(range.until_ms),
            &types,
            i64::from(max)
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(super::jobs::count(counted))
    }
}
