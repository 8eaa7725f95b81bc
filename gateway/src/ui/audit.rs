//! The audit log: who did what, and what was tried in vain.

use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;

use super::Ui;
use super::door::Place;
use super::layout::{Page, Part};
use super::parts::{choice, field, heading, nothing, pager, state, table, time};
use super::refusal::Refusal;
use super::seen::{AuditEntry, List};
use super::session::Visitor;

const RESULTS: [(&str, &str); 3] = [
    ("", "done or refused"),
    ("done", "done"),
    ("refused", "refused"),
];

/// What is looked for; empty means all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    tenant: String,
    key: String,
    operation: String,
    object: String,
    result: String,
    after: String,
}

impl Asked {
    fn at(&self, base: Place) -> Place {
        base.with("tenant", &self.tenant)
            .with("key", &self.key)
            .with("operation", &self.operation)
            .with("object", &self.object)
            .with("result", &self.result)
    }
}

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Query(asked): Query<Asked>,
) -> Result<Page, Refusal> {
    let place = asked
        .at(Place::of(&["v1", "audit"]))
        .with("after", &asked.after);
    let list: List<AuditEntry> = visitor.get(&place).await?;
    let here = asked.at(Place::of(&["ui", "audit"]));
    let content = html! {
        (heading("Audit log", &html! {}))
        search {
            form.filters method="get" action="/ui/audit" {
                (field("operation", "Operation", &asked.operation, ""))
                (field("object", "Thing", &asked.object, ""))
                (field("key", "Key", &asked.key, ""))
                (visitor.tenant_filter(&asked.tenant))
                div.field { label for="result" { "Result" } (choice("result", &RESULTS, &asked.result)) }
                div.field.end { button { "Filter" } }
            }
        }
        @if list.data.is_empty() {
            (nothing("Nothing was found.", &html! {
                p { "Operations are named as in " code { "key.create" } "; " code { "key" } " alone finds all that is done to keys." }
            }))
        } @else { (rows(&list)) }
        (pager(here, list.next.as_deref(), asked.after.is_empty()))
    };
    Ok(visitor.page(Part::Audit, "Audit log", &content))
}

fn rows(list: &List<AuditEntry>) -> Markup {
    let rows = html! {
        @for entry in &list.data {
            tr {
                td { (time(&entry.at)) }
                th scope="row" { code { (entry.operation) } }
                td { (state(&entry.result)) }
                td { (thing(entry)) }
                td.wide { (entry.detail) }
                td { (who(entry)) }
                td.wide { (entry.address.as_deref().unwrap_or("–")) }
                td.wide { (entry.tenant.as_deref().unwrap_or("–")) }
            }
        }
    };
    let columns = [
        "When",
        "Operation",
        "Result",
        "Thing",
        "~Detail",
        "Who",
        "~From",
        "~Tenant",
    ];
    table("Audit log", &columns, &rows)
}

fn who(entry: &AuditEntry) -> Markup {
    let role = entry.role.as_deref().unwrap_or_default();
    match (entry.actor.as_str(), &entry.key) {
        ("key", Some(key)) => {
            let place = Place::of(&["ui", "audit"]).with("key", key);
            html! { a.id href=(place.as_str()) title=(key) { (key) } " " span.quiet { (role) } }
        }
        ("first_key", _) => html! { "the first key " span.quiet { (role) } },
        ("gateway", _) => html! { "the gateway" },
        _ => html! { span.quiet { "no known key" } },
    }
}

/// What has a page of its own leads there.
fn thing(entry: &AuditEntry) -> Markup {
    let id = &entry.object;
    let page = match id.split_once('_').map(|(kind, _)| kind) {
        Some("sub") => Some("subscriptions"),
        Some("src") => Some("sources"),
        Some("job") => Some("jobs"),
        Some("dlv") => Some("deliveries"),
        Some("evt") => Some("events"),
        _ => None,
    };
    match page {
        Some(page) => {
            let place = Place::of(&["ui", page, id]);
            html! { a.id href=(place.as_str()) title=(id) { (id) } }
        }
        None if id.is_empty() => html! { span.quiet { "–" } },
        None => html! { span.id title=(id) { (id) } },
    }
}
