//! A lane in Postgres: one session, one lock, one writer; so the order of ids is that of commits.

use std::sync::Arc;

use bytes::Bytes;
use sqlx::PgConnection;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::event::Event;
use crate::domain::ids::{ConfigVersion, EventId, LaneId, SubscriptionId, TenantId};

use super::batch::{Batch, body_hash};
use super::context::Context;
use super::error::LogError;
use super::event_log::{Appended, EventLog, NewEvent, Unfinished};
use super::session::{Session, follow, in_time};

/// Events of one page of recovery; at most this many payloads are in memory for it.
const PAGE_EVENTS: i64 = 64;

/// A lane that this process holds, from taking it to losing it.
#[derive(Debug)]
pub(super) struct PgLane {
    session: Session,
    clock: Clock,
    lane: LaneId,
    epoch: i32,
    checkpoint: EventId,
    ids: Ids,
    window_at: Option<Timestamp>,
}

/// Which lane to take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    Only(LaneId),
    Any { preferred: Option<LaneId> },
}

/// The ids of a lane.
#[derive(Clone, Copy, Debug)]
struct Ids {
    /// The highest that an earlier owner may have used.
    taken_over: EventId,
    last: EventId,
}

impl PgLane {
    /// Takes a lane whose lock is free.
    pub(super) async fn take(ctx: &Context, wanted: Wanted) -> Result<Self, LogError> {
        let mut session = ctx.sessions.open().await?;
        let candidates = match wanted {
            Wanted::Only(lane) => vec![lane],
            Wanted::Any { preferred } => free_lanes(&mut session, ctx, preferred).await?,
        };
        for lane in candidates {
            if session.try_lock(ctx.locks.lane, lane.get()).await? {
                return Self::begin_epoch(session, &ctx.clock, lane).await;
            }
        }
        session.close().await;
        Err(LogError::NoFreeLane)
    }

    async fn begin_epoch(
        mut session: Session,
        clock: &Clock,
        lane: LaneId,
    ) -> Result<Self, LogError> {
        let before = clock.now();
        let query = sqlx::query_file!("queries/take_lane.sql", lane.get());
        let row = in_time(query.fetch_one(session.connection())).await?;
        follow(clock, row.now, before);
        let checkpoint = EventId::new(row.checkpoint);
        let last = checkpoint.max(EventId::new(row.last));
        Ok(Self {
            session,
            clock: clock.clone(),
            lane,
            epoch: row.epoch,
            checkpoint,
            ids: Ids {
                taken_over: last,
                last,
            },
            window_at: None,
        })
    }

    pub(super) fn lane(&self) -> LaneId {
        self.lane
    }

    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(super) fn checkpoint(&self) -> EventId {
        self.checkpoint
    }

    /// The highest id that an earlier owner may have used.
    pub(super) fn taken_over(&self) -> EventId {
        self.ids.taken_over
    }

    /// When the first of the windows closes that the last batch went into.
    pub(super) fn window_at(&self) -> Option<Timestamp> {
        self.window_at
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        self.session.connection()
    }

    pub(super) async fn ping(&mut self) -> Result<(), LogError> {
        self.session.ping().await
    }

    /// Gives the lane back with nothing left to do in it.
    pub(super) async fn settle(mut self, checkpoint: EventId) -> Result<(), LogError> {
        let query = sqlx::query!(
            "update lane set checkpoint = greatest(checkpoint, $2), is_settled = true where lane = $1 and epoch = $3",
            self.lane.get(),
            checkpoint.get(),
            self.epoch
        );
        in_time(query.execute(self.session.connection())).await?;
        self.session.close().await;
        Ok(())
    }

    /// Gives the lane back as it is: another node finds it unsettled.
    pub(super) async fn leave(self) {
        self.session.close().await;
    }

    fn next_ids(&mut self, count: usize) -> Vec<EventId> {
        let now = self.clock.now();
        let ids = std::iter::repeat_with(|| {
            self.ids.last = EventId::next_after(self.ids.last, now, self.lane);
            self.ids.last
        });
        ids.take(count).collect()
    }

    /// What holds the keys that were not new. Its own statement, because only a new snapshot sees
    /// a transaction that was under way when the first one began.
    async fn look_up(&mut self, batch: &mut Batch<'_>) -> Result<(), LogError> {
        let (tenants, hashes) = batch.unknown_keys();
        if tenants.is_empty() {
            return Ok(());
        }
        let query = sqlx::query_file!("queries/known_keys.sql", &tenants, &hashes as _);
        let rows = in_time(query.fetch_all(self.session.connection())).await;
        // The first statement has committed: an error here may not look as if nothing had happened.
        for row in rows.map_err(|_| LogError::InDoubt)? {
            let position = usize::try_from(row.position).expect("ordinality counts from one") - 1;
            batch.known(
                position,
                EventId::new(row.event_id),
                body_hash(&row.body_hash),
            );
        }
        Ok(())
    }
}

impl EventLog for PgLane {
    async fn append(&mut self, events: &[&NewEvent]) -> Result<Vec<Appended>, LogError> {
        let ids = self.next_ids(events.len());
        let mut batch = Batch::new(events, &ids);
        let columns = batch.columns();
        let query = sqlx::query_file!(
            "queries/append.sql",
            self.lane.get(),
            &columns.events.ids,
            &columns.events.tenants,
            &columns.events.types as _,
            &columns.events.attributes,
            &columns.events.payloads as _,
            &columns.targets,
            &columns.parked.subscriptions,
            &columns.events.have_keys,
            &columns.events.targets_from,
            &columns.events.targets_to,
            &columns.events.parked_from,
            &columns.events.parked_to,
            &columns.parked.buckets,
            &columns.parked.events,
            &columns.parked.reasons as _,
            &columns.keys.tenants,
            &columns.keys.key_hashes as _,
            &columns.keys.body_hashes as _,
            &columns.keys.events,
            &columns.outbox.rows,
            &columns.events.outbox_rows,
            columns.outbox.matched_with.map_or(0, ConfigVersion::get),
            &columns.parked.orders as _,
            &columns.windows.keys as _,
            &columns.windows.groupings as _,
            &columns.windows.sizes as _,
            &columns.windows.quiet_ms as _,
            &columns.windows.max_wait_ms as _,
            &columns.windows.max_events as _,
            &columns.windows.max_bytes as _,
        );
        let rows = in_time(query.fetch_all(self.session.connection())).await?;
        let config = ConfigVersion::new(rows.first().map_or(0, |row| row.config));
        self.window_at = rows.first().and_then(|row| row.window_at).map(Into::into);
        drop(columns);
        batch.stored(rows.iter().map(|row| EventId::new(row.id)));
        self.look_up(&mut batch).await?;
        batch.results(config).ok_or(LogError::InDoubt)
    }

    async fn read(&mut self, after: EventId) -> Result<Vec<Unfinished>, LogError> {
        let query = sqlx::query_file!(
            "queries/recover.sql",
            self.lane.get(),
            after.get(),
            self.ids.taken_over.get(),
            PAGE_EVENTS
        );
        let rows = in_time(query.fetch_all(self.session.connection())).await?;
        let unfinished = rows.into_iter().map(|row| {
            let id = EventId::new(row.id);
            let event = row.payload.map(|payload| {
                Arc::new(event_from_row(
                    (id, TenantId::new(row.tenant_id)),
                    &row.event_type,
                    &row.attributes,
                    payload,
                ))
            });
            let made = row
                .made
                .iter()
                .map(|made| u16::try_from(*made).unwrap_or_default());
            let open = row.open.iter().copied().map(SubscriptionId::new);
            Unfinished {
                id,
                open: open.zip(made).collect(),
                event,
            }
        });
        Ok(unfinished.collect())
    }

    async fn commit(&mut self, offset: EventId) -> Result<(), LogError> {
        let query = sqlx::query!(
            "update lane set checkpoint = $2 where lane = $1 and epoch = $3 and checkpoint < $2",
            self.lane.get(),
            offset.get(),
            self.epoch
        );
        in_time(query.execute(self.session.connection())).await?;
        self.checkpoint = offset;
        Ok(())
    }
}

async fn free_lanes(
    session: &mut Session,
    ctx: &Context,
    preferred: Option<LaneId>,
) -> Result<Vec<LaneId>, LogError> {
    let query = sqlx::query_file_scalar!(
        "queries/free_lanes.sql",
        ctx.locks.lane.oid(),
        preferred.map_or(-1, LaneId::get),
        ctx.node.get() % 256
    );
    let lanes = in_time(query.fetch_all(session.connection())).await?;
    Ok(lanes
        .into_iter()
        .filter_map(|lane| LaneId::try_from(lane).ok())
        .collect())
}

/// An event as it was stored. Attributes that cannot be read are left out rather than holding up
/// the delivery for ever.
pub(super) fn event_from_row(
    (id, tenant): (EventId, TenantId),
    event_type: &str,
    attributes: &[u8],
    payload: Vec<u8>,
) -> Event {
    let attributes = serde_json::from_slice(attributes).unwrap_or_else(|error| {
        tracing::error!(event.id = %id, %error, "attributes of a stored event cannot be read");
        Default::default()
    });
    Event {
        id,
        tenant,
        event_type: event_type.into(),
        attributes,
        data: Bytes::from(payload),
    }
}
