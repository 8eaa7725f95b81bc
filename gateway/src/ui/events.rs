//! The event explorer: what came in, newest first, found by type, tenant, time, id, or by what became
//! of it.

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::door::Place;
use super::layout::Part;
use super::parts::{choice, field, heading, id_link, nothing, pager, table, time};
use super::refusal::Refusal;
use super::seen::{Event, List};
use super::session::Visitor;
use super::{Ui, deliveries, text};

/// What is looked for; empty means all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    tenant: String,
    r#type: String,
    since: String,
    until: String,
    id: String,
    state: String,
    after: String,
}

impl Asked {
    fn place(&self, base: Place) -> Place {
        base.with("tenant", &self.tenant)
            .with("type", &self.r#type)
            .with("since", &moment(&self.since))
            .with("until", &moment(&self.until))
    }

    /// Without the page: where the list begins.
    fn here(&self) -> Place {
        Place::of(&["ui", "events"])
            .with("tenant", &self.tenant)
            .with("type", &self.r#type)
            .with("since", &self.since)
            .with("until", &self.until)
    }
}

/// A browser's time without seconds and zone, taken as UTC; other forms go to the API as they are.
pub fn moment(text: &str) -> String {
    match text.len() {
        16 if text.contains('T') => format!("{text}:00Z"),
        19 if text.contains('T') => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    if let Some(elsewhere) = elsewhere(&asked) {
        return Ok(Redirect::to(elsewhere.as_str()).into_response());
    }
    let place = asked
        .place(Place::of(&["v1", "events"]))
        .with("after", &asked.after);
    let found: Result<List<Event>, Refusal> = visitor.get(&place).await;
    let (list, fault) = match found {
        Ok(list) => (Some(list), None),
        Err(refusal) if refusal.status.is_client_error() => (None, Some(refusal)),
        Err(refusal) => return Err(refusal),
    };
    let content = html! {
        (heading("Events", &html! {}))
        (search(&visitor, &asked))
        @if let Some(fault) = &fault { (fault.notice()) }
        @if let Some(list) = &list {
            (rows(&visitor, list))
            (pager(asked.here(), list.next.as_deref(), asked.after.is_empty()))
        }
    };
    Ok(visitor
        .page(Part::Events, "Events", &content)
        .into_response())
}

/// An id leads to its page, a state to the deliveries that are in it.
fn elsewhere(asked: &Asked) -> Option<Place> {
    if !asked.id.trim().is_empty() {
        let id = asked.id.trim();
        let kind = if id.starts_with("dlv_") {
            "deliveries"
        } else {
            "events"
        };
        return Some(Place::of(&["ui", kind, id]));
    }
    let by_state = Place::of(&["ui", "deliveries"])
        .with("state", &asked.state)
        .with("tenant", &asked.tenant)
        .with("since", &asked.since);
    (!asked.state.is_empty()).then_some(by_state)
}

fn search(visitor: &Visitor, asked: &Asked) -> Markup {
    html! {
        search {
            form.filters method="get" action="/ui/events" {
                (field("type", "Type", &asked.r#type, ""))
                (visitor.tenant_filter(&asked.tenant))
                div.field { label for="since" { "Since" }
                    input #since name="since" type="datetime-local" value=(asked.since); }
                div.field { label for="until" { "Until" }
                    input #until name="until" type="datetime-local" value=(asked.until); }
                div.field { label for="state" { "With a delivery" } (choice("state", &deliveries::STATES, "")) }
                (field("id", "Id", "", ""))
                div.field.end { button { "Search" } }
            }
            p.help { "Types may be patterns such as " code { "invoice.*" } ". Times are UTC; without one, the last 24 hours." }
        }
    }
}

fn rows(visitor: &Visitor, list: &List<Event>) -> Markup {
    if list.data.is_empty() {
        return nothing(
            "No event was found.",
            &html! { p { "Widen the search, or send one: " code { "hookgate send invoice.paid" } } },
        );
    }
    let all = visitor.sees_all_tenants();
    let rows = html! {
        @for event in &list.data {
            tr {
                td { (time(&event.received_at)) }
                th scope="row" { a href=(Place::of(&["ui", "events", &event.id]).as_str()) { (event.event_type) } }
                @if all { td { (event.tenant.as_deref().unwrap_or("–")) } }
                td.wide { (event.subject.as_deref().or(event.key.as_deref()).unwrap_or("–")) }
                td.number.wide { (text::size(event.size_bytes)) }
                td.wide { (id_link(&Place::of(&["ui", "events", &event.id]), &event.id)) }
            }
        }
    };
    let columns: &[&str] = if all {
        &["Received", "Type", "Tenant", "~Subject", "~#Size", "~Id"]
    } else {
        &["Received", "Type", "~Subject", "~#Size", "~Id"]
    };
    table("Events", columns, &rows)
}
