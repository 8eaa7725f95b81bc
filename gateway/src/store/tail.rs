//! Events as they come, of every lane, for somebody who watches them or takes them all.
//!
//! Goes by the places of a cursor like [`super::pull`]; whom an event was for does not matter here.

use bytes::Bytes;

use super::events::{Headline, read_attributes};
use super::{Store, StoreError};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{EventId, TenantId};
use crate::domain::pull_cursor::{LaneNews, PullCursor};

/// An event of a page.
#[derive(Clone, Debug)]
pub struct Passing {
    pub headline: Headline,
    /// None where it was not asked for, or was erased.
    pub data: Option<Bytes>,
}

/// Which events, and how much of each.
#[derive(Clone, Copy, Debug)]
pub struct TailWish {
    /// None: of all tenants.
    pub tenant: Option<TenantId>,
    pub with_data: bool,
    /// Most events of a page.
    pub limit: i64,
}

struct Row {
    id: i64,
    tenant_id: i32,
    event_type: String,
    encoding: i16,
    attributes: Vec<u8>,
    size_bytes: i32,
    data: Option<Vec<u8>>,
    erased_at: Option<time::OffsetDateTime>,
}

impl Row {
    fn read(self) -> Result<Passing, StoreError> {
        if self.encoding != 0 {
            return Err(StoreError::Unreadable {
                table: "event",
                id: self.id,
                reason: format!("encoding {}", self.encoding),
            });
        }
        let headline = Headline {
            id: EventId::new(self.id),
            tenant: TenantId::new(self.tenant_id),
            event_type: self.event_type,
            attributes: read_attributes(self.id, &self.attributes)?,
            size_bytes: u64::try_from(self.size_bytes).unwrap_or(0),
            erased_at: self.erased_at.map(Timestamp::from),
        };
        let data = self.data.filter(|_| headline.erased_at.is_none());
        Ok(Passing {
            headline,
            data: data.map(Bytes::from),
        })
    }
}

impl Store {
    /// The next events of these lanes, oldest first.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn tail(
        &self,
        (cursor, news): (&PullCursor, &[LaneNews]),
        wish: TailWish,
    ) -> Result<Vec<Passing>, StoreError> {
        let (Some(first), Some(newest)) = (
            news.iter().map(|news| news.first.get()).min(),
            news.iter().map(|news| news.newest.get()).max(),
        ) else {
            return Ok(Vec::new());
        };
        let lanes: Vec<i16> = news.iter().map(|news| news.lane.get()).collect();
        let places = news.iter().map(|news| cursor.place(news.lane).get());
        let places: Vec<i64> = places.collect();
        let newests: Vec<i64> = news.iter().map(|news| news.newest.get()).collect();
        let rows = if let Some(tenant) = wish.tenant {
            sqlx::query_file_as!(
                Row,
                "queries/tail_tenant.sql",
                &lanes,
                &places,
                &newests,
                wish.with_data,
                wish.limit,
                tenant.get(),
                first,
                newest
            )
            .fetch_all(&self.pool)
            .await?
        } else {
            sqlx::query_file_as!(
                Row,
                "queries/tail_all.sql",
                &lanes,
                &places,
                &newests,
                wish.with_data,
                wish.limit
            )
            .fetch_all(&self.pool)
            .await?
        };
        rows.into_iter().map(Row::read).collect()
    }
}
