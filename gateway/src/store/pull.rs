//! Events as somebody reads them who fetches them: from a place in each lane, oldest first.

use super::stored_events::Row;
use super::{Store, StoreError};
use crate::domain::clock::Timestamp;
use crate::domain::event::Event;
use crate::domain::ids::{EventId, LaneId, TenantId};
use crate::domain::pull_cursor::{LaneNews, PullCursor};

/// An event of a page.
#[derive(Clone, Debug)]
pub struct Found {
    pub event: Event,
    /// Then its data and its attributes are gone.
    pub is_erased: bool,
}

/// What a page reads of: above the reader's place in each lane, up to its newest.
pub(super) struct Reach {
    pub(super) lanes: Vec<i16>,
    pub(super) places: Vec<i64>,
    pub(super) newests: Vec<i64>,
    /// The lowest and the highest id of all lanes.
    pub(super) first: i64,
    pub(super) newest: i64,
}

impl Reach {
    /// None where no lane has anything new.
    pub(super) fn of(cursor: &PullCursor, news: &[LaneNews]) -> Option<Self> {
        let places = news.iter().map(|news| cursor.place(news.lane).get());
        Some(Self {
            lanes: news.iter().map(|news| news.lane.get()).collect(),
            places: places.collect(),
            newests: news.iter().map(|news| news.newest.get()).collect(),
            first: news.iter().map(|news| news.first.get()).min()?,
            newest: news.iter().map(|news| news.newest.get()).max()?,
        })
    }
}

impl Store {
    /// The lanes that hold something beyond the places of a cursor.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn lane_news(&self, cursor: &PullCursor) -> Result<Vec<LaneNews>, StoreError> {
        let (lanes, places): (Vec<i16>, Vec<i64>) = cursor
            .places()
            .map(|(lane, place)| (lane.get(), place.get()))
            .unzip();
        let rows = sqlx::query_file!(
            "queries/pull_lanes.sql",
            &lanes,
            &places,
            cursor.start().get()
        )
        .fetch_all(&self.pool)
        .await?;
        let news = rows.into_iter().filter_map(|row| {
            Some(LaneNews {
                lane: LaneId::try_from(row.lane).ok()?,
                first: EventId::new(row.first),
                newest: EventId::new(row.newest),
            })
        });
        Ok(news.collect())
    }

    /// The tenant's next events of these lanes, at most `limit`.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn next_events(
        &self,
        tenant: TenantId,
        (cursor, news): (&PullCursor, &[LaneNews]),
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let Some(reach) = Reach::of(cursor, news) else {
            return Ok(Vec::new());
        };
        let rows = sqlx::query_file!(
            "queries/pull_events.sql",
            tenant.get(),
            reach.first,
            reach.newest,
            &reach.lanes,
            &reach.places,
            &reach.newests,
            i64::try_from(limit).unwrap_or(i64::MAX)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let event = Row {
                    id: row.id,
                    tenant_id: tenant.get(),
                    event_type: row.event_type,
                    encoding: row.encoding,
                    attributes: row.attributes,
                    payload: row.payload,
                };
                Ok(Found {
                    event: event.read()?,
                    is_erased: row.is_erased,
                })
            })
            .collect()
    }

    /// From when on events are kept; what was accepted before may be gone. None where nothing is.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn kept_since(&self) -> Result<Option<Timestamp>, StoreError> {
        // A partition's name says its day.
        let day = sqlx::query_scalar!(
            r"select min(to_date(substr(c.relname, 7), 'YYYY_MM_DD')) as day
              from pg_inherits i join pg_class c on c.oid = i.inhrelid
              where i.inhparent = to_regclass('event') and c.relname ~ '^event_\d{4}_\d\d_\d\d$'"
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(day.map(|day| Timestamp::from(day.midnight().assume_utc())))
    }

    /// The newest event of each lane that has one of the last minute.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn newest_in_lanes(&self) -> Result<Vec<i64>, StoreError> {
        let recent = Timestamp::from_ms(self.clock.now().as_ms() - 60_000);
        let query = sqlx::query_file_scalar!(
            "queries/newest_in_lanes.sql",
            EventId::first_at(recent, LaneId::new(0)).get()
        );
        Ok(query.fetch_all(&self.pool).await?)
    }
}
