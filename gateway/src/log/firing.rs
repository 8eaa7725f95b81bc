//! Turns parked rows that are due into work: reads their events, and hands out tickets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::attempt::{Attempt, AttemptNumber, Note, Outcome};
use crate::domain::clock::Clock;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId, TenantId};

use super::buffer::Buffer;
use super::due::Row;
use super::error::LogError;
use super::lane::event_from_row;
use super::lease::Lease;
use super::session::{Session, in_time};
use super::work::{After, Origin, Ticket, Work};

/// Rows of one statement, and so the payloads that it may bring into memory.
pub(super) const MAX_ROWS: usize = 64;

/// The work of `rows`. A row whose event is gone or erased ends as expired.
pub(super) async fn fire(
    (session, lease): (&mut Session, &Lease),
    clock: &Clock,
    buffer: &Buffer,
    rows: Vec<Row>,
) -> Result<Vec<Work>, LogError> {
    let tickets: Vec<(Row, Ticket)> = rows
        .into_iter()
        .map(|row| (row, ticket(&row, buffer).under(lease.clone())))
        .collect();
    // Where this fails the tickets fall, and that parks their rows anew.
    let events = events_of(session, &tickets).await?;
    let mut works = Vec::new();
    for (row, ticket) in tickets {
        let number = AttemptNumber::new(row.made).next();
        match events.get(&row.event) {
            Some(event) => works.push(Work {
                event: Arc::clone(event),
                subscription: row.subscription,
                number,
                ticket,
            }),
            None => ticket.finish(expired(number, clock), None, After::Final),
        }
    }
    Ok(works)
}

fn ticket(row: &Row, buffer: &Buffer) -> Ticket {
    let delivery = DeliveryId {
        event: row.event,
        subscription: row.subscription,
    };
    let origin = Origin::Parked {
        bucket: row.bucket,
        row: row.id,
    };
    Ticket::new(delivery, origin, row.made, buffer.sender())
}

async fn events_of(
    session: &mut Session,
    tickets: &[(Row, Ticket)],
) -> Result<HashMap<EventId, Arc<Event>>, LogError> {
    let mut ids: Vec<i64> = tickets.iter().map(|(row, _)| row.event.get()).collect();
    ids.sort_unstable();
    ids.dedup();
    let lanes: Vec<i16> = ids
        .iter()
        .map(|id| EventId::new(*id).lane().get())
        .collect();
    let query = sqlx::query_file!("queries/load_events.sql", &lanes, &ids);
    let rows = in_time(query.fetch_all(session.connection())).await?;
    let events = rows.into_iter().map(|row| {
        let id = EventId::new(row.id);
        let who = (id, TenantId::new(row.tenant_id));
        let event = event_from_row(who, &row.event_type, &row.attributes, row.payload);
        (id, Arc::new(event))
    });
    Ok(events.collect())
}

fn expired(number: AttemptNumber, clock: &Clock) -> Attempt {
    Attempt {
        number,
        started_at: clock.now(),
        duration: Duration::ZERO,
        outcome: Outcome::Expired,
        status: None,
        address: None,
        body_hash: None,
        note: Some(Note {
            reason: Some("the event is older than what is kept, or was erased".into()),
            excerpt: None,
        }),
    }
}
