//! One event: what it is, its data, and its way to each subscription that wanted it.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::Method;
use maud::{Markup, html};

use super::door::Place;
use super::form::Filled;
use super::layout::{Page, Part, done};
use super::parts::{data, facts, heading, maybe_time, nothing, state, time};
use super::refusal::Refusal;
use super::seen::{Attempt, Delivery, Event};
use super::session::Visitor;
use super::{Ui, text};
use crate::domain::key::Action;

/// Deliveries of which the attempts are drawn; the others are listed with their state.
const DRAWN: usize = 10;

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Path(id): Path<String>,
) -> Result<Page, Refusal> {
    let event: Event = visitor.get(&Place::of(&["v1", "events", &id])).await?;
    let shown = match event.erased_at {
        None => Some(fetch(&visitor, &id).await?),
        Some(_) => None,
    };
    let mut drawn = Vec::new();
    for delivery in event.deliveries.iter().take(DRAWN) {
        let place = Place::of(&["v1", "deliveries", &delivery.id]);
        drawn.push(visitor.get::<Delivery>(&place).await?);
    }
    let try_it = Place::of(&["ui", "plugins"]).with("event", &id);
    let content = html! {
        (heading(html! { (event.event_type) }, &html! {
            a.button.quiet href=(try_it.as_str()) { "Try in a plugin" }
            @if visitor.may(Action::Administer) && event.erased_at.is_none() {
                (visitor.button(&format!("/ui/events/{}/erase", event.id), ("Erase data", "danger quiet"),
                    Some("Erase the data of this event? It cannot be brought back.")))
            }
        }))
        (about(&event))
        h2 { "Data" }
        @match &shown {
            None => p.quiet { "The data was erased." },
            Some((shown, is_cut)) => {
                (data("Data of the event", shown))
                p.help {
                    @if *is_cut { "Only the first 64 KiB are shown. " }
                    a href=(Place::of(&["ui", "events", &id, "data"]).as_str()) download { "Fetch all of it" }
                }
            }
        }
        h2 { "Its way" }
        @if event.deliveries.is_empty() {
            (nothing("No subscription wanted it.", &html! {
                p { a href="/ui/subscriptions" { "Explain a match" } " shows which rule did not hold." }
            }))
        }
        @for delivery in &drawn { (way(&event, delivery)) }
        @if event.deliveries.len() > DRAWN {
            @let place = Place::of(&["ui", "deliveries"]).with("event", &id).with("since", &event.received_at);
            p { a href=(place.as_str()) { "All " (event.deliveries.len()) " deliveries" } }
        }
    };
    Ok(visitor.page(Part::Events, &event.event_type, &content))
}

async fn fetch(visitor: &Visitor, id: &str) -> Result<(String, bool), Refusal> {
    let place = Place::of(&["v1", "events", id, "data"]);
    let reply = visitor
        .call(Method::GET, &place, ("", Bytes::new()))
        .await?;
    Ok(text::readable(&reply.body))
}

fn about(event: &Event) -> Markup {
    let optional = |value: &Option<String>| html! { (value.as_deref().unwrap_or("–")) };
    facts(&[
        ("Received", time(&event.received_at)),
        ("Tenant", optional(&event.tenant)),
        ("Source", optional(&event.source)),
        ("Subject", optional(&event.subject)),
        ("Key", optional(&event.key)),
        ("Time", maybe_time(event.time.as_deref())),
        ("Content type", html! { (event.content_type) }),
        ("Size", html! { (text::size(event.size_bytes)) }),
        ("Producer's id", optional(&event.producer_id)),
        ("Id", html! { code.copy data-copy { (event.id) } }),
    ])
}

/// From being received, over the plugins that ran, to each attempt.
fn way(event: &Event, delivery: &Delivery) -> Markup {
    let place = Place::of(&["ui", "deliveries", &delivery.id]);
    let subscription = Place::of(&["ui", "subscriptions", &delivery.subscription]);
    let plugins = delivery
        .attempts
        .iter()
        .rev()
        .find(|attempt| !attempt.plugins.is_empty());
    html! {
        section.card.way aria-label=(format!("Delivery to {}", delivery.subscription)) {
            div.heading {
                h3 { "To " a href=(subscription.as_str()) { (delivery.subscription) } }
                div.actions { (state(&delivery.state)) a.button.quiet.small href=(place.as_str()) { "Look closer" } }
            }
            ol.steps {
                li.good { strong { "Received" } span { (time(&event.received_at)) } }
                @if let Some(attempt) = plugins {
                    @for plugin in &attempt.plugins {
                        li { strong { (plugin.name) } span { "plugin " code { (plugin.digest.get(..12).unwrap_or(&plugin.digest)) } } }
                    }
                }
                @for attempt in &delivery.attempts { (step(attempt)) }
                @if delivery.attempts.is_empty() || delivery.state == "pending" || delivery.state == "dropped" {
                    li { strong { (state(&delivery.state)) } span {
                        @if let Some(waits_for) = &delivery.waits_for { "waits for " (waits_for) " " }
                        @if let Some(due_at) = &delivery.due_at { (time(due_at)) }
                        @if let Some(reason) = &delivery.reason { (reason) }
                    } }
                }
            }
        }
    }
}

fn step(attempt: &Attempt) -> Markup {
    let class = if attempt.outcome == "accepted" {
        "good"
    } else {
        "bad"
    };
    html! {
        li class=(class) {
            strong { "Attempt " (attempt.number) }
            span {
                (attempt.outcome.replace('_', " "))
                @if let Some(status) = attempt.status { " " (status) }
                " in " (text::millis(attempt.duration_ms))
            }
        }
    }
}

/// The bytes as they came; a browser keeps them as a file and runs nothing.
pub async fn fetch_data(
    visitor: Visitor,
    State(_): State<Ui>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let place = Place::of(&["v1", "events", &id, "data"]);
    let reply = visitor
        .call(Method::GET, &place, ("", Bytes::new()))
        .await?;
    Ok((reply.headers, reply.body).into_response())
}

pub async fn erase(
    State(ui): State<Ui>,
    Path(id): Path<String>,
    Filled(visitor, _): Filled,
) -> Result<Response, Refusal> {
    let place = Place::of(&["v1", "events", &id]);
    visitor
        .call(Method::DELETE, &place, ("", Bytes::new()))
        .await?;
    let back = Place::of(&["ui", "events", &id]);
    Ok(done(&ui, back.as_str(), "The data was erased."))
}
