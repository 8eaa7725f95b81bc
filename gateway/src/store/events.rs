//! Reads events: lists, one, its bytes. Writing them is the log's.

use bytes::Bytes;

use super::{Store, StoreError};
use crate::domain::clock::Timestamp;
use crate::domain::event::{Attributes, Event};
use crate::domain::ids::{EventId, LaneId, TenantId};
use crate::domain::pattern::TypePattern;

/// An event without its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Headline {
    pub id: EventId,
    pub tenant: TenantId,
    pub event_type: String,
    pub attributes: Attributes,
    pub size_bytes: u64,
    pub erased_at: Option<Timestamp>,
}

/// Which events are asked for: newest first, `since <= received_at < until`, older than `before`.
#[derive(Clone, Debug)]
pub struct Selection {
    pub tenant: Option<TenantId>,
    pub event_type: Option<TypePattern>,
    pub since: Timestamp,
    pub until: Option<Timestamp>,
    pub before: Option<EventId>,
    pub limit: u16,
}

/// Bounds of ids: lowest allowed, and first that is not.
pub(super) fn bounds(
    since: Timestamp,
    until: Option<Timestamp>,
    before: Option<EventId>,
) -> (i64, i64) {
    let first_lane = LaneId::new(0);
    let until = until.map_or(i64::MAX, |at| EventId::first_at(at, first_lane).get());
    let before = before.map_or(i64::MAX, EventId::get);
    (
        EventId::first_at(since, first_lane).get(),
        until.min(before),
    )
}

/// The pattern as a regular expression of Postgres that matches the same types.
pub(super) fn regex(pattern: &TypePattern) -> String {
    let segments: Vec<&str> = pattern.as_str().split('.').collect();
    let last = segments.len() - 1;
    let written: Vec<String> = segments
        .iter()
        .enumerate()
        .map(|(position, segment)| match *segment {
            "*" if position == last => ".*".to_owned(),
            "*" => "[^.]*".to_owned(),
            text => escaped(text),
        })
        .collect();
    format!("^{}$", written.join("\\."))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_alphanumeric() {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

pub(super) struct Row {
    pub(super) id: i64,
    pub(super) tenant_id: i32,
    pub(super) event_type: String,
    pub(super) attributes: Vec<u8>,
    pub(super) size_bytes: i32,
    pub(super) erased_at: Option<time::OffsetDateTime>,
}

impl Row {
    pub(super) fn read(self) -> Result<Headline, StoreError> {
        Ok(Headline {
            id: EventId::new(self.id),
            tenant: TenantId::new(self.tenant_id),
            event_type: self.event_type,
            attributes: read_attributes(self.id, &self.attributes)?,
            size_bytes: u64::try_from(self.size_bytes).unwrap_or(0),
            erased_at: self.erased_at.map(Timestamp::from),
        })
    }
}

pub(super) fn read_attributes(id: i64, bytes: &[u8]) -> Result<Attributes, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Unreadable {
        table: "event",
        id,
        reason: error.to_string(),
    })
}

/// Data is kept as it came; a later release may keep it otherwise.
pub(super) fn check_encoding(id: i64, encoding: i16) -> Result<(), StoreError> {
    if encoding == 0 {
        return Ok(());
    }
    Err(StoreError::Unreadable {
        table: "event",
        id,
        reason: format!("encoding {encoding}"),
    })
}

impl Store {
    /// # Errors
    /// Where the database does not answer.
    pub async fn list_events(&self, wanted: &Selection) -> Result<Vec<Headline>, StoreError> {
        let (from, to) = bounds(wanted.since, wanted.until, wanted.before);
        // Each tenant's newest by its index, then the newest of those.
        let rows = sqlx::query_as!(
            Row,
            r#"select e.id as "id!", e.tenant_id as "tenant_id!", e.event_type as "event_type!",
                 e.attributes as "attributes!", e.size_bytes as "size_bytes!", e.erased_at
               from tenant t cross join lateral (
                 select id, tenant_id, event_type, attributes, length(payload) as size_bytes,
                   erased_at
                 from event where tenant_id = t.id and id >= $2 and id < $3
                   and ($4::text is null or event_type ~ $4)
                 order by id desc limit $5) e
               where $1::int is null or t.id = $1
               order by e.id desc limit $5"#,
            wanted.tenant.map(TenantId::get),
            from,
            to,
            wanted.event_type.as_ref().map(regex),
            i64::from(wanted.limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Whole events of one tenant, newest first, older than `before`; without those that were
    /// erased.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn recent_events(
        &self,
        tenant: TenantId,
        before: Option<EventId>,
        limit: u16,
    ) -> Result<Vec<Event>, StoreError> {
        let rows = sqlx::query!(
            "select id, event_type, attributes, payload from event
             where tenant_id = $1 and id < $2 and encoding = 0 and erased_at is null
             order by id desc limit $3",
            tenant.get(),
            before.map_or(i64::MAX, EventId::get),
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        let events = rows.into_iter().map(|row| {
            Ok(Event {
                id: EventId::new(row.id),
                tenant,
                event_type: row.event_type.into(),
                attributes: read_attributes(row.id, &row.attributes)?,
                data: row.payload.into(),
            })
        });
        events.collect()
    }

    /// None where there is none, or it belongs to another tenant.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn event(
        &self,
        id: EventId,
        of: Option<TenantId>,
    ) -> Result<Option<Headline>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            r#"select id, tenant_id, event_type, attributes, length(payload) as "size_bytes!",
                 erased_at
               from event where lane = $1 and id = $2 and ($3::int is null or tenant_id = $3)"#,
            id.lane().get(),
            id.get(),
            of.map(TenantId::get)
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }

    /// The data as it came, and its media type where it has one. None like [`Store::event`], and
    /// where it was erased.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn event_data(
        &self,
        id: EventId,
        of: Option<TenantId>,
    ) -> Result<Option<(Bytes, Attributes)>, StoreError> {
        let row = sqlx::query!(
            "select payload, encoding, attributes from event where lane = $1 and id = $2
               and ($3::int is null or tenant_id = $3) and erased_at is null",
            id.lane().get(),
            id.get(),
            of.map(TenantId::get)
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        check_encoding(id.get(), row.encoding)?;
        let attributes = read_attributes(id.get(), &row.attributes)?;
        Ok(Some((row.payload.into(), attributes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_regular_expressions() {
        for (pattern, expected) in [
            ("*", "^.*$"),
            ("invoice.*", r"^invoice\..*$"),
            ("*.paid", r"^[^.]*\.paid$"),
            ("a(b.c", r"^a\(b\.c$"),
        ] {
            assert_eq!(regex(&pattern.parse().unwrap()), expected);
        }
    }
}
