//! Subscriptions: who wants what, and whether they get it.

use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;

use super::Ui;
use super::door::Place;
use super::layout::{Page, Part};
use super::parts::{choice, field, heading, id_link, nothing, pager, state, table};
use super::refusal::Refusal;
use super::seen::{List, Subscription};
use super::session::Visitor;
use crate::domain::key::Action;

const STATES: [(&str, &str); 6] = [
    ("", "in any state"),
    ("active", "active"),
    ("pending", "pending"),
    ("paused", "paused"),
    ("disabled", "disabled"),
    ("expired", "expired"),
];

/// What is looked for; empty means all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    tenant: String,
    state: String,
    label: String,
    after: String,
}

impl Asked {
    fn at(&self, base: Place) -> Place {
        base.with("tenant", &self.tenant)
            .with("state", &self.state)
            .with("label", &self.label)
    }
}

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Query(asked): Query<Asked>,
) -> Result<Page, Refusal> {
    let place = asked
        .at(Place::of(&["v1", "subscriptions"]))
        .with("after", &asked.after);
    let list: List<Subscription> = visitor.get(&place).await?;
    let here = asked.at(Place::of(&["ui", "subscriptions"]));
    let content = html! {
        (heading("Subscriptions", &html! {
            @if visitor.may(Action::ManageSubscriptions) {
                a.button href="/ui/subscriptions/new" { "New subscription" }
            }
        }))
        search {
            form.filters method="get" action="/ui/subscriptions" {
                div.field { label for="state" { "State" } (choice("state", &STATES, &asked.state)) }
                (visitor.tenant_filter(&asked.tenant))
                (field("label", "Label", &asked.label, ""))
                div.field.end { button { "Filter" } }
            }
        }
        (rows(&visitor, &list))
        (pager(here, list.next.as_deref(), asked.after.is_empty()))
    };
    Ok(visitor.page(Part::Subscriptions, "Subscriptions", &content))
}

fn rows(visitor: &Visitor, list: &List<Subscription>) -> Markup {
    if list.data.is_empty() {
        return nothing(
            "No subscription was found.",
            &html! {
                @if visitor.may(Action::ManageSubscriptions) {
                    p { a href="/ui/subscriptions/new" { "Make one" } ": say which events, and where to." }
                }
            },
        );
    }
    let all = visitor.sees_all_tenants();
    let rows = html! {
        @for one in &list.data {
            @let place = Place::of(&["ui", "subscriptions", &one.id]);
            tr {
                td { (state(&one.state)) }
                th scope="row" { a href=(place.as_str()) { (name(one)) } }
                @if all { td { (one.tenant) } }
                td { @for pattern in one.event_types.iter().take(3) { code.tag { (pattern) } " " }
                    @if one.event_types.len() > 3 { "and " (one.event_types.len() - 3) " more" } }
                td.wide { (one.target_url.as_deref().unwrap_or("pull only")) }
                td.wide { (plugins(one)) }
                td.wide { (id_link(&place, &one.id)) }
            }
        }
    };
    let mut columns = vec!["State", "Name", "Types", "~Target", "~Plugins", "~Id"];
    if all {
        columns.insert(2, "Tenant");
    }
    table("Subscriptions", &columns, &rows)
}

/// Its description, or else where it leads.
pub fn name(one: &Subscription) -> &str {
    if one.description.is_empty() {
        one.target_url.as_deref().unwrap_or(&one.id)
    } else {
        &one.description
    }
}

/// The names of its plugins in their order.
pub fn plugins(one: &Subscription) -> String {
    let used = one.plugins.as_array().into_iter().flatten();
    let names: Vec<&str> = used.filter_map(|used| used["name"].as_str()).collect();
    if names.is_empty() {
        "–".to_owned()
    } else {
        names.join(" → ")
    }
}
