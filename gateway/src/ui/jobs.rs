//! Long work: how far it is, what came of it, and an end to it.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::Method;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::Ui;
use super::door::Place;
use super::form::Filled;
use super::layout::{Page, Part, done};
use super::parts::{data, facts, heading, maybe_time, nothing, pager, state, table, time};
use super::refusal::Refusal;
use super::seen::{Job, List};
use super::session::Visitor;
use super::text;
use crate::domain::key::Action;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct After {
    pub after: String,
}

pub async fn list(
    visitor: Visitor,
    State(_): State<Ui>,
    Query(asked): Query<After>,
) -> Result<Page, Refusal> {
    let place = Place::of(&["v1", "jobs"]).with("after", &asked.after);
    let list: List<Job> = visitor.get(&place).await?;
    let rows = html! {
        @for job in &list.data {
            tr {
                td { (state(&job.state)) }
                th scope="row" { a href=(Place::of(&["ui", "jobs", &job.id]).as_str()) { (job.kind) } }
                @if visitor.sees_all_tenants() { td { (job.tenant.as_deref().unwrap_or("–")) } }
                td.number { (progress(job)) }
                td { (time(&job.created_at)) }
                td.wide { (maybe_time(job.finished_at.as_deref())) }
            }
        }
    };
    let mut columns = vec!["State", "Kind", "#Done", "Made", "~Ended"];
    if visitor.sees_all_tenants() {
        columns.insert(2, "Tenant");
    }
    let content = html! {
        (heading("Jobs", &html! {}))
        @if list.data.is_empty() {
            (nothing("There is no job.", &html! { p { "Replays, retries of many, backtests and erasures become jobs." } }))
        } @else { (table("Jobs", &columns, &rows)) }
        (pager(Place::of(&["ui", "jobs"]), list.next.as_deref(), asked.after.is_empty()))
    };
    Ok(visitor.page(Part::Jobs, "Jobs", &content))
}

fn progress(job: &Job) -> String {
    match job.progress.total {
        Some(total) => format!(
            "{} of {}",
            text::count(job.progress.done),
            text::count(total)
        ),
        None => text::count(job.progress.done),
    }
}

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Path(id): Path<String>,
) -> Result<Page, Refusal> {
    let job: Job = visitor.get(&Place::of(&["v1", "jobs", &id])).await?;
    let is_open = matches!(job.state.as_str(), "queued" | "running");
    let title = format!("Job: {}", job.kind);
    let content = html! {
        (heading(html! { (title) " " (state(&job.state)) }, &html! {
            @if is_open && visitor.may(Action::ManageSubscriptions) {
                (visitor.button(&format!("/ui/jobs/{}/cancel", job.id), ("Cancel", "danger quiet"), Some("End this job?")))
            }
        }))
        div data-refresh=[is_open.then_some("1000")] {
            @if let Some(reason) = &job.reason { div.notice.bad { p { (reason) } } }
            @if is_open {
                progress max=[job.progress.total] value=[job.progress.total.map(|_| job.progress.done)]
                    aria-label="Progress" {}
            }
            (facts(&[
                ("Done", html! { (progress(&job)) }),
                ("Tenant", html! { (job.tenant.as_deref().unwrap_or("–")) }),
                ("Made", time(&job.created_at)),
                ("Begun", maybe_time(job.started_at.as_deref())),
                ("Ended", maybe_time(job.finished_at.as_deref())),
                ("Node", html! { @if let Some(node) = job.node { (node) } @else { "–" } }),
                ("Id", html! { code.copy data-copy { (job.id) } }),
            ]))
            @if job.kind == "backtest" && !job.result.is_null() { (report(&job.result)) }
            @else if !job.result.is_null() { h2 { "Result" } (data("Result", &text::laid_out(&job.result.to_string()))) }
        }
        details { summary { "What it was asked to do" } (data("Request", &text::laid_out(&job.about.to_string()))) }
    };
    Ok(visitor.page(Part::Jobs, &title, &content))
}

/// What a backtest found.
fn report(result: &Value) -> Markup {
    let number = |name: &str| result[name].as_u64().unwrap_or(0);
    html! {
        h2 { "What would change" }
        dl.tiles {
            div.card { dt { "Compared" } dd { (text::count(number("compared"))) } }
            div.card { dt { "Equal" } dd { (text::count(number("equal"))) } }
            div.card { dt { "Changed" } dd.alarm[number("changed") > 0] { (text::count(number("changed"))) }
                dd.note { (result["changed_percent"].to_string()) " %" } }
            div.card { dt { "Written otherwise" } dd { (text::count(number("respelled"))) } dd.note { "the same JSON" } }
        }
        @if let Some(transitions) = result["transitions"].as_object() {
            ul.counts { @for (way, count) in transitions { li { code { (way) } " " (text::count(count.as_u64().unwrap_or(0))) } } }
        }
        h3 { "Both versions" }
        div.columns {
            @for side in ["before", "after"] {
                section.card { h4 { (if side == "before" { "As it is" } else { "The candidate" }) }
                    (data(side, &text::laid_out(&result[side].to_string()))) }
            }
        }
        @if let Some(samples) = result["samples"].as_array().filter(|samples| !samples.is_empty()) {
            h3 { "Samples" }
            ol.attempts { @for sample in samples { (shown(sample)) } }
        }
    }
}

fn shown(sample: &Value) -> Markup {
    let text_of = |name: &str| sample[name].as_str().unwrap_or_default();
    let event = Place::of(&["ui", "events", text_of("event")]);
    let rows = html! {
        @for change in sample["changes"].as_array().into_iter().flatten() {
            tr {
                th scope="row" { code { (change["path"].as_str().unwrap_or_default()) } }
                td { del.value { (value(&change["before"])) } }
                td { ins.value { (value(&change["after"])) } }
            }
        }
    };
    html! {
        li.card {
            p { a href=(event.as_str()) { (text_of("event")) } " " (state(text_of("before"))) " → " (state(text_of("after"))) }
            @for name in ["before_reason", "after_reason"] {
                @if !text_of(name).is_empty() { p.reason { (text_of(name)) } }
            }
            (table("Places that differ", &["Place", "As it is", "The candidate"], &rows))
            @if sample["has_more_changes"].as_bool() == Some(true) { p.help { "There are more places." } }
        }
    }
}

fn value(value: &Value) -> String {
    if value.is_null() {
        "–".to_owned()
    } else {
        value.to_string()
    }
}

pub async fn cancel(
    State(ui): State<Ui>,
    Path(id): Path<String>,
    Filled(visitor, _): Filled,
) -> Result<Response, Refusal> {
    let place = Place::of(&["v1", "jobs", &id]);
    visitor
        .call(Method::DELETE, &place, ("", Bytes::new()))
        .await?;
    let here = Place::of(&["ui", "jobs", &id]);
    Ok(done(&ui, here.as_str(), "The job was ended."))
}
