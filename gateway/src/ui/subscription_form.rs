//! Making a subscription and changing one, checked while it is written.
//!
//! The API checks; this only turns fields into its form. Numbers in filters keep their digits.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::Method;
use maud::{Markup, html};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Ui;
use super::door::Place;
use super::form::{Fields, Filled};
use super::layout::{Page, Part, done};
use super::parts::{area, choice, field, heading};
use super::refusal::Refusal;
use super::seen::{List, Plugin, Subscription};
use super::session::Visitor;
use super::subscription::created;
use super::text;
use crate::domain::key::Action;

const CONSENTS: [(&str, &str); 4] = [
    ("none", "none"),
    ("echo", "echo: it answers with the secret it was sent"),
    ("delayed", "delayed: it brings the secret later"),
    ("cloudevents", "CloudEvents: it answers OPTIONS"),
];

/// A subscription as the API takes it.
#[derive(Debug, Serialize)]
struct Wish<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    description: &'a str,
    labels: Vec<&'a str>,
    event_types: Vec<&'a str>,
    target_url: Option<&'a str>,
    filters: Box<RawValue>,
    plugins: Box<RawValue>,
    delivery: Box<RawValue>,
    verification: &'a str,
    expires_at: Option<&'a str>,
}

impl<'a> Wish<'a> {
    fn read(fields: &'a Fields) -> Result<Self, Refusal> {
        let some = |name: &str| Some(fields.text(name)).filter(|text| !text.is_empty());
        Ok(Self {
            tenant: some("tenant"),
            description: fields.text("description"),
            labels: fields.list("labels"),
            event_types: fields.list("event_types"),
            target_url: some("target_url"),
            filters: json(fields, "filters", "[]")?,
            plugins: json(fields, "plugins", "[]")?,
            delivery: json(fields, "delivery", "{}")?,
            verification: some("verification").unwrap_or("none"),
            expires_at: some("expires_at"),
        })
    }
}

fn json(fields: &Fields, name: &str, empty: &str) -> Result<Box<RawValue>, Refusal> {
    let text = match fields.text(name) {
        "" => empty,
        text => text,
    };
    serde_json::from_str(text)
        .map_err(|error| Refusal::of_form(format!("{name} must be JSON: {error}")))
}

/// What the fields hold when the page is opened.
struct Held {
    tenant: Option<String>,
    values: Vec<(&'static str, String)>,
}

impl Held {
    fn new() -> Self {
        Self {
            tenant: Some(String::new()),
            values: vec![
                ("event_types", "*".to_owned()),
                ("verification", "none".to_owned()),
            ],
        }
    }

    fn of(one: &Subscription) -> Self {
        let filters = one.filters.as_deref().map_or("[]", RawValue::get);
        let laid = |value: &serde_json::Value| text::laid_out(&value.to_string());
        Self {
            tenant: None,
            values: vec![
                ("description", one.description.clone()),
                ("labels", one.labels.join(", ")),
                ("event_types", one.event_types.join("\n")),
                ("target_url", one.target_url.clone().unwrap_or_default()),
                ("filters", text::laid_out(filters)),
                ("plugins", laid(&one.plugins)),
                ("delivery", laid(&one.delivery)),
                ("verification", one.verification.clone()),
                ("expires_at", one.expires_at.clone().unwrap_or_default()),
            ],
        }
    }

    fn sent(fields: &Fields, has_tenant: bool) -> Self {
        let names = [
            "description",
            "labels",
            "event_types",
            "target_url",
            "filters",
            "plugins",
            "delivery",
            "verification",
            "expires_at",
        ];
        Self {
            tenant: has_tenant.then(|| fields.text("tenant").to_owned()),
            values: names
                .map(|name| (name, fields.raw(name).to_owned()))
                .to_vec(),
        }
    }

    fn text(&self, name: &str) -> &str {
        let found = self.values.iter().find(|(found, _)| *found == name);
        found.map_or("", |(_, value)| value)
    }
}

pub async fn new(visitor: Visitor, State(_): State<Ui>) -> Result<Page, Refusal> {
    form(&visitor, "/ui/subscriptions", &Held::new(), None).await
}

pub async fn edit(
    visitor: Visitor,
    State(_): State<Ui>,
    Path(id): Path<String>,
) -> Result<Page, Refusal> {
    let one: Subscription = visitor
        .get(&Place::of(&["v1", "subscriptions", &id]))
        .await?;
    let place = Place::of(&["ui", "subscriptions", &id, "edit"]);
    form(&visitor, place.as_str(), &Held::of(&one), None).await
}

async fn form(
    visitor: &Visitor,
    action: &str,
    held: &Held,
    fault: Option<&Refusal>,
) -> Result<Page, Refusal> {
    let plugins: List<Plugin> = visitor.get(&Place::of(&["v1", "plugins"])).await?;
    let is_new = held.tenant.is_some();
    let title = if is_new {
        "New subscription"
    } else {
        "Edit subscription"
    };
    let back = action.trim_end_matches("/edit");
    let content = html! {
        (heading(title, &html! {}))
        @if let Some(fault) = fault { (fault.notice()) }
        form.stack method="post" action=(action) data-check="/ui/subscriptions/check" {
            (visitor.token_field())
            @if let (Some(tenant), true) = (&held.tenant, visitor.sees_all_tenants()) {
                (field("tenant", "Tenant", tenant, "Whose it is; default where it is empty."))
            }
            (field("description", "Name", held.text("description"), "For people; receivers do not see it."))
            (field("target_url", "Target", held.text("target_url"), "Where deliveries are posted to. Empty: pull only."))
            (area("event_types", "Event types", held.text("event_types"),
                (3, "One a line, such as invoice.paid or invoice.*. A star alone means all.")))
            (area("filters", "Filters", held.text("filters"),
                (4, r#"JSON, all must hold, such as [{"data": {"pointer": "/amount", "gte": 100}}]"#)))
            (area("plugins", "Plugins", held.text("plugins"),
                (4, r#"JSON, run in order, such as [{"name": "skinny", "config": {"keep": ["/id"]}}]"#)))
            p.help { "There are: " @for plugin in &plugins.data { code.tag { (plugin.name) } " " } }
            details open[held.text("delivery").len() > 2] {
                summary { "More" }
                (area("delivery", "How it is delivered", held.text("delivery"),
                    (8, r#"JSON, such as {"format": "raw", "timeout": "10s", "headers": {"x-team": "ops"}}"#)))
                (field("labels", "Labels", held.text("labels"), "With commas."))
                div.field { label for="verification" { "Consent of the receiver" }
                    (choice("verification", &CONSENTS, held.text("verification"))) }
                (field("expires_at", "Ends", held.text("expires_at"), "A time such as 2027-01-01T00:00:00Z; never where it is empty."))
            }
            div data-check-result aria-live="polite" {}
            div.actions {
                button { @if is_new { "Subscribe" } @else { "Save" } }
                a.button.quiet href=(back) { "Back" }
            }
        }
    };
    Ok(visitor.page(Part::Subscriptions, title, &content))
}

/// Says whether the form would be taken; asked by the script while somebody writes.
pub async fn check(
    State(_): State<Ui>,
    Filled(visitor, fields): Filled,
) -> Result<Markup, Refusal> {
    let place = Place::of(&["v1", "subscriptions", "check"]);
    let checked = match Wish::read(&fields) {
        Ok(wish) => visitor.post(&place, &wish).await,
        Err(refusal) => Err(refusal),
    };
    Ok(match checked {
        Ok(()) => html! { div.notice.good { p { "This can be taken as it is." } } },
        Err(refusal) => refusal.notice(),
    })
}

pub async fn create(
    State(_): State<Ui>,
    Filled(visitor, fields): Filled,
) -> Result<Response, Refusal> {
    let place = Place::of(&["v1", "subscriptions"]);
    let made: Result<Subscription, Refusal> = match Wish::read(&fields) {
        Ok(wish) => visitor.send((Method::POST, &place), &wish).await,
        Err(refusal) => Err(refusal),
    };
    match made {
        Ok(one) => Ok(created(&visitor, &one).await?.into_response()),
        Err(fault) if visitor.may(Action::ManageSubscriptions) => {
            let held = Held::sent(&fields, true);
            again(&visitor, "/ui/subscriptions", &held, &fault).await
        }
        Err(fault) => Err(fault),
    }
}

pub async fn change(
    State(ui): State<Ui>,
    Path(id): Path<String>,
    Filled(visitor, fields): Filled,
) -> Result<Response, Refusal> {
    let place = Place::of(&["v1", "subscriptions", &id]);
    let made: Result<Subscription, Refusal> = match Wish::read(&fields) {
        Ok(mut wish) => {
            wish.tenant = None;
            visitor.send((Method::PATCH, &place), &wish).await
        }
        Err(refusal) => Err(refusal),
    };
    let here = Place::of(&["ui", "subscriptions", &id]);
    match made {
        Ok(_) => Ok(done(&ui, here.as_str(), "The subscription was changed.")),
        Err(fault) if visitor.may(Action::ManageSubscriptions) => {
            let action = Place::of(&["ui", "subscriptions", &id, "edit"]);
            let held = Held::sent(&fields, false);
            again(&visitor, action.as_str(), &held, &fault).await
        }
        Err(fault) => Err(fault),
    }
}

async fn again(
    visitor: &Visitor,
    action: &str,
    held: &Held,
    fault: &Refusal,
) -> Result<Response, Refusal> {
    let page = form(visitor, action, held, Some(fault)).await?;
    Ok(page.with_status(fault.status).into_response())
}
