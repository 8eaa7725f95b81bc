//! API keys: who may call. A new one is shown once.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::Method;
use maud::{Markup, html};
use serde_json::json;

use super::Ui;
use super::door::Place;
use super::form::Filled;
use super::jobs::After;
use super::layout::{Page, Part, done};
use super::parts::{choice, field, heading, nothing, pager, table, time};
use super::refusal::Refusal;
use super::seen::{Key, List, NewKey};
use super::session::Visitor;

const ROLES: [(&str, &str); 4] = [
    ("publisher", "publisher: sends events"),
    (
        "subscriber",
        "subscriber: its tenant's subscriptions, plugins, deliveries",
    ),
    ("viewer", "viewer: reads"),
    ("admin", "admin: everything"),
];

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Query(asked): Query<After>,
) -> Result<Page, Refusal> {
    page(&visitor, &asked.after, &html! {}).await
}

async fn page(visitor: &Visitor, after: &str, news: &Markup) -> Result<Page, Refusal> {
    let list: List<Key> = visitor
        .get(&Place::of(&["v1", "keys"]).with("after", after))
        .await?;
    let rows = html! {
        @for key in &list.data {
            tr {
                th scope="row" { (key.id) }
                td { (key.role) }
                td { (key.tenant.as_deref().unwrap_or("all tenants")) }
                td { (key.description) }
                td.wide { (time(&key.created_at)) }
                td { (visitor.button(&format!("/ui/keys/{}/revoke", key.id), ("Revoke", "danger quiet small"),
                    Some("Revoke this key? Whoever uses it is refused within two seconds."))) }
            }
        }
    };
    let content = html! {
        (heading("Keys", &html! {}))
        (news)
        @if list.data.is_empty() {
            (nothing("There is no key beside the first one.", &html! {}))
        } @else { (table("Keys", &["Id", "Role", "Tenant", "What for", "~Made", "Revoke"], &rows)) }
        (pager(Place::of(&["ui", "keys"]), list.next.as_deref(), after.is_empty()))
        section.card {
            h2 { "New key" }
            form.stack method="post" action="/ui/keys" {
                (visitor.token_field())
                div.field { label for="role" { "Role" } (choice("role", &ROLES, "publisher")) }
                (field("tenant", "Tenant", "", "Bound to it; all tenants where it is empty."))
                (field("description", "What for", "", ""))
                div.actions { button { "Make key" } }
            }
        }
    };
    Ok(visitor.page(Part::Keys, "Keys", &content))
}

pub async fn create(State(_): State<Ui>, Filled(visitor, fields): Filled) -> Result<Page, Refusal> {
    let wish = json!({
        "role": fields.text("role"), "tenant": fields.or_null("tenant"),
        "description": fields.text("description"),
    });
    let made: NewKey = visitor
        .send((Method::POST, &Place::of(&["v1", "keys"])), &wish)
        .await?;
    let news = html! {
        div.notice.good role="status" {
            p { strong { "The key, shown only now: " } code.secret data-copy { (made.key) } }
        }
    };
    page(&visitor, "", &news).await
}

pub async fn revoke(
    State(ui): State<Ui>,
    Path(id): Path<String>,
    Filled(visitor, _): Filled,
) -> Result<Response, Refusal> {
    let place = Place::of(&["v1", "keys", &id]);
    visitor
        .call(Method::DELETE, &place, ("", Bytes::new()))
        .await?;
    Ok(done(&ui, "/ui/keys", "The key was revoked."))
}
