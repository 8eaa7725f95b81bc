//! Writes what came of parked deliveries, on the session that holds their buckets.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;
use tracing::error;

use crate::domain::ids::{BucketId, SubscriptionId};

use super::buffer::Buffer;
use super::context::Context;
use super::error::{Fault, LogError};
use super::outcomes::{ParkedOutcomes, Writer};
use super::session::Session;
use super::work::{After, Completion, Origin};

/// A row whose outcome is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settled {
    pub(super) row: i64,
    pub(super) bucket: BucketId,
    pub(super) subscription: SubscriptionId,
    pub(super) after: After,
    /// Attempts made so far.
    pub(super) made: u16,
    pub(super) blocks_for: Option<Duration>,
}

/// Writes what has come back. Rows of buckets that are not held any more are somebody else's to
/// decide about: they are left alone.
pub(super) async fn write(
    ctx: &Context,
    session: &mut Session,
    held: &HashSet<BucketId>,
    buffer: &mut Buffer,
) -> Result<Vec<Settled>, LogError> {
    buffer.receive_now();
    let begun = Instant::now();
    let connection = session.connection();
    let mut written = buffer.runs.intern(connection, &buffer.pending).await;
    if written.is_ok() {
        written = write_some(ctx, session, held, (buffer, &buffer.pending)).await;
    }
    if matches!(&written, Err(error) if error.fault() == Fault::Data) {
        written = write_singly(ctx, session, held, buffer).await;
    }
    if let Err(error) = written {
        buffer.is_in_doubt |= error.fault() == Fault::Lost;
        return Err(error);
    }
    ctx.metrics
        .complete_outcomes
        .observe(buffer.pending.len() as f64);
    ctx.metrics
        .complete_seconds
        .observe(begun.elapsed().as_secs_f64());
    let rows = buffer
        .pending
        .iter()
        .filter_map(|completion| match completion.origin {
            Origin::Parked { bucket, row } => Some(Settled {
                row,
                bucket,
                subscription: completion.delivery.subscription,
                after: completion.after,
                made: completion.attempts_made,
                blocks_for: completion.blocks_for,
            }),
            Origin::Lane { .. } => None,
        });
    let rows = rows.collect();
    buffer.written();
    Ok(rows)
}

async fn write_some(
    ctx: &Context,
    session: &mut Session,
    held: &HashSet<BucketId>,
    (buffer, completions): (&Buffer, &[Completion]),
) -> Result<(), LogError> {
    let mut outcomes = ParkedOutcomes::default();
    for completion in completions {
        let Origin::Parked { bucket, .. } = completion.origin else {
            continue;
        };
        if !held.contains(&bucket) {
            continue;
        }
        if let Some((attempt, run)) = &completion.record {
            outcomes.record(completion, attempt, buffer.runs.id(run));
        }
        outcomes.settle(completion);
    }
    let writer = Writer {
        node: ctx.node,
        is_in_doubt: buffer.is_in_doubt,
    };
    outcomes.write(session.connection(), writer).await
}

/// One of them cannot be stored: find it, store what can be stored of it.
async fn write_singly(
    ctx: &Context,
    session: &mut Session,
    held: &HashSet<BucketId>,
    buffer: &mut Buffer,
) -> Result<(), LogError> {
    // What is written twice because a later one failed is told apart by this.
    buffer.is_in_doubt = true;
    for index in 0..buffer.pending.len() {
        let one = index..=index;
        let mut written =
            write_some(ctx, session, held, (buffer, &buffer.pending[one.clone()])).await;
        if matches!(&written, Err(error) if error.fault() == Fault::Data) {
            if let Some((attempt, _)) = &mut buffer.pending[index].record {
                (attempt.note, attempt.address, attempt.status) = (None, None, None);
            }
            written = write_some(ctx, session, held, (buffer, &buffer.pending[one])).await;
        }
        match written {
            Err(error) if error.fault() == Fault::Data => {
                // The row stays and is loaded again.
                let id = buffer.pending[index].delivery;
                error!(delivery.id = %id, %error, "an outcome cannot be stored");
            }
            written => written?,
        }
    }
    Ok(())
}
