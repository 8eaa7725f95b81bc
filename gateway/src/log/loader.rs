//! Reads parked rows into memory shortly before they are due.
//!
//! Reading starts at a remembered position with some overlap, because a row may become visible a
//! little after its instant; what is in memory already is skipped. A full sweep now and then finds
//! whatever was missed. A subscription with more due than memory may hold is read by itself, so
//! that the others of its bucket do not stand behind it.

use std::collections::HashMap;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use crate::domain::clock::Timestamp;
use crate::domain::ids::{BucketId, EventId, SubscriptionId};

use super::due::{Added, Due, Placed, Row};
use super::error::LogError;
use super::order_reader::group;
use super::session::{Session, in_time};

/// How long before its instant a row is read.
pub(super) const AHEAD: Duration = Duration::from_secs(5);
const OVERLAP: Duration = Duration::from_secs(10);
const PAGE_ROWS: i64 = 500;
/// Pages of one round; the rest follows in the next.
const MAX_PAGES: usize = 16;

#[derive(Debug)]
pub(super) struct Loader {
    from: (OffsetDateTime, i64),
    /// The last round did not come to the end.
    has_more: bool,
    swept_at: Option<Instant>,
    sweep_every: Duration,
    /// Subscriptions with more due than memory holds: up to which event they were read.
    backlog: HashMap<SubscriptionId, EventId>,
}

impl Loader {
    pub(super) fn new(sweep_every: Duration) -> Self {
        Self {
            sweep_every,
            from: (Timestamp::from_ms(0).as_datetime(), 0),
            has_more: true,
            swept_at: None,
            backlog: HashMap::new(),
        }
    }

    /// Begins at the left edge: buckets were added, or it is time.
    pub(super) fn sweep(&mut self) {
        self.from = (Timestamp::from_ms(0).as_datetime(), 0);
        self.has_more = true;
        self.swept_at = Some(Instant::now());
    }

    /// Rows due before this need not be asked about.
    pub(super) fn from(&self) -> Timestamp {
        Timestamp::from(self.from.0)
    }

    /// Whether a round finds something: a row comes due, or the last one stopped half-way.
    pub(super) fn is_wanted(&self, next_due_at: Option<Timestamp>, now: Timestamp) -> bool {
        self.is_behind()
            || self.is_sweep_due()
            || next_due_at.is_some_and(|at| at < now.plus(AHEAD))
    }

    pub(super) fn is_sweep_due(&self) -> bool {
        self.swept_at
            .is_none_or(|at| at.elapsed() > self.sweep_every)
    }

    /// Whether there was no room for all that is due.
    pub(super) fn is_behind(&self) -> bool {
        self.has_more || !self.backlog.is_empty()
    }

    /// One round.
    pub(super) async fn load(
        &mut self,
        session: &mut Session,
        (due, buckets): (&mut Due, &[i16]),
        now: Timestamp,
    ) -> Result<(), LogError> {
        if self.is_sweep_due() {
            self.sweep();
        }
        for _ in 0..MAX_PAGES {
            if !self.page(session, (&mut *due, buckets), now).await? {
                break;
            }
        }
        self.backlog(session, due, now).await
    }

    /// False at the end, or where there is no room.
    async fn page(
        &mut self,
        session: &mut Session,
        (due, buckets): (&mut Due, &[i16]),
        now: Timestamp,
    ) -> Result<bool, LogError> {
        let horizon = now.plus(AHEAD).as_datetime();
        let (at, id) = self.from;
        let query = sqlx::query_file!("queries/scan_due.sql", buckets, at, id, horizon, PAGE_ROWS);
        let found = in_time(query.fetch_all(session.connection())).await?;
        let is_last = found.len() < usize::try_from(PAGE_ROWS).expect("it is small");
        for found in found {
            let subscription = SubscriptionId::new(found.subscription_id);
            let row = Row {
                id: found.id,
                bucket: BucketId::of(subscription),
                event: EventId::new(found.event_id),
                subscription,
                due_at: Timestamp::from(found.due_at),
                made: u16::try_from(found.number).unwrap_or_default(),
                order: found.order_key.map(|key| Placed {
                    key,
                    blocks_until: None,
                }),
                sequence: found.sequence,
                group: group(found.members, found.grouping_code),
            };
            match due.add(row) {
                Added::Full => {
                    self.has_more = true;
                    return Ok(false);
                }
                Added::SubscriptionFull => {
                    self.backlog.entry(subscription).or_insert(EventId::new(0));
                }
                Added::Yes | Added::Known => {}
            }
            self.from = (found.due_at, found.id);
        }
        self.has_more = !is_last;
        if is_last {
            let overlap = i64::try_from(OVERLAP.as_millis()).expect("it is small");
            let start = Timestamp::from_ms(now.as_ms() - overlap);
            self.from = (start.as_datetime(), 0);
        }
        Ok(!is_last)
    }

    async fn backlog(
        &mut self,
        session: &mut Session,
        due: &mut Due,
        now: Timestamp,
    ) -> Result<(), LogError> {
        let hungry = |subscription: &SubscriptionId| {
            due.len_of(*subscription) < Due::MAX_OF_SUBSCRIPTION / 2
        };
        let subscriptions: Vec<_> = self.backlog.keys().copied().filter(hungry).collect();
        for subscription in subscriptions {
            let after = self.backlog[&subscription];
            let query = sqlx::query_file!(
                "queries/scan_subscription.sql",
                subscription.get(),
                after.get(),
                now.plus(AHEAD).as_datetime(),
                PAGE_ROWS
            );
            let found = in_time(query.fetch_all(session.connection())).await?;
            let is_last = found.len() < usize::try_from(PAGE_ROWS).expect("it is small");
            let mut reached = after;
            for found in found {
                let event = EventId::new(found.event_id);
                let row = Row {
                    id: found.id,
                    bucket: BucketId::of(subscription),
                    event,
                    subscription,
                    due_at: Timestamp::from(found.due_at),
                    made: u16::try_from(found.number).unwrap_or_default(),
                    order: None,
                    sequence: found.sequence,
                    group: group(found.members, found.grouping_code),
                };
                if matches!(due.add(row), Added::Full | Added::SubscriptionFull) {
                    break;
                }
                reached = event;
            }
            if is_last {
                // What was passed over meanwhile is found by the next sweep.
                self.backlog.remove(&subscription);
            } else {
                self.backlog.insert(subscription, reached);
            }
        }
        Ok(())
    }

    pub(super) fn forget(&mut self, keeps: impl Fn(SubscriptionId) -> bool) {
        self.backlog.retain(|subscription, _| keeps(*subscription));
    }
}
