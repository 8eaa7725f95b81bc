//! One plugin: its versions, what it did, where it failed, and which version is to serve.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::Method;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::Ui;
use super::delivery::level;
use super::door::Place;
use super::form::Filled;
use super::layout::{Page, Part, done};
use super::parts::{facts, field, heading, table, time};
use super::plugins::{Asked, place_of, upload_form};
use super::refusal::Refusal;
use super::seen::{Job, Logged, Plugin, Version};
use super::session::Visitor;
use super::text;
use crate::domain::key::Action;

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Page, Refusal> {
    let at = |tail: &[&str]| {
        let path = [&["v1", "plugins", &name], tail].concat();
        Place::of(&path).with("tenant", &asked.tenant)
    };
    let plugin: Plugin = visitor.get(&at(&[])).await?;
    let logged: Logged = match visitor.get(&at(&["logs"])).await {
        Ok(logged) => logged,
        // A file that was refused has no plugin yet that could log.
        Err(refusal) if refusal.status == http::StatusCode::NOT_FOUND => {
            Logged { data: Vec::new() }
        }
        Err(refusal) => return Err(refusal),
    };
    let can_change = visitor.may(Action::ManagePlugins);
    let tenant = plugin.tenant.as_deref().unwrap_or_default();
    let content = html! {
        (heading(html! { (plugin.name) }, &actions(&visitor, &plugin)))
        (refused_file(&plugin))
        (about(&plugin))
        h2 { "Versions" }
        (versions(&visitor, &plugin))
        h2 { "Last failures" }
        (failures(&plugin))
        h2 { "Log" }
        (log(&logged))
        @if can_change {
            (backtest_form(&visitor, &plugin))
            (upload_form(&visitor, tenant, &plugin.name, None))
        }
    };
    Ok(visitor.page(Part::Plugins, &plugin.name, &content))
}

/// Whether this visitor may switch its versions: a shared one belongs to nobody's portal.
fn may_switch(visitor: &Visitor, plugin: &Plugin) -> bool {
    visitor.may(Action::ManagePlugins) && (plugin.tenant.is_some() || visitor.sees_all_tenants())
}

fn actions(visitor: &Visitor, plugin: &Plugin) -> Markup {
    let try_it = place_of(&plugin.name, plugin.tenant.as_deref(), &["try"]);
    let switch = place_of(&plugin.name, plugin.tenant.as_deref(), &["activate"]);
    html! {
        @if visitor.may(Action::ManagePlugins) && !plugin.versions.is_empty() {
            a.button href=(try_it.as_str()) { "Workbench" }
        }
        @if may_switch(visitor, plugin) && (plugin.canary_version.is_some() || plugin.previous_version.is_some()) {
            form.inline method="post" action=(switch.as_str()) data-asks="Go back to the version that served before?" {
                (visitor.token_field())
                input type="hidden" name="rollback" value="yes";
                button.quiet { @if plugin.canary_version.is_some() { "End the canary" } @else { "Roll back" } }
            }
        }
    }
}

fn refused_file(plugin: &Plugin) -> Markup {
    html! {
        @if let Some(file) = &plugin.refused_file {
            div.notice.bad role="alert" {
                p { strong { "The file in the plugin folder was refused" } " " (time(&file.at)) }
                p { code { (file.kind) } " " (file.reason) }
            }
        }
    }
}

fn about(plugin: &Plugin) -> Markup {
    let limits = &plugin.limits;
    facts(&[
        (
            "Whose",
            html! { (plugin.tenant.as_deref().unwrap_or("shared by all")) ", owned by " (plugin.owner) },
        ),
        ("Calls", html! { (text::count(plugin.calls)) }),
        ("Failed", html! { (text::count(plugin.failed_calls)) }),
        (
            "Time",
            html! { (text::micros(plugin.p50_us)) ", 99 of 100 within " (text::micros(plugin.p99_us)) },
        ),
        (
            "Time limit",
            html! { (text::millis(limits.time_per_event_ms)) " an event" },
        ),
        ("Memory limit", html! { (text::size(limits.memory_bytes)) }),
        ("Output limit", html! { (text::size(limits.output_bytes)) }),
        (
            "Log limit",
            html! { (limits.log_lines) " lines, " (text::size(limits.log_bytes)) " a call" },
        ),
        (
            "Component limit",
            html! { (text::size(limits.component_bytes)) },
        ),
    ])
}

fn versions(visitor: &Visitor, plugin: &Plugin) -> Markup {
    let can_switch = may_switch(visitor, plugin);
    let rows = html! {
        @for version in &plugin.versions {
            tr {
                th scope="row" { "version " (version.version) }
                td { (share(version)) }
                td.wide { (version.exports.join(", ")) }
                td.number.wide { (text::size(version.size_bytes)) }
                td.wide { (time(&version.created_at)) }
                td.wide { code title=(version.digest) { (version.digest.get(..12).unwrap_or(&version.digest)) } }
                td.number { (text::count(version.usage.calls.values().sum())) }
                td.number.wide { (text::micros(version.usage.p50_us)) }
                td.number.wide { (text::micros(version.usage.p99_us)) }
                td.number.wide { (text::size(version.usage.memory_peak_bytes)) }
                @if can_switch { td { (switches(visitor, plugin, version)) } }
            }
        }
    };
    let mut columns = vec![
        "Version",
        "Share",
        "~Does",
        "~#Size",
        "~Stored",
        "~Digest",
        "#Calls",
        "~#Median",
        "~#99 of 100",
        "~#Memory",
    ];
    if can_switch {
        columns.push("Switch");
    }
    table("Versions", &columns, &rows)
}

fn share(version: &Version) -> Markup {
    html! {
        @if version.share > 0.0 {
            span.state.good { (format!("{:.4}", version.share * 100.0).trim_end_matches('0').trim_end_matches('.')) " %" }
        } @else { span.quiet { "–" } }
        @for pause in &version.paused {
            " " span.state.bad title=(format!("until {}", pause.until)) {
                "paused" @if let Some(tenant) = &pause.tenant { " for " (tenant) } ": " (pause.reason)
            }
        }
    }
}

fn switches(visitor: &Visitor, plugin: &Plugin, version: &Version) -> Markup {
    let place = place_of(&plugin.name, plugin.tenant.as_deref(), &["activate"]);
    let number = version.version.to_string();
    let share_name = format!("Share of version {number} in percent");
    html! {
        @if plugin.active_version != Some(version.version) || plugin.canary_version.is_some() {
            form.inline method="post" action=(place.as_str()) data-asks=(format!("Let version {number} serve all events?")) {
                (visitor.token_field())
                input type="hidden" name="version" value=(number);
                button.quiet.small { "Activate" }
            }
        }
        @if plugin.active_version.is_some() && plugin.active_version != Some(version.version) {
            form.inline method="post" action=(place.as_str()) {
                (visitor.token_field())
                input type="hidden" name="version" value=(number);
                input.tiny name="percent" value="5" inputmode="decimal" aria-label=(share_name);
                button.quiet.small { "% canary" }
            }
        }
    }
}

fn failures(plugin: &Plugin) -> Markup {
    if plugin.last_failures.is_empty() {
        return html! { p.quiet { "None on this node since it started." } };
    }
    let rows = html! {
        @for failure in &plugin.last_failures {
            tr {
                td { (time(&failure.at)) }
                td { @if let Some(version) = failure.version { (version) } @else { "–" } }
                td { code { (failure.kind) } }
                td { span.reason { (failure.reason) } }
                td { a href=(Place::of(&["ui", "events", &failure.event]).as_str()) { "Event" } " · "
                    a href=(Place::of(&["ui", "deliveries", &failure.delivery]).as_str()) { "Delivery" } }
            }
        }
    };
    table(
        "Last failures",
        &["When", "Version", "Kind", "Why", "Look"],
        &rows,
    )
}

fn log(logged: &Logged) -> Markup {
    if logged.data.is_empty() {
        return html! { p.quiet { "Nothing was logged on this node lately." } };
    }
    html! {
        ol.logs tabindex="0" aria-label="Log lines" {
            @for line in logged.data.iter().rev() {
                li {
                    (time(&line.at)) " "
                    span class=(format!("level {}", level(&line.level))) { (line.level) } " "
                    a href=(Place::of(&["ui", "events", &line.event]).as_str()) { "v" (line.version) } " "
                    (line.text)
                }
            }
        }
    }
}

fn backtest_form(visitor: &Visitor, plugin: &Plugin) -> Markup {
    let place = place_of(&plugin.name, plugin.tenant.as_deref(), &["backtest"]);
    let newest = plugin.versions.first().map_or(1, |version| version.version);
    html! {
        section.card {
            h2 { "Backtest: what would change?" }
            p.help { "Runs two versions over past events of the subscriptions that use it. Nothing is sent." }
            form.stack method="post" action=(place.as_str()) {
                (visitor.token_field())
                div.row {
                    div.field { label for="version" { "Candidate" } select #version name="version" {
                        @for version in &plugin.versions { option value=(version.version) selected[version.version == newest] { "version " (version.version) } } } }
                    div.field { label for="against" { "Against" } select #against name="against" {
                        option value="" { "the active one" }
                        @for version in &plugin.versions { option value=(version.version) { "version " (version.version) } } } }
                    (field("last", "Newest events", "1000", "of each subscription"))
                    (field("subscription", "Subscription", "", "all that use it where it is empty"))
                }
                div.actions { button.quiet { "Start" } }
            }
        }
    }
}

pub async fn activate(
    State(ui): State<Ui>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    Filled(visitor, fields): Filled,
) -> Result<Response, Refusal> {
    let wish = if fields.is_on("rollback") {
        json!({"rollback": true})
    } else {
        let percent = fields.text("percent");
        let share = match percent {
            "" => None,
            text => Some(percentage(text)?),
        };
        json!({"version": fields.number("version")?, "share": share})
    };
    let place = Place::of(&["v1", "plugins", &name, "activate"]).with("tenant", &asked.tenant);
    let switched: Value = visitor.send((Method::POST, &place), &wish).await?;
    let share = switched["share"].as_f64().unwrap_or(1.0) * 100.0;
    let note = format!(
        "Version {} gets {share:.2} % of the events.",
        switched["version"]
    );
    let here = place_of(&name, Some(&asked.tenant), &[]);
    Ok(done(&ui, here.as_str(), &note))
}

fn percentage(text: &str) -> Result<f64, Refusal> {
    let percent: Result<f64, _> = text.parse();
    let share = percent.map(|percent| percent / 100.0);
    share.map_err(|_| Refusal::of_form("the share must be a number of percent, such as 5"))
}

pub async fn backtest(
    State(ui): State<Ui>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    Filled(visitor, fields): Filled,
) -> Result<Response, Refusal> {
    let wish = json!({
        "version": fields.number("version")?, "against": fields.number("against")?,
        "last": fields.number("last")?, "subscription": fields.or_null("subscription"),
    });
    let place = Place::of(&["v1", "plugins", &name, "backtest"]).with("tenant", &asked.tenant);
    let job: Job = visitor.send((Method::POST, &place), &wish).await?;
    let job = Place::of(&["ui", "jobs", &job.id]);
    Ok(done(&ui, job.as_str(), "The backtest has begun."))
}
