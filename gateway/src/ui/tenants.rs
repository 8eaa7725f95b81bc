//! Tenants: whose events and subscriptions there are, what they may send, and their way in.

use axum::extract::{Query, State};
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
use super::seen::{List, PortalLink, Tenant};
use super::session::Visitor;

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Query(asked): Query<After>,
) -> Result<Page, Refusal> {
    page(&visitor, &asked.after, &html! {}).await
}

async fn page(visitor: &Visitor, after: &str, news: &Markup) -> Result<Page, Refusal> {
    let place = Place::of(&["v1", "tenants"]).with("after", after);
    let list: List<Tenant> = visitor.get(&place).await?;
    let limit =
        |limit: Option<u64>| limit.map_or_else(|| "–".to_owned(), |limit| limit.to_string());
    let rows = html! {
        @for tenant in &list.data {
            tr {
                th scope="row" { a href=(Place::of(&["ui"]).with("tenant", &tenant.name).as_str()) { (tenant.name) } }
                td.number { (limit(tenant.quota.events_per_second)) }
                td.number { (limit(tenant.quota.bytes_per_second)) }
                td.wide { (time(&tenant.created_at)) }
                td { a href=(Place::of(&["ui", "subscriptions"]).with("tenant", &tenant.name).as_str()) { "Subscriptions" } " · "
                    a href=(Place::of(&["ui", "deliveries"]).with("tenant", &tenant.name).as_str()) { "Deliveries" } }
            }
        }
    };
    let columns = [
        "Name",
        "#Events a second",
        "#Bytes a second",
        "~Since",
        "Look",
    ];
    let content = html! {
        (heading("Tenants", &html! {}))
        (news)
        @if list.data.is_empty() { (nothing("There is no tenant.", &html! {})) }
        @else { (table("Tenants", &columns, &rows)) }
        (pager(Place::of(&["ui", "tenants"]), list.next.as_deref(), after.is_empty()))
        @if visitor.is_operator() { div.columns { (quota_form(visitor)) (portal_form(visitor)) } }
    };
    Ok(visitor.page(Part::Tenants, "Tenants", &content))
}

fn quota_form(visitor: &Visitor) -> Markup {
    html! {
        section.card {
            h2 { "Limit what a tenant sends" }
            form.stack method="post" action="/ui/tenants" {
                (visitor.token_field())
                (field("name", "Tenant", "", "Made where there is none."))
                (field("events_per_second", "Events a second", "", "No limit where it is empty."))
                (field("bytes_per_second", "Bytes a second", "", "No limit where it is empty."))
                div.actions { button { "Set" } }
            }
        }
    }
}

fn portal_form(visitor: &Visitor) -> Markup {
    let roles = [
        ("subscriber", "subscriber: may change things"),
        ("viewer", "viewer: reads"),
    ];
    html! {
        section.card {
            h2 { "Link to a tenant's portal" }
            form.stack method="post" action="/ui/portal" {
                (visitor.token_field())
                (field("portal_tenant", "Tenant", "", "Whoever follows the link sees this tenant alone."))
                div.field { label for="role" { "Role" } (choice("role", &roles, "subscriber")) }
                (field("link_lasts", "The link works for", "10m", "1m to 1h, and once"))
                (field("session_lasts", "The session lasts", "8h", "1m to 7d"))
                div.actions { button { "Make link" } }
            }
        }
    }
}

pub async fn set_quota(
    State(ui): State<Ui>,
    Filled(visitor, fields): Filled,
) -> Result<Response, Refusal> {
    let wish = json!({"quota": {
        "events_per_second": fields.number("events_per_second")?,
        "bytes_per_second": fields.number("bytes_per_second")?,
    }});
    let place = Place::of(&["v1", "tenants", fields.text("name")]);
    let _: Tenant = visitor.send((Method::PUT, &place), &wish).await?;
    Ok(done(
        &ui,
        "/ui/tenants",
        "The limits are set on every node.",
    ))
}

pub async fn make_link(
    State(_): State<Ui>,
    Filled(visitor, fields): Filled,
) -> Result<Page, Refusal> {
    let wish = json!({
        "role": fields.or_null("role"), "link_lasts": fields.or_null("link_lasts"),
        "session_lasts": fields.or_null("session_lasts"),
    });
    let place = Place::of(&["v1", "tenants", fields.text("portal_tenant"), "portal"]);
    let link: PortalLink = visitor.send((Method::POST, &place), &wish).await?;
    let news = html! {
        div.notice.good role="status" {
            p { strong { "The link, shown only now: " } code.secret data-copy { (link.url) } }
            p { "It opens once, until " (time(&link.expires_at)) "." }
        }
    };
    page(&visitor, "", &news).await
}
