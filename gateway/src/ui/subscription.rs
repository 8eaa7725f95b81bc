//! One subscription: what it wants, what it missed, and everything that can be done to it.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::Method;
use maud::{Markup, html};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::door::Place;
use super::form::Filled;
use super::layout::{Page, Part, done};
use super::parts::{area, choice, data, facts, field, heading, maybe_time, state, table, time};
use super::refusal::Refusal;
use super::seen::{Delivery, Explained, Job, List, Missed, Subscription};
use super::session::Visitor;
use super::subscriptions::{name, plugins};
use super::{Ui, text};
use crate::domain::key::Action;

/// Deliveries that are shown beside a subscription.
const LAST: &str = "10";

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Path(id): Path<String>,
) -> Result<Page, Refusal> {
    let one = read(&visitor, &id).await?;
    page(&visitor, &one, &html! {}).await
}

async fn read(visitor: &Visitor, id: &str) -> Result<Subscription, Refusal> {
    visitor.get(&Place::of(&["v1", "subscriptions", id])).await
}

/// The page, with what was just found out on top.
async fn page(visitor: &Visitor, one: &Subscription, news: &Markup) -> Result<Page, Refusal> {
    let place = Place::of(&["v1", "deliveries"])
        .with("subscription", &one.id)
        .with("limit", LAST);
    let last: List<Delivery> = visitor.get(&place).await?;
    let place = Place::of(&["v1", "subscriptions", &one.id, "missed"]).with("limit", LAST);
    let missed: List<Missed> = visitor.get(&place).await?;
    let can_change = visitor.may(Action::ManageSubscriptions);
    let content = html! {
        (heading(html! { (name(one)) " " (state(&one.state)) }, &actions(visitor, one)))
        (news)
        @if let Some(reason) = &one.state_reason { div.notice.warn { p { (reason) } } }
        (about(one))
        @if let Some(filters) = one.filters.as_deref().filter(|filters| filters.get() != "[]") {
            h2 { "Filters" } (data("Filters", &text::laid_out(filters.get())))
        }
        @if one.plugins.as_array().is_some_and(|used| !used.is_empty()) {
            h2 { "Plugins" } (data("Plugins", &text::laid_out(&one.plugins.to_string())))
        }
        details { summary { "How it is delivered" } (data("Delivery policy", &text::laid_out(&one.delivery.to_string()))) }
        @if !missed.data.is_empty() { (missing(visitor, one, &missed)) }
        h2 { "Last deliveries" }
        (deliveries(one, &last))
        (explain_form(one, "", &visitor.token_field()))
        @if can_change { (replay_form(one, &visitor.token_field())) }
    };
    Ok(visitor.page(Part::Subscriptions, name(one), &content))
}

fn actions(visitor: &Visitor, one: &Subscription) -> Markup {
    if !visitor.may(Action::ManageSubscriptions) {
        return html! {};
    }
    let at = |verb: &str| format!("/ui/subscriptions/{}/{verb}", one.id);
    html! {
        a.button.quiet href=(at("edit")) { "Edit" }
        @if one.state == "active" { (visitor.button(&at("test"), ("Send a test", "quiet"), None)) }
        @if one.state == "active" { (visitor.button(&at("pause"), ("Pause", "quiet"), None)) }
        @if one.state == "paused" || one.state == "disabled" { (visitor.button(&at("resume"), ("Resume", ""), None)) }
        (visitor.button(&at("rotate"), ("Rotate secret", "quiet"),
            Some("Make a new secret? Both sign for 24 hours.")))
        (visitor.button(&at("delete"), ("Delete", "danger quiet"),
            Some("Delete this subscription? What waits for it is not sent any more.")))
    }
}

fn about(one: &Subscription) -> Markup {
    facts(&[
        (
            "Target",
            html! { span.break { (one.target_url.as_deref().unwrap_or("none: pull only")) } },
        ),
        ("Tenant", html! { (one.tenant) }),
        (
            "Types",
            html! { @for pattern in &one.event_types { code.tag { (pattern) } " " } },
        ),
        (
            "Labels",
            html! { @for label in &one.labels { span.tag { (label) } " " }
            @if one.labels.is_empty() { "–" } },
        ),
        ("Plugins", html! { (plugins(one)) }),
        ("Consent", html! { (one.verification) }),
        ("Made", time(&one.created_at)),
        ("Ends", maybe_time(one.expires_at.as_deref())),
        (
            "Public key",
            html! { code.hash { (one.public_key.as_deref().unwrap_or("–")) } },
        ),
        ("Id", html! { code.copy data-copy { (one.id) } }),
    ])
}

fn missing(visitor: &Visitor, one: &Subscription, missed: &List<Missed>) -> Markup {
    let rows = html! {
        @for event in &missed.data {
            tr {
                td { (time(&event.received_at)) }
                th scope="row" { a href=(Place::of(&["ui", "deliveries", &event.delivery]).as_str()) { (event.event_type) } }
                td.wide { a.id href=(Place::of(&["ui", "events", &event.event]).as_str()) { (event.event) } }
            }
        }
    };
    html! {
        section.missed {
            div.heading {
                h2 { "Missed while it was not active" }
                div.actions {
                    @if visitor.may(Action::ManageSubscriptions) {
                        (visitor.button(&format!("/ui/subscriptions/{}/release", one.id), ("Deliver them now", ""), None))
                    }
                }
            }
            (table("Missed events", &["Received", "Type", "~Event"], &rows))
            @if missed.next.is_some() { p.help { "There are more than these." } }
        }
    }
}

fn deliveries(one: &Subscription, last: &List<Delivery>) -> Markup {
    let all = Place::of(&["ui", "deliveries"]).with("subscription", &one.id);
    let rows = html! {
        @for delivery in &last.data {
            tr {
                td { (state(&delivery.state)) }
                th scope="row" { a href=(Place::of(&["ui", "deliveries", &delivery.id]).as_str()) { (delivery.event_type) } }
                td { (maybe_time(delivery.finished_at.as_deref().or(delivery.due_at.as_deref()))) }
                td.wide { (delivery.reason.as_deref().unwrap_or("–")) }
            }
        }
    };
    html! {
        @if last.data.is_empty() { p.quiet { "None within the last 24 hours." } }
        @else { (table("Last deliveries", &["State", "Type", "Ended or due", "~Why"], &rows)) }
        p { a href=(all.as_str()) { "All deliveries" } " · "
            a href=(all.clone().with("state", "dead").as_str()) { "dead ones" } }
    }
}

fn explain_form(one: &Subscription, event: &str, token: &Markup) -> Markup {
    html! {
        section.card {
            h2 { "Why does it get an event, or not?" }
            form.stack method="post" action=(format!("/ui/subscriptions/{}/explain", one.id)) {
                (token)
                (area("event", "Event: an id, or JSON as it would be sent", event, (4, "")))
                div.actions { button.quiet { "Explain" } }
            }
        }
    }
}

fn replay_form(one: &Subscription, token: &Markup) -> Markup {
    let states = [
        ("", "all of them"),
        ("dead", "dead"),
        ("missing", "those that were never to be delivered"),
        ("dropped", "dropped"),
        ("delivered", "delivered"),
        ("expired", "expired"),
        ("cancelled", "cancelled"),
    ];
    html! {
        section.card {
            h2 { "Deliver once more" }
            form.stack method="post" action=(format!("/ui/subscriptions/{}/replay", one.id)) {
                (token)
                div.row {
                    (field("since", "Since", "24h", "a time, or a duration back from now"))
                    (field("until", "Until", "", "now where it is empty"))
                    div.field { label for="states" { "Deliveries" } (choice("states", &states, "")) }
                    (field("types", "Types", "", "all where it is empty"))
                }
                div.actions { button.quiet { "Count them…" } }
            }
        }
    }
}

pub async fn explain(
    State(_): State<Ui>,
    Path(id): Path<String>,
    Filled(visitor, fields): Filled,
) -> Result<Page, Refusal> {
    let one = read(&visitor, &id).await?;
    let asked = fields.text("event");
    let event = if asked.starts_with('{') {
        serde_json::from_str::<Box<RawValue>>(asked)
    } else {
        serde_json::value::to_raw_value(asked)
    };
    let event = event.map_err(|error| Refusal::of_form(format!("the event is no JSON: {error}")));
    let place = Place::of(&["v1", "subscriptions", "explain"]);
    let told: Result<Explained, Refusal> = match event {
        Ok(event) => {
            let id =
                serde_json::value::to_raw_value(&id).map_err(|error| Refusal::fault(&error))?;
            let question =
                std::collections::BTreeMap::from([("event", event), ("subscription_id", id)]);
            visitor.send((Method::POST, &place), &question).await
        }
        Err(refusal) => Err(refusal),
    };
    let news = match &told {
        Ok(told) => explained(told),
        Err(refusal) => refusal.notice(),
    };
    page(&visitor, &one, &news).await
}

fn explained(told: &Explained) -> Markup {
    html! {
        section.card #explained {
            h2 { @if told.matches { "It gets this event" } @else { "It does not get this event" } }
            ul.rules {
                @for rule in &told.rules {
                    li { (state(if rule.holds { "accepted" } else { "refused" })) " "
                        code { (rule.rule.trim_start_matches('#')) } " " (rule.detail) }
                }
            }
            @if told.matches && !told.plugins.is_empty() {
                p { "Then it goes through " (told.plugins.join(" → ")) ", which may drop it." }
            }
        }
    }
}

/// Pause, resume, test, release: one word, and what is said after it.
pub async fn act(
    State(ui): State<Ui>,
    Path((id, verb)): Path<(String, String)>,
    Filled(visitor, _): Filled,
) -> Result<Response, Refusal> {
    let here = Place::of(&["ui", "subscriptions", &id]);
    let at = |tail: &[&str]| {
        let base = ["v1", "subscriptions", &id];
        Place::of(&[&base[..], tail].concat())
    };
    match verb.as_str() {
        "pause" => visitor.post(&at(&["pause"]), &Value::Null).await?,
        "resume" => visitor.post(&at(&["resume"]), &Value::Null).await?,
        "test" => {
            let sent: Value = visitor
                .send((Method::POST, &at(&["test"])), &Value::Null)
                .await?;
            let event = sent["event"].as_str().unwrap_or_default();
            let event = Place::of(&["ui", "events", event]);
            return Ok(done(&ui, event.as_str(), "A test event is on its way."));
        }
        "release" => {
            let place = at(&["missed", "release"]);
            let job: Job = visitor.send((Method::POST, &place), &json!({})).await?;
            let job = Place::of(&["ui", "jobs", &job.id]);
            return Ok(done(&ui, job.as_str(), "What it missed is put in line."));
        }
        "delete" => {
            visitor
                .call(Method::DELETE, &at(&[]), ("", Bytes::new()))
                .await?;
            return Ok(done(
                &ui,
                "/ui/subscriptions",
                "The subscription was deleted.",
            ));
        }
        "rotate" => return rotate(&visitor, &id).await,
        _ => return Err(Refusal::no_page()),
    }
    let note = if verb == "pause" {
        "It is paused."
    } else {
        "It goes on."
    };
    Ok(done(&ui, here.as_str(), note))
}

async fn rotate(visitor: &Visitor, id: &str) -> Result<Response, Refusal> {
    let place = Place::of(&["v1", "subscriptions", id, "secret", "rotate"]);
    let one: Subscription = visitor.send((Method::POST, &place), &json!({})).await?;
    let news = secret(one.secret.as_deref());
    Ok(page(visitor, &one, &news).await?.into_response())
}

/// A secret, which is shown only on this page.
pub fn secret(secret: Option<&str>) -> Markup {
    html! {
        @if let Some(secret) = secret {
            div.notice.good role="status" {
                p { strong { "The signing secret, shown only now: " } code.secret data-copy { (secret) } }
            }
        }
    }
}

pub async fn created(visitor: &Visitor, one: &Subscription) -> Result<Page, Refusal> {
    let news = secret(one.secret.as_deref());
    page(visitor, one, &news).await
}
