//! Turns parked rows that are due into work: reads their events, and hands out tickets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::attempt::{Attempt, AttemptNumber, Note, Outcome};
use crate::domain::clock::Clock;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId, TenantId};
use crate::domain::queueing::Grouping;

use super::buffer::Buffer;
use super::due::Row;
use super::error::LogError;
use super::lane::event_from_row;
use super::lease::Lease;
use super::session::{Session, in_time};
use super::work::{After, Company, Group, Origin, Ticket, Work};

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
        .map(|row| {
            let ticket = ticket(&row, buffer).under(lease.clone());
            (row, ticket)
        })
        .collect();
    // Where this fails the tickets fall, and that parks their rows anew.
    let events = events_of(session, &tickets).await?;
    let mut works = Vec::new();
    for (row, ticket) in tickets {
        let number = AttemptNumber::new(row.made).next();
        let company = row.group.map(|group| Company {
            events: needed(&group)
                .filter_map(|id| events.get(&id).cloned())
                .collect(),
            group,
        });
        // Of a window or a batch the rest is delivered where its last event was erased.
        let others = company.as_ref().and_then(|company| company.events.last());
        match events.get(&row.event).or(others).cloned() {
            Some(event) => works.push(Work {
                event,
                subscription: row.subscription,
                number,
                ticket,
                sequence: row.sequence,
                company,
            }),
            None => ticket.finish(expired(number, clock), None, After::Final),
        }
    }
    Ok(works)
}

/// The events of a group whose data is needed beside the delivery's own.
fn needed(group: &Group) -> impl Iterator<Item = EventId> + '_ {
    let takes_all = group.grouping != Grouping::Latest;
    group.members.iter().copied().filter(move |_| takes_all)
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
        .standing_for(row.sequence, row.group.clone())
}

async fn events_of(
    session: &mut Session,
    tickets: &[(Row, Ticket)],
) -> Result<HashMap<EventId, Arc<Event>>, LogError> {
    let wanted = tickets.iter().flat_map(|(row, _)| {
        let others = row.group.iter().flat_map(needed);
        std::iter::once(row.event).chain(others)
    });
    let mut ids: Vec<i64> = wanted.map(EventId::get).collect();
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
            ..Note::default()
        }),
    }
}
