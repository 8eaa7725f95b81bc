//! The workbench: a version, a config and an event, and what comes of them; nothing is stored and
//! nothing is sent.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use http::Method;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Ui;
use super::delivery::logs;
use super::door::Place;
use super::form::Filled;
use super::layout::{Page, Part};
use super::parts::{area, data, heading, state};
use super::plugins::place_of;
use super::refusal::Refusal;
use super::seen::{DryRun, Event, List, Plugin};
use super::session::Visitor;
use super::{diff, text};

const EXAMPLE: &str = r#"{"type": "invoice.paid", "data": {"id": 17, "amount": 129.9}}"#;
/// Events to choose from.
const CHOICE: &str = "30";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    tenant: String,
    event: String,
    version: String,
}

/// What the form holds.
struct Bench {
    version: String,
    config: String,
    event: String,
}

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Page, Refusal> {
    let mut fault = None;
    let event = if asked.event.is_empty() {
        text::laid_out(EXAMPLE)
    } else {
        match stored(&visitor, &asked.event).await {
            Ok(event) => event,
            Err(refusal) => {
                fault = Some(refusal);
                text::laid_out(EXAMPLE)
            }
        }
    };
    let bench = Bench {
        version: asked.version.clone(),
        config: "{}".to_owned(),
        event,
    };
    let news = fault.map_or_else(|| html! {}, |fault| fault.notice());
    page(&visitor, (&name, &asked.tenant), &bench, &news).await
}

/// A stored event as it would be sent again; its data stays as it came.
async fn stored(visitor: &Visitor, id: &str) -> Result<String, Refusal> {
    #[derive(Serialize)]
    struct Again<'a> {
        r#type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        tenant: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
        data: &'a RawValue,
    }
    let event: Event = visitor.get(&Place::of(&["v1", "events", id])).await?;
    let place = Place::of(&["v1", "events", id, "data"]);
    let reply = visitor
        .call(Method::GET, &place, ("", Bytes::new()))
        .await?;
    let data = serde_json::from_slice::<&RawValue>(&reply.body).map_err(|_| {
        let detail = format!(
            "the data of {id} is {}, and only JSON can be tried here",
            event.content_type
        );
        Refusal::of_form(detail)
    })?;
    let again = Again {
        r#type: &event.event_type,
        tenant: event.tenant.as_deref(),
        source: event.source.as_deref(),
        subject: event.subject.as_deref(),
        time: event.time.as_deref(),
        key: event.key.as_deref(),
        data,
    };
    let written = serde_json::to_string(&again).map_err(|error| Refusal::fault(&error))?;
    Ok(text::laid_out(&written))
}

async fn page(
    visitor: &Visitor,
    (name, tenant): (&str, &str),
    bench: &Bench,
    news: &Markup,
) -> Result<Page, Refusal> {
    let place = Place::of(&["v1", "plugins", name]).with("tenant", tenant);
    let plugin: Plugin = visitor.get(&place).await?;
    let place = Place::of(&["v1", "events"])
        .with("limit", CHOICE)
        .with("tenant", tenant);
    let events: List<Event> = visitor.get(&place).await?;
    let here = place_of(name, Some(tenant), &["try"]);
    let back = place_of(name, Some(tenant), &[]);
    let content = html! {
        (heading(html! { "Try " a href=(back.as_str()) { (plugin.name) } }, &html! {}))
        p.help { "Runs a version over an event, in a fresh instance. Nothing is stored, nothing is sent." }
        (news)
        form.filter method="get" action=(format!("/ui/plugins/{}/try", plugin.name)) {
            @if !tenant.is_empty() { input type="hidden" name="tenant" value=(tenant); }
            label for="stored" { "Stored event" }
            select #stored name="event" {
                option value="" { "an example" }
                @for event in &events.data {
                    option value=(event.id) { (event.event_type) " · " (text::instant(&event.received_at)) }
                }
            }
            button.quiet { "Take it" }
        }
        form.bench method="post" action=(here.as_str()) {
            (visitor.token_field())
            (area("event", "Event", &bench.event, (14, "As it would be sent to /v1/events.")))
            div {
                (area("config", "Config", &bench.config, (7, "JSON, as in a subscription.")))
                div.field { label for="version" { "Version" } select #version name="version" {
                    option value="" { "the active one" }
                    @for version in &plugin.versions {
                        @let number = version.version.to_string();
                        option value=(number) selected[number == bench.version] { "version " (number) }
                    }
                } }
                div.actions { button { "Run" } }
            }
        }
    };
    Ok(visitor.page(Part::Plugins, &format!("Try {}", plugin.name), &content))
}

pub async fn run(
    State(_): State<Ui>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    Filled(visitor, fields): Filled,
) -> Result<Page, Refusal> {
    let bench = Bench {
        version: fields.text("version").to_owned(),
        config: fields.raw("config").to_owned(),
        event: fields.raw("event").to_owned(),
    };
    let ran = asked_for(&visitor, &name, &bench, fields.number("version")?).await;
    let place = Place::of(&["v1", "plugins", &name]).with("tenant", &asked.tenant);
    let plugin: Plugin = visitor.get(&place).await?;
    let news = match &ran {
        Ok(ran) => result(&plugin, &bench, ran),
        Err(refusal) => refusal.notice(),
    };
    page(&visitor, (&name, &asked.tenant), &bench, &news).await
}

async fn asked_for(
    visitor: &Visitor,
    name: &str,
    bench: &Bench,
    version: Option<u64>,
) -> Result<DryRun, Refusal> {
    #[derive(Serialize)]
    struct Question<'a> {
        event: &'a RawValue,
        config: &'a RawValue,
        version: Option<u64>,
    }
    let json = |what: &str, text: &'_ str| -> Result<Box<RawValue>, Refusal> {
        let text = if text.trim().is_empty() {
            "{}"
        } else {
            text.trim()
        };
        serde_json::from_str(text)
            .map_err(|error| Refusal::of_form(format!("the {what} must be JSON: {error}")))
    };
    let (event, config) = (json("event", &bench.event)?, json("config", &bench.config)?);
    let question = Question {
        event: &event,
        config: &config,
        version,
    };
    let place = Place::of(&["v1", "plugins", name, "run"]);
    visitor.send((Method::POST, &place), &question).await
}

fn result(plugin: &Plugin, bench: &Bench, ran: &DryRun) -> Markup {
    let limits = &plugin.limits;
    let after = ran
        .message
        .as_ref()
        .map(|message| match (&message.body, &message.body_base64) {
            (Some(body), _) => text::laid_out(body),
            (None, base64) => base64.clone().unwrap_or_default(),
        });
    html! {
        section.card.result #result aria-label="Result" {
            h2 { "Result " (state(&ran.verdict)) }
            @if let Some(reason) = &ran.reason { p.reason { (reason) } }
            div.meters {
                (meter("Time", ran.duration_us, limits.time_per_event_ms * 1_000, text::micros))
                (meter("Memory", ran.memory_bytes, limits.memory_bytes, text::size))
                div.meter-of { p { "Fuel " strong { (text::count(ran.fuel)) } } p.help { "Instructions: the same everywhere." } }
            }
            @if let Some(after) = &after {
                h3 { "What it changes" }
                (diff::lines(&data_of(&bench.event), after))
                @if let Some(message) = &ran.message {
                    @if message.content_type.is_some() || !message.headers.is_empty() {
                        p.quiet {
                            @if let Some(content_type) = &message.content_type { "content-type: " (content_type) " " }
                            @for (name, value) in &message.headers { code { (name) ": " (value) } " " }
                        }
                    }
                }
                details { summary { "What goes out" } (data("Data after the plugin", after)) }
            }
            @if !ran.logs.is_empty() { h3 { "Log" } (logs(&ran.logs)) }
            @if ran.logs_cut > 0 { p.help { (ran.logs_cut) " lines were dropped or shortened." } }
        }
    }
}

/// How much of a limit was used, in words and as a bar.
fn meter(label: &str, used: u64, limit: u64, figure: fn(u64) -> String) -> Markup {
    let words = format!("{label}: {} of {}", figure(used), figure(limit));
    html! {
        div.meter-of {
            p { (label) " " strong { (figure(used)) } " of " (figure(limit)) }
            meter min="0" max=(limit) value=(used) aria-label=(words) { (words) }
        }
    }
}

/// The data of an event that was written as JSON.
fn data_of(event: &str) -> String {
    #[derive(Deserialize)]
    struct Only<'a> {
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let only: Option<Only<'_>> = serde_json::from_str(event).ok();
    let data = only.and_then(|only| only.data);
    data.map_or_else(String::new, |data| text::laid_out(data.get()))
}
