//! One delivery: its way from the event over each plugin, with what each changed, to every attempt.

use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::door::Place;
use super::form::Filled;
use super::layout::{Page, Part, done};
use super::parts::{data, facts, heading, id_link, maybe_time, state, time};
use super::refusal::Refusal;
use super::seen::{self, Attempt, Delivery, Retraced, RetracedStep};
use super::session::Visitor;
use super::{Ui, diff, text};
use crate::domain::key::Action;

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Path(id): Path<String>,
) -> Result<Page, Refusal> {
    let place = Place::of(&["v1", "deliveries", &id]);
    let delivery: Delivery = visitor.get(&place).await?;
    let place = Place::of(&["v1", "deliveries", &id, "retrace"]);
    let retraced = visitor.get::<Retraced>(&place).await;
    let content = html! {
        (heading(html! { (delivery.event_type) " " (state(&delivery.state)) }, &actions(&visitor, &delivery)))
        (about(&delivery))
        h2 { "Through the plugins" }
        (plugins(&retraced))
        h2 { "Request" }
        (request(&delivery, retraced.as_ref().ok()))
        h2 { "Attempts" }
        @if delivery.attempts.is_empty() { p.quiet { "None so far." } }
        ol.attempts { @for attempt in &delivery.attempts { (shown(attempt)) } }
    };
    let title = format!("Delivery of {}", delivery.event_type);
    Ok(visitor.page(Part::Deliveries, &title, &content))
}

fn actions(visitor: &Visitor, delivery: &Delivery) -> Markup {
    if !visitor.may(Action::ManageSubscriptions) {
        return html! {};
    }
    let at = |verb: &str| format!("/ui/deliveries/{}/{verb}", delivery.id);
    html! {
        (visitor.button(&at("retry"), ("Retry now", ""), None))
        @if delivery.state == "pending" {
            (visitor.button(&at("cancel"), ("Cancel", "danger quiet"), Some("Cancel this delivery?")))
        }
    }
}

fn about(delivery: &Delivery) -> Markup {
    let event = Place::of(&["ui", "events", &delivery.event]);
    let subscription = Place::of(&["ui", "subscriptions", &delivery.subscription]);
    facts(&[
        ("Event", id_link(&event, &delivery.event)),
        (
            "Subscription",
            id_link(&subscription, &delivery.subscription),
        ),
        (
            "Tenant",
            html! { (delivery.tenant.as_deref().unwrap_or("–")) },
        ),
        ("Why", html! { (delivery.reason.as_deref().unwrap_or("–")) }),
        (
            "Waits for",
            html! { (delivery.waits_for.as_deref().unwrap_or("nothing")) },
        ),
        ("Due", maybe_time(delivery.due_at.as_deref())),
        ("Ended", maybe_time(delivery.finished_at.as_deref())),
        ("Id", html! { code.copy data-copy { (delivery.id) } }),
    ])
}

fn plugins(retraced: &Result<Retraced, Refusal>) -> Markup {
    let retraced = match retraced {
        Ok(retraced) => retraced,
        Err(refusal) => return html! { p.quiet { "Cannot be told: " (refusal.detail) } },
    };
    html! {
        @if retraced.steps.is_empty() {
            p.quiet { "No plugin ran: the event went out as it is." }
        } @else {
            p.help {
                "Made by running again what ran, in the very versions of then. Nothing is sent."
                @if !retraced.config_is_current { " The subscription has changed since; this is with its configuration of then." }
            }
        }
        ol.passage { @for step in &retraced.steps { (passage(step)) } }
    }
}

fn passage(step: &RetracedStep) -> Markup {
    let plugin = Place::of(&["ui", "plugins", &step.plugin]);
    html! {
        li.card {
            div.heading {
                h3 { a href=(plugin.as_str()) { (step.plugin) } }
                div.actions { (state(&step.verdict)) span.quiet { (text::micros(step.duration_us)) } }
            }
            @if let Some(reason) = &step.reason { p.reason { (reason) } }
            @if let Some(after) = &step.after {
                p.quiet {
                    (text::size(step.before.size_bytes)) " → " (text::size(after.size_bytes))
                    @if after.content_type != step.before.content_type { " · " (after.content_type) }
                }
                (diff::lines(&readable(&step.before), &readable(after)))
            }
            (logs(&step.logs))
        }
    }
}

/// Data between two plugins as text.
pub fn readable(place: &seen::Place) -> String {
    match (&place.data, &place.data_base64) {
        (Some(data), _) => text::readable(data.as_bytes()).0,
        (None, Some(base64)) => base64.chars().take(text::MAX_SHOWN).collect(),
        (None, None) => String::new(),
    }
}

/// What a plugin logged, as text and as nothing but text.
pub fn logs(lines: &[seen::LogLine]) -> Markup {
    html! {
        @if !lines.is_empty() {
            ol.logs aria-label="Log lines" {
                @for line in lines { li { span class=(format!("level {}", level(&line.level))) { (line.level) } " " (line.text) } }
            }
        }
    }
}

pub fn level(level: &str) -> &'static str {
    match level {
        "error" => "bad",
        "warn" => "waiting",
        _ => "neutral",
    }
}

fn request(delivery: &Delivery, retraced: Option<&Retraced>) -> Markup {
    let Some(body) = retraced.and_then(|retraced| retraced.body.as_ref()) else {
        return html! { p.quiet { "Nothing goes out." } };
    };
    let same = retraced.and_then(|retraced| retraced.body_is_the_same);
    html! {
        (facts(&[
            ("webhook-id", html! { code { (delivery.id) } }),
            ("Body", html! { (text::size(body.size_bytes)) }),
            ("Compared with what was sent", html! {
                @match same {
                    Some(true) => { (state("accepted")) " the same bytes" },
                    Some(false) => { (state("refused")) " other bytes than then" },
                    None => { "not sent yet" },
                }
            }),
        ]))
        details { summary { "Body" } (data("Body of the request", &readable(body))) }
    }
}

fn shown(attempt: &Attempt) -> Markup {
    html! {
        li.card {
            div.heading {
                h3 { "Attempt " (attempt.number) }
                div.actions {
                    (state(&attempt.outcome))
                    @if let Some(status) = attempt.status { strong { (status) } }
                    span.quiet { (text::millis(attempt.duration_ms)) }
                }
            }
            (facts(&[
                ("Begun", time(&attempt.started_at)),
                ("Address", html! { (attempt.address.as_deref().unwrap_or("none")) }),
                ("Node", html! { (attempt.node) }),
                ("Body's SHA-256", html! { code.hash { (attempt.body_sha256.as_deref().unwrap_or("–")) } }),
            ]))
            @if let Some(reason) = &attempt.reason { p.reason { (reason) } }
            @if let Some(excerpt) = &attempt.excerpt { (data("Answer", &text::laid_out(excerpt))) }
        }
    }
}

pub async fn retry(
    State(ui): State<Ui>,
    Path(id): Path<String>,
    Filled(visitor, _): Filled,
) -> Result<Response, Refusal> {
    change(&ui, &visitor, (&id, "retry"), "It is put in line again.").await
}

pub async fn cancel(
    State(ui): State<Ui>,
    Path(id): Path<String>,
    Filled(visitor, _): Filled,
) -> Result<Response, Refusal> {
    change(&ui, &visitor, (&id, "cancel"), "It was cancelled.").await
}

async fn change(
    ui: &Ui,
    visitor: &Visitor,
    (id, verb): (&str, &str),
    note: &str,
) -> Result<Response, Refusal> {
    let place = Place::of(&["v1", "deliveries", id, verb]);
    visitor.post(&place, &Value::Null).await?;
    let back = Place::of(&["ui", "deliveries", id]);
    Ok(done(ui, back.as_str(), note))
}
