//! Events as they come, of every lane, for somebody who watches them or takes them all.
//!
//! Goes by the places of a cursor like [`super::pull`]; whom an event was for does not matter here.

use bytes::Bytes;

use super::events::{self, Headline, check_encoding};
use super::pull::Reach;
use super::{Store, StoreError};
use crate::domain::ids::TenantId;
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
        check_encoding(self.id, self.encoding)?;
        let headline = events::Row {
            id: self.id,
            tenant_id: self.tenant_id,
            event_type: self.event_type,
            attributes: self.attributes,
            size_bytes: self.size_bytes,
            erased_at: self.erased_at,
        };
        let headline = headline.read()?;
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
        let Some(reach) = Reach::of(cursor, news) else {
            return Ok(Vec::new());
        };
        let rows = if let Some(tenant) = wish.tenant {
            sqlx::query_file_as!(
                Row,
                "queries/tail_tenant.sql",
                &reach.lanes,
                &reach.places,
                &reach.newests,
                wish.with_data,
                wish.limit,
                tenant.get(),
                reach.first,
                reach.newest
            )
            .fetch_all(&self.pool)
            .await?
        } else {
            sqlx::query_file_as!(
                Row,
                "queries/tail_all.sql",
                &reach.lanes,
                &reach.places,
                &reach.newests,
                wish.with_data,
                wish.limit
            )
            .fetch_all(&self.pool)
            .await?
        };
        rows.into_iter().map(Row::read).collect()
    }
}
