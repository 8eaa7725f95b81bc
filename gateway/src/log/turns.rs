//! What the keeper of parked rows does for those that wait for others: reads orders, closes windows,
//! and lets go by what has held up the others for long enough.

use tokio::time::{Duration, Instant};

use crate::domain::clock::Timestamp;
use crate::domain::ids::NodeId;

use super::beat::Beat;
use super::due::Due;
use super::error::LogError;
use super::news::News;
use super::order_reader::OrderReader;
use super::orders::{Fate, NEVER};
use super::session::Session;
use super::settling::Settled;
use super::windows;
use super::work::{After, ParkReason};

/// Of the time, looking for windows takes at most one part in so many.
const SHARE_OF_TIME: u32 = 10;
const MIN_BETWEEN: Duration = Duration::from_millis(10);
/// One slow answer of the database must not keep windows open for long.
const MAX_BETWEEN: Duration = Duration::from_millis(250);

/// How far the reading has come.
#[derive(Debug)]
pub(super) struct Turns {
    reader: OrderReader,
    window_at: Option<Timestamp>,
    /// Not looked for windows before.
    windows_from: Instant,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            reader: OrderReader::default(),
            window_at: None,
            windows_from: Instant::now(),
        }
    }

    /// Buckets were added, or it is time to look at all of it again.
    pub(super) fn sweep(&mut self, due: &mut Due) {
        self.reader.sweep();
        due.orders.touch_waiting();
        self.window_at = Some(Timestamp::from_ms(0));
    }

    pub(super) fn hear(&mut self, news: News) {
        if news.has_rows {
            self.reader.want();
        }
        self.close_by(news.window_at);
    }

    pub(super) fn hear_beat(&mut self, beat: &Beat) {
        self.reader.hear_of(beat.newest_row);
        self.close_by(beat.next_window_at);
    }

    fn close_by(&mut self, at: Option<Timestamp>) {
        self.window_at = self.window_at.into_iter().chain(at).min();
    }

    /// When there is something to do; none where nothing is open.
    pub(super) fn next_at(&self, now: Timestamp) -> Option<Instant> {
        if self.reader.is_wanted() {
            return Some(Instant::now());
        }
        let window_at = self.window_at?;
        Some(self.windows_from.max(Instant::now() + window_at.since(now)))
    }

    /// One round: windows that are due, rows that are new, orders that have something new.
    pub(super) async fn step(
        &mut self,
        session: &mut Session,
        (due, buckets): (&mut Due, &[i16]),
        (node, now): (NodeId, Timestamp),
    ) -> Result<Round, LogError> {
        let mut round = Round::default();
        let begun = Instant::now();
        if self.window_at.is_some_and(|at| at <= now) && self.windows_from <= begun {
            let (deliveries, next) = windows::close(session, buckets, node).await?;
            round.closed = deliveries;
            self.window_at = next;
            let pause = (begun.elapsed() * SHARE_OF_TIME).clamp(MIN_BETWEEN, MAX_BETWEEN);
            self.windows_from = Instant::now() + pause;
            if deliveries > 0 {
                self.reader.want();
            }
        }
        if self.reader.is_wanted() {
            let orders = &mut due.orders;
            self.reader.scan(session, (orders, buckets)).await?;
        }
        self.read(session, due, (node, now)).await?;
        Ok(round)
    }

    /// Brings what is known of orders up to date, and writes down what follows from it.
    pub(super) async fn read(
        &self,
        session: &mut Session,
        due: &mut Due,
        (node, now): (NodeId, Timestamp),
    ) -> Result<(), LogError> {
        let orders = &mut due.orders;
        orders.advance(now);
        self.reader.read(session, orders, now).await?;
        let passed = orders.take_passed();
        if !passed.is_empty() {
            windows::pass_by(session, &passed).await?;
        }
        let outdated = orders.take_outdated();
        if !outdated.is_empty() {
            windows::replace(session, &outdated, node).await?;
            for (older, _) in outdated {
                if let Some(placed) = older.order {
                    orders.touch((older.bucket, placed.key));
                }
            }
        }
        Ok(())
    }
}

/// What a round found.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Deliveries that closed windows came to.
    pub(super) closed: usize,
}

/// What has become of rows is written: their orders go on.
pub(super) fn settle(due: &mut Due, settled: Vec<Settled>, now: Timestamp) {
    for Settled {
        row,
        bucket,
        subscription,
        after,
        made,
        blocks_for,
    } in settled
    {
        if !due.orders.is_under_way(row) {
            due.done(row, bucket);
            continue;
        }
        let fate = match after {
            // What was missed stands outside until it is released.
            After::Final
            | After::Park {
                reason: ParkReason::Missed,
                ..
            } => Fate::Gone,
            After::Park { due_at, .. } => Fate::Waits {
                due_at: due_at.unwrap_or(NEVER),
                blocks_until: blocks_for.map(|time| now.plus(time)),
                made,
            },
        };
        due.orders.done(row, subscription, fate, now);
    }
}
