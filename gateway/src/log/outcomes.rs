//! Completions as the columns of `queries/complete_lane.sql` and `queries/complete_parked.sql`.

use time::OffsetDateTime;

use sqlx::PgConnection;

use crate::domain::attempt::{Attempt, Note};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{BucketId, DeliveryId, NodeId};

use super::error::LogError;
use super::session::in_time;
use super::work::{After, Completion, Origin, ParkReason};

/// The attempts of some completions.
#[derive(Debug, Default)]
pub(super) struct AttemptColumns {
    events: Vec<i64>,
    subscriptions: Vec<i32>,
    at: Vec<OffsetDateTime>,
    numbers: Vec<i16>,
    outcomes: Vec<i16>,
    statuses: Vec<Option<i16>>,
    durations_ms: Vec<i32>,
    runs: Vec<Option<i32>>,
    addresses: Vec<Option<String>>,
    notes: Vec<Option<Vec<u8>>>,
    body_hashes: Vec<Option<Vec<u8>>>,
    are_final: Vec<bool>,
}

/// What attempts of parked deliveries say beside: their number in an order, what they stand for.
#[derive(Debug, Default)]
struct GroupColumns {
    sequences: Vec<Option<i64>>,
    /// As Postgres writes arrays: each has its own length.
    members: Vec<Option<String>>,
    groupings: Vec<Option<i16>>,
}

impl GroupColumns {
    fn push(&mut self, completion: &Completion) {
        self.sequences.push(completion.sequence);
        let group = completion.group.as_ref();
        self.members
            .push(group.map(|group| array(group.members.iter().map(|event| event.get()))));
        self.groupings
            .push(group.map(|group| group.grouping.code()));
    }
}

/// The text form of an array of numbers.
pub(super) fn array(numbers: impl Iterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("{{{}}}", numbers.join(","))
}

impl AttemptColumns {
    pub(super) fn push(
        &mut self,
        (delivery, is_final): (DeliveryId, bool),
        attempt: &Attempt,
        run: Option<i32>,
    ) {
        self.events.push(delivery.event.get());
        self.subscriptions.push(delivery.subscription.get());
        self.at.push(attempt.started_at.as_datetime());
        self.numbers.push(small(attempt.number.get()));
        self.outcomes.push(attempt.outcome.code());
        self.statuses.push(attempt.status.map(small));
        let duration_ms = i32::try_from(attempt.duration.as_millis());
        self.durations_ms.push(duration_ms.unwrap_or(i32::MAX));
        self.runs.push(run);
        self.addresses
            .push(attempt.address.map(|address| address.to_string()));
        self.notes.push(attempt.note.as_ref().map(note_bytes));
        self.body_hashes
            .push(attempt.body_hash.map(|hash| hash.to_vec()));
        self.are_final.push(is_final);
    }
}

fn note_bytes(note: &Note) -> Vec<u8> {
    serde_json::to_vec(note).expect("a note is two texts")
}

fn small(number: u16) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}

/// Who writes outcomes, and whether an earlier try of the same ones may have committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    pub(super) node: NodeId,
    pub(super) is_in_doubt: bool,
}

/// When what waits comes back, how often it was tried, and why it waits.
#[derive(Debug, Default)]
struct WaitColumns {
    due_at: Vec<Option<OffsetDateTime>>,
    numbers: Vec<i16>,
    reasons: Vec<i16>,
}

impl WaitColumns {
    fn push(&mut self, attempts_made: u16, (reason, due_at): (ParkReason, Option<Timestamp>)) {
        self.due_at.push(due_at.map(Timestamp::as_datetime));
        self.numbers.push(small(attempts_made));
        self.reasons.push(reason.code());
    }
}

/// A statement that writes attempts, followed by what is its own.
macro_rules! write_query {
    ($file:literal, $attempts:expr, $writer:expr, $($own:tt)+) => {{
        let (made, writer): (&AttemptColumns, Writer) = ($attempts, $writer);
        sqlx::query_file!(
            $file,
            writer.node.get(),
            &made.events,
            &made.subscriptions,
            &made.at,
            &made.numbers,
            &made.outcomes,
            &made.statuses as _,
            &made.durations_ms,
            &made.runs as _,
            &made.addresses as _,
            &made.notes as _,
            &made.are_final,
            writer.is_in_doubt,
            $($own)+
        )
    }};
}

/// Outcomes of deliveries of one lane.
#[derive(Debug, Default)]
pub(super) struct LaneOutcomes {
    pub(super) attempts: AttemptColumns,
    buckets: Vec<i16>,
    events: Vec<i64>,
    subscriptions: Vec<i32>,
    waits: WaitColumns,
}

impl LaneOutcomes {
    /// Adds what waits; what is final needs no row.
    pub(super) fn park(&mut self, completion: &Completion) {
        let After::Park { reason, due_at } = completion.after else {
            return;
        };
        let delivery = completion.delivery;
        self.buckets.push(BucketId::of(delivery.subscription).get());
        self.events.push(delivery.event.get());
        self.subscriptions.push(delivery.subscription.get());
        self.waits.push(completion.attempts_made, (reason, due_at));
    }

    pub(super) async fn write(
        &self,
        connection: &mut PgConnection,
        writer: Writer,
    ) -> Result<(), LogError> {
        let query = write_query!(
            "queries/complete_lane.sql",
            &self.attempts,
            writer,
            &self.buckets,
            &self.events,
            &self.subscriptions,
            &self.waits.due_at as _,
            &self.waits.numbers,
            &self.waits.reasons,
            &self.attempts.body_hashes as _
        );
        in_time(query.fetch_all(connection)).await.map(drop)
    }
}

/// Outcomes of parked deliveries.
#[derive(Debug, Default)]
pub(super) struct ParkedOutcomes {
    attempts: AttemptColumns,
    gone_buckets: Vec<i16>,
    gone_rows: Vec<i64>,
    buckets: Vec<i16>,
    rows: Vec<i64>,
    waits: WaitColumns,
    blocks_for_ms: Vec<Option<i32>>,
    groups: GroupColumns,
}

impl ParkedOutcomes {
    /// Adds the record of an attempt.
    pub(super) fn record(&mut self, completion: &Completion, attempt: &Attempt, run: Option<i32>) {
        let is_final = completion.after == After::Final;
        self.attempts
            .push((completion.delivery, is_final), attempt, run);
        self.groups.push(completion);
    }

    /// Adds what becomes of the row.
    pub(super) fn settle(&mut self, completion: &Completion) {
        let Origin::Parked { bucket, row } = completion.origin else {
            return;
        };
        match completion.after {
            After::Final => {
                self.gone_buckets.push(bucket.get());
                self.gone_rows.push(row);
            }
            After::Park { reason, due_at } => {
                self.buckets.push(bucket.get());
                self.rows.push(row);
                self.waits.push(completion.attempts_made, (reason, due_at));
                let blocks_for = completion.blocks_for.map(|time| time.as_millis());
                let blocks_for_ms = blocks_for.and_then(|ms| i32::try_from(ms).ok());
                self.blocks_for_ms.push(blocks_for_ms);
            }
        }
    }

    pub(super) async fn write(
        &self,
        connection: &mut PgConnection,
        writer: Writer,
    ) -> Result<(), LogError> {
        let query = write_query!(
            "queries/complete_parked.sql",
            &self.attempts,
            writer,
            &self.gone_buckets,
            &self.gone_rows,
            &self.buckets,
            &self.rows,
            &self.waits.due_at as _,
            &self.waits.numbers,
            &self.waits.reasons,
            &self.attempts.body_hashes as _,
            &self.groups.sequences as _,
            &self.groups.members as _,
            &self.groups.groupings as _,
            &self.blocks_for_ms as _
        );
        in_time(query.execute(connection)).await.map(drop)
    }
}
