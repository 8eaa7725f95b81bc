//! Deliveries: what became of events, with filters; many of them once more, or no more.

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Ui;
use super::door::Place;
use super::events::moment;
use super::form::{Fields, Filled};
use super::layout::{Page, Part, done};
use super::parts::{choice, field, heading, id_link, maybe_time, nothing, pager, state, table};
use super::refusal::Refusal;
use super::seen::{Counted, Delivery, Job, List};
use super::session::Visitor;
use super::text;
use crate::domain::key::Action;

pub const STATES: [(&str, &str); 8] = [
    ("", "in any state"),
    ("pending", "pending"),
    ("delivered", "delivered"),
    ("dropped", "dropped"),
    ("merged", "merged"),
    ("dead", "dead"),
    ("cancelled", "cancelled"),
    ("expired", "expired"),
];
/// Deliveries that one click may change one by one.
const MAX_CHOSEN: usize = 500;

/// What is looked for; empty means all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    tenant: String,
    subscription: String,
    event: String,
    state: String,
    since: String,
    after: String,
}

impl Asked {
    fn of(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).to_owned();
        Self {
            tenant: text("tenant"),
            subscription: text("subscription"),
            event: text("event"),
            state: text("state"),
            since: text("since"),
            after: String::new(),
        }
    }

    fn at(&self, base: Place, since: &str) -> Place {
        base.with("tenant", &self.tenant)
            .with("subscription", &self.subscription)
            .with("event", &self.event)
            .with("state", &self.state)
            .with("since", since)
    }

    fn here(&self) -> Place {
        self.at(Place::of(&["ui", "deliveries"]), &self.since)
    }

    /// The same as hidden fields of a form.
    fn carried(&self) -> Markup {
        let pairs = [
            ("tenant", &self.tenant),
            ("subscription", &self.subscription),
            ("event", &self.event),
            ("state", &self.state),
            ("since", &self.since),
        ];
        html! {
            @for (name, value) in pairs { input type="hidden" name=(name) value=(value); }
        }
    }
}

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Query(asked): Query<Asked>,
) -> Result<Page, Refusal> {
    let place = asked
        .at(Place::of(&["v1", "deliveries"]), &moment(&asked.since))
        .with("after", &asked.after);
    let found: Result<List<Delivery>, Refusal> = visitor.get(&place).await;
    let (list, fault) = match found {
        Ok(list) => (Some(list), None),
        Err(refusal) if refusal.status.is_client_error() => (None, Some(refusal)),
        Err(refusal) => return Err(refusal),
    };
    let can_change = visitor.may(Action::ManageSubscriptions);
    let content = html! {
        (heading("Deliveries", &html! {
            @if can_change {
                form.inline method="post" action="/ui/deliveries/retry" {
                    (visitor.token_field()) (asked.carried())
                    button.quiet { "Retry all that match…" }
                }
            }
        }))
        (filters(&visitor, &asked))
        @if let Some(fault) = &fault { (fault.notice()) }
        @if let Some(list) = &list {
            (rows(&visitor, list, &asked))
            (pager(asked.here(), list.next.as_deref(), asked.after.is_empty()))
        }
    };
    Ok(visitor.page(Part::Deliveries, "Deliveries", &content))
}

fn filters(visitor: &Visitor, asked: &Asked) -> Markup {
    html! {
        search {
            nav.tabs aria-label="States" {
                @for (value, label) in STATES {
                    @let place = Asked { state: value.to_owned(), ..asked.copy() }.here();
                    a href=(place.as_str()) aria-current=[(asked.state == value).then_some("true")] {
                        @if value.is_empty() { "all" } @else { (label) }
                    }
                }
            }
            form.filters method="get" action="/ui/deliveries" {
                div.field { label for="state" { "State" } (choice("state", &STATES, &asked.state)) }
                (visitor.tenant_filter(&asked.tenant))
                (field("subscription", "Subscription", &asked.subscription, ""))
                (field("event", "Event", &asked.event, ""))
                div.field { label for="since" { "Since" }
                    input #since name="since" type="datetime-local" value=(asked.since); }
                div.field.end { button { "Filter" } }
            }
        }
    }
}

impl Asked {
    fn copy(&self) -> Self {
        Self {
            tenant: self.tenant.clone(),
            subscription: self.subscription.clone(),
            event: self.event.clone(),
            state: String::new(),
            since: self.since.clone(),
            after: String::new(),
        }
    }
}

fn rows(visitor: &Visitor, list: &List<Delivery>, asked: &Asked) -> Markup {
    if list.data.is_empty() {
        return nothing(
            "No delivery was found.",
            &html! { p { "Without a time, the last 24 hours are looked at." } },
        );
    }
    let can_change = visitor.may(Action::ManageSubscriptions);
    let rows = html! {
        @for delivery in &list.data {
            tr {
                @if can_change {
                    td { input type="checkbox" name="id" value=(delivery.id) form="chosen"
                        aria-label=(format!("Choose {}", delivery.id)); }
                }
                td { (state(&delivery.state)) }
                th scope="row" { a href=(Place::of(&["ui", "deliveries", &delivery.id]).as_str()) { (delivery.event_type) } }
                @if visitor.sees_all_tenants() { td { (delivery.tenant.as_deref().unwrap_or("–")) } }
                td { (id_link(&Place::of(&["ui", "subscriptions", &delivery.subscription]), &delivery.subscription)) }
                td.wide { (because(delivery)) }
                td.wide { (maybe_time(delivery.finished_at.as_deref().or(delivery.due_at.as_deref()))) }
            }
        }
    };
    let mut columns = vec!["State", "Type", "Subscription", "~Why", "~Ended or due"];
    if visitor.sees_all_tenants() {
        columns.insert(2, "Tenant");
    }
    if can_change {
        columns.insert(0, "Chosen");
    }
    html! {
        @if can_change {
            form #chosen.chosen method="post" action="/ui/deliveries/chosen" {
                (visitor.token_field()) (asked.carried())
                button.quiet.small type="button" data-choose-all { "Choose all on this page" }
                button.quiet.small name="do" value="retry" { "Retry chosen" }
                button.quiet.small.danger name="do" value="cancel" { "Cancel chosen" }
            }
        }
        (table("Deliveries", &columns, &rows))
    }
}

fn because(delivery: &Delivery) -> Markup {
    html! {
        @if let Some(reason) = &delivery.reason { span.reason { (reason) } }
        @else if let Some(waits_for) = &delivery.waits_for { "waits for " (waits_for) }
        @else { span.quiet { "–" } }
    }
}

/// Changes those that were chosen, one by one, and says how many could be.
pub async fn chosen(
    State(ui): State<Ui>,
    Filled(visitor, fields): Filled,
) -> Result<Response, Refusal> {
    let verb = match fields.text("do") {
        "cancel" => "cancel",
        _ => "retry",
    };
    let ids = fields.all("id");
    if ids.len() > MAX_CHOSEN {
        return Err(Refusal::of_form(format!("at most {MAX_CHOSEN} at once")));
    }
    let mut refused: Option<Refusal> = None;
    let mut changed = 0_usize;
    for id in &ids {
        let place = Place::of(&["v1", "deliveries", id, verb]);
        match visitor.post(&place, &Value::Null).await {
            Ok(()) => changed += 1,
            Err(refusal) if refusal.status == StatusCode::FORBIDDEN => return Err(refusal),
            Err(refusal) => refused = Some(refusal),
        }
    }
    let done_word = if verb == "cancel" {
        "cancelled"
    } else {
        "put in line again"
    };
    let mut note = format!("{changed} of {} {done_word}.", ids.len());
    if let Some(refusal) = refused {
        note.push_str(&format!(" One was not: {}", refusal.detail));
    }
    Ok(done(&ui, Asked::of(&fields).here().as_str(), &note))
}

/// Counts what would be tried again, asks, and then makes the job.
pub async fn retry_many(
    State(ui): State<Ui>,
    Filled(visitor, fields): Filled,
) -> Result<Response, Refusal> {
    let asked = Asked::of(&fields);
    let is_sure = fields.is_on("sure");
    let wish = json!({
        "tenant": fields.or_null("tenant"), "subscription": fields.or_null("subscription"),
        "event": fields.or_null("event"), "state": fields.or_null("state"),
        "since": if asked.since.is_empty() { json!("24h") } else { json!(moment(&asked.since)) },
        "rate": fields.number("rate")?, "dry_run": !is_sure,
    });
    let place = Place::of(&["v1", "deliveries", "retry"]);
    if is_sure {
        let job: Job = visitor.send((Method::POST, &place), &wish).await?;
        let job = Place::of(&["ui", "jobs", &job.id]);
        return Ok(done(
            &ui,
            job.as_str(),
            "The deliveries are put in line again.",
        ));
    }
    let counted: Counted = visitor.send((Method::POST, &place), &wish).await?;
    let content = html! {
        (heading("Retry deliveries", &html! {}))
        (counts(&counted, "would be tried again"))
        form.stack method="post" action="/ui/deliveries/retry" {
            (visitor.token_field()) (asked.carried())
            input type="hidden" name="sure" value="yes";
            (field("rate", "Deliveries a second", "1000", "1 to 10,000"))
            div.actions {
                button disabled[counted.total == 0] { "Retry " (text::count(counted.total)) }
                a.button.quiet href=(asked.here().as_str()) { "Back" }
            }
        }
    };
    Ok(visitor
        .page(Part::Deliveries, "Retry deliveries", &content)
        .into_response())
}

/// How many deliveries are meant, by their state.
pub fn counts(counted: &Counted, would: &str) -> Markup {
    html! {
        p.big {
            strong { @if !counted.complete { "at least " } (text::count(counted.total)) }
            " deliveries " (would)
        }
        @if !counted.counts.is_empty() {
            ul.counts { @for (word, count) in &counted.counts { li { (state(word)) " " (text::count(*count)) } } }
        }
    }
}
