//! The plugins there are: which serves, how it does, and a new version of one.

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::Method;
use maud::{Markup, html};
use serde::Deserialize;

use super::Ui;
use super::door::Place;
use super::form::Uploaded;
use super::layout::{Page, Part, done};
use super::parts::{field, heading, nothing, table};
use super::refusal::Refusal;
use super::seen::{List, Plugin};
use super::session::Visitor;
use super::text;
use crate::domain::key::Action;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    pub tenant: String,
    /// An event that is to be tried in one of them.
    event: String,
}

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Query(asked): Query<Asked>,
) -> Result<Page, Refusal> {
    page(&visitor, &asked, None).await
}

async fn page(visitor: &Visitor, asked: &Asked, fault: Option<&Refusal>) -> Result<Page, Refusal> {
    let place = Place::of(&["v1", "plugins"]).with("tenant", &asked.tenant);
    let list: List<Plugin> = visitor.get(&place).await?;
    let content = html! {
        (heading("Plugins", &html! {
            @if visitor.sees_all_tenants() {
                form.filter method="get" action="/ui/plugins" {
                    label for="tenant" { "Tenant" }
                    input #tenant name="tenant" value=(asked.tenant) autocomplete="off" placeholder="shared ones";
                    button.quiet { "Show" }
                }
            }
        }))
        @if !asked.event.is_empty() {
            div.notice { p { "Choose the plugin that is to be shown the event " code { (asked.event) } "." } }
        }
        (rows(&list, asked))
        @if visitor.may(Action::ManagePlugins) { (upload_form(visitor, &asked.tenant, "", fault)) }
    };
    Ok(visitor.page(Part::Plugins, "Plugins", &content))
}

/// Where a plugin's page is; a tenant's own one names its tenant.
pub fn place_of(name: &str, tenant: Option<&str>, tail: &[&str]) -> Place {
    let path = [&["ui", "plugins", name], tail].concat();
    Place::of(&path).with("tenant", tenant.unwrap_or_default())
}

fn rows(list: &List<Plugin>, asked: &Asked) -> Markup {
    if list.data.is_empty() {
        return nothing(
            "There is no plugin.",
            &html! { p { "Make one: " code { "hookgate plugin new my-plugin --lang rust" } } },
        );
    }
    let rows = html! {
        @for plugin in &list.data {
            @let tail: &[&str] = if asked.event.is_empty() { &[] } else { &["try"] };
            @let place = place_of(&plugin.name, plugin.tenant.as_deref(), tail).with("event", &asked.event);
            tr {
                th scope="row" { a href=(place.as_str()) { (plugin.name) } }
                td { @if let Some(version) = plugin.active_version { "version " (version) } @else { "none" }
                    @if let Some(canary) = plugin.canary_version { " " span.state.waiting { "canary " (canary) } } }
                td.wide { (plugin.tenant.as_deref().unwrap_or("shared")) ", by " (plugin.owner) }
                td.number { (text::count(plugin.calls)) }
                td.number { @if plugin.failed_calls > 0 { strong.alarm { (text::count(plugin.failed_calls)) } } @else { "0" } }
                td.number.wide { (text::micros(plugin.p50_us)) }
                td.number.wide { (text::micros(plugin.p99_us)) }
            }
        }
    };
    let columns = [
        "Name",
        "Serves",
        "~Whose",
        "#Calls",
        "#Failed",
        "~#Median",
        "~#99 of 100",
    ];
    html! {
        (table("Plugins", &columns, &rows))
        p.help { "Calls and times are those of this node since it started." }
    }
}

/// The form for a new version; `name` is empty where it is to be given.
pub fn upload_form(visitor: &Visitor, tenant: &str, name: &str, fault: Option<&Refusal>) -> Markup {
    html! {
        section.card #upload {
            h2 { "Upload a version" }
            @if let Some(fault) = fault { (fault.notice()) }
            form.stack method="post" action="/ui/plugins" enctype="multipart/form-data" {
                (visitor.token_field())
                @if name.is_empty() {
                    (field("name", "Name", "", "a to z, 0 to 9 and -"))
                    @if visitor.sees_all_tenants() {
                        (field("tenant", "Tenant", tenant, "Shared by all where it is empty."))
                    }
                } @else {
                    input type="hidden" name="name" value=(name);
                    input type="hidden" name="tenant" value=(tenant);
                }
                div.field { label for="component" { "Component" }
                    input #component name="component" type="file" accept=".wasm,application/wasm" required; }
                div.check { input #activate name="activate" type="checkbox" value="yes";
                    label for="activate" { "Let it serve at once" } }
                div.actions { button { "Upload" } }
            }
        }
    }
}

pub async fn upload(State(ui): State<Ui>, uploaded: Uploaded) -> Result<Response, Refusal> {
    let Uploaded {
        visitor,
        fields,
        file,
    } = uploaded;
    let (name, tenant) = (fields.text("name"), fields.text("tenant"));
    let asked = Asked {
        tenant: tenant.to_owned(),
        event: String::new(),
    };
    let activate = if fields.is_on("activate") {
        "true"
    } else {
        "false"
    };
    let place = Place::of(&["v1", "plugins", name])
        .with("tenant", tenant)
        .with("activate", activate);
    let taken = match file {
        None => Err(Refusal::of_form("choose a file with a component")),
        Some(_) if name.is_empty() => Err(Refusal::of_form("give it a name")),
        Some(file) => {
            visitor
                .call(Method::PUT, &place, ("application/wasm", file))
                .await
        }
    };
    match taken {
        Ok(_) => {
            let place = place_of(name, Some(tenant), &[]);
            Ok(done(
                &ui,
                place.as_str(),
                "The component passed all checks and is stored.",
            ))
        }
        Err(fault) if visitor.may(Action::ManagePlugins) => {
            let page = page(&visitor, &asked, Some(&fault)).await?;
            Ok(page.with_status(fault.status).into_response())
        }
        Err(fault) => Err(fault),
    }
}
