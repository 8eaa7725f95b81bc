//! Sources: the addresses where providers send their webhooks, how each is verified, and what came in.
//!
//! A secret that is made here is shown once; one that a provider hands out goes in and is never shown.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::Method;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::Ui;
use super::door::Place;
use super::form::{Fields, Filled};
use super::jobs::After;
use super::layout::{Page, Part, done};
use super::parts::{
    area, choice, data, facts, field, heading, id_link, maybe_time, nothing, pager, state, table,
    time,
};
use super::refusal::Refusal;
use super::seen::{List, NewSource, Source, SourceDetail};
use super::session::Visitor;
use super::text;
use crate::domain::key::Action;

const KINDS: [(&str, &str); 5] = [
    ("standard-webhooks", "Standard Webhooks"),
    ("github", "GitHub"),
    ("stripe", "Stripe"),
    ("slack", "Slack"),
    ("shopify", "Shopify"),
];

pub async fn list(
    visitor: Visitor,
    State(_): State<Ui>,
    Query(asked): Query<After>,
) -> Result<Page, Refusal> {
    let place = Place::of(&["v1", "sources"]).with("after", &asked.after);
    let list: List<Source> = visitor.get(&place).await?;
    let all = visitor.sees_all_tenants();
    let rows = html! {
        @for source in &list.data {
            @let place = Place::of(&["ui", "sources", &source.id]);
            tr {
                th scope="row" { a href=(place.as_str()) { (source.name) } }
                td { code.tag { (source.kind()) } }
                @if all { td { (source.tenant) } }
                td { @if source.has_secret { (state("active")) } @else { (state("pending")) } }
                td.wide { (source.description) }
                td.wide { (id_link(&place, &source.id)) }
            }
        }
    };
    let mut columns = vec!["Name", "Verified by", "State", "~What for", "~Id"];
    if all {
        columns.insert(2, "Tenant");
    }
    let content = html! {
        (heading("Sources", &html! {}))
        @if list.data.is_empty() {
            (nothing("There is no source.", &html! {
                p { "A source is an address where somebody else's webhooks come in: verified, kept, and passed on as events." }
            }))
        } @else { (table("Sources", &columns, &rows)) }
        (pager(Place::of(&["ui", "sources"]), list.next.as_deref(), asked.after.is_empty()))
        @if visitor.may(Action::ManageSubscriptions) { (new_form(&visitor)) }
    };
    Ok(visitor.page(Part::Sources, "Sources", &content))
}

fn new_form(visitor: &Visitor) -> Markup {
    html! {
        section.card {
            h2 { "New source" }
            form.stack method="post" action="/ui/sources" {
                (visitor.token_field())
                (field("name", "Name", "", "Becomes the source of its events, as in shop."))
                div.field { label for="kind" { "Who sends" } (choice("kind", &KINDS, "standard-webhooks")) }
                (field("secret", "Secret", "", "The provider's own. Left empty, one is made and shown once, where the provider takes ours."))
                (area("verify", "Or its rules as JSON", "", (3, "For kinds that are not in the list: {\"kind\": \"hmac\", …} or {\"kind\": \"plugin\", …}. Takes the place of the two above.")))
                @if visitor.sees_all_tenants() { (field("tenant", "Tenant", "", "default where it is empty")) }
                (field("description", "What for", "", ""))
                div.actions { button { "Make source" } }
            }
        }
    }
}

pub async fn create(State(_): State<Ui>, Filled(visitor, fields): Filled) -> Result<Page, Refusal> {
    let mut wish = json!({
        "name": fields.text("name"), "description": fields.text("description"),
        "verify": rules(&fields)?,
    });
    if !fields.text("tenant").is_empty() {
        wish["tenant"] = fields.or_null("tenant");
    }
    let place = Place::of(&["v1", "sources"]);
    let made: NewSource = visitor.send((Method::POST, &place), &wish).await?;
    page(&visitor, &made.id, &news(made.secret.as_deref())).await
}

fn rules(fields: &Fields) -> Result<Value, Refusal> {
    let written = fields.text("verify");
    if !written.is_empty() {
        let rules = serde_json::from_str(written);
        return rules.map_err(|error| Refusal::of_form(format!("the rules are no JSON: {error}")));
    }
    let mut rules = json!({"kind": fields.text("kind")});
    if !fields.text("secret").is_empty() {
        rules["secret"] = fields.or_null("secret");
    }
    Ok(rules)
}

/// The secret that was made just now.
fn news(secret: Option<&str>) -> Markup {
    html! {
        @if let Some(secret) = secret {
            div.notice.good role="status" {
                p { strong { "The secret, shown only now: " } code.secret data-copy { (secret) } }
            }
        }
    }
}

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Path(id): Path<String>,
) -> Result<Page, Refusal> {
    page(&visitor, &id, &html! {}).await
}

async fn page(visitor: &Visitor, id: &str, news: &Markup) -> Result<Page, Refusal> {
    let detail: SourceDetail = visitor.get(&Place::of(&["v1", "sources", id])).await?;
    let (source, seen) = (&detail.source, &detail.seen);
    let may = visitor.may(Action::ManageSubscriptions);
    let rules = serde_json::to_string_pretty(&source.verify).unwrap_or_default();
    let content = html! {
        (heading(&source.name, &html! {
            @if may {
                (visitor.button(&format!("/ui/sources/{id}/delete"), ("Delete", "danger quiet"),
                    Some("Delete this source? Its address stops working at once; its events stay.")))
            }
        }))
        (news)
        @if !source.has_secret {
            div.notice.bad role="status" {
                p { "It has no secret yet, so every request is refused. Give it the provider's." }
            }
        }
        (facts(&[
            ("Address", html! { code data-copy { (source.url) } }),
            ("Verified by", html! { code.tag { (source.kind()) } }),
            ("Tenant", html! { (source.tenant) }),
            ("What for", html! { (or_dash(&source.description)) }),
            ("The secret before is taken until", maybe_time(source.old_secret_until.as_deref())),
            ("Made", time(&source.created_at)),
        ]))
        h2 { "Seen by this node" }
        (facts(&[
            ("Became events", html! { (text::count(seen.accepted)) }),
            ("Known already", html! { (text::count(seen.duplicates)) }),
            ("Challenges answered", html! { (text::count(seen.challenges)) }),
            ("Refused", html! { (text::count(seen.refused)) }),
            ("Last event", maybe_time(seen.last_accepted_at.as_deref())),
        ]))
        @if !seen.last_failures.is_empty() { (failures(&detail)) }
        h2 { "Rules" }
        (data("Rules", &rules))
        @if may { (rotate_form(visitor, id)) }
    };
    Ok(visitor.page(Part::Sources, &source.name, &content))
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

fn failures(detail: &SourceDetail) -> Markup {
    let rows = html! {
        @for failure in &detail.seen.last_failures {
            tr {
                td { (time(&failure.at)) }
                td { code { (failure.kind) } }
                td { (failure.reason) }
            }
        }
    };
    html! {
        h3 { "Last refusals" }
        (table("Last refusals", &["When", "What", "Why"], &rows))
    }
}

fn rotate_form(visitor: &Visitor, id: &str) -> Markup {
    html! {
        section.card {
            h2 { "Another secret" }
            form.stack method="post" action=(format!("/ui/sources/{id}/rotate")) {
                (visitor.token_field())
                (field("secret", "Secret", "", "The provider's own. Left empty, one is made, where the provider takes ours."))
                (field("overlap", "The one before is taken for", "24h", "0s to 7d"))
                div.actions { button { "Change secret" } }
            }
        }
    }
}

pub async fn rotate(
    State(_): State<Ui>,
    Path(id): Path<String>,
    Filled(visitor, fields): Filled,
) -> Result<Page, Refusal> {
    let wish = json!({"secret": fields.or_null("secret"), "overlap": fields.or_null("overlap")});
    let place = Place::of(&["v1", "sources", &id, "secret", "rotate"]);
    let made: NewSource = visitor.send((Method::POST, &place), &wish).await?;
    let told = html! {
        @if made.secret.is_none() { div.notice.good role="status" { p { "The secret was changed." } } }
        (news(made.secret.as_deref()))
    };
    page(&visitor, &id, &told).await
}

pub async fn delete(
    State(ui): State<Ui>,
    Path(id): Path<String>,
    Filled(visitor, _): Filled,
) -> Result<Response, Refusal> {
    let place = Place::of(&["v1", "sources", &id]);
    visitor
        .call(Method::DELETE, &place, ("", Bytes::new()))
        .await?;
    Ok(done(&ui, "/ui/sources", "The source was deleted."))
}
