//! The overview: what goes on, over the last hour, moving while somebody looks.

use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;

use super::chart::Chart;
use super::door::Place;
use super::layout::{Page, Part};
use super::parts::{heading, table};
use super::refusal::Refusal;
use super::seen::{Seen, Timeline};
use super::session::Visitor;
use super::{Ui, text};
use crate::domain::clock::Timestamp;

/// Slots of a chart: a minute each, so the last hour.
const SLOTS: usize = 60;
const SLOT_MS: i64 = 60_000;

#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    pub tenant: String,
}

pub async fn show(
    visitor: Visitor,
    State(_): State<Ui>,
    Query(asked): Query<Asked>,
) -> Result<Page, Refusal> {
    let now = region(&visitor, &asked.tenant).await?;
    let live = Place::of(&["ui", "live"]).with("tenant", &asked.tenant);
    let content = html! {
        (heading("Overview", &html! {
            @if visitor.sees_all_tenants() {
                form.filter method="get" action="/ui" {
                    label for="tenant" { "Tenant" }
                    input #tenant name="tenant" value=(asked.tenant) autocomplete="off" placeholder="all";
                    button.quiet { "Show" }
                }
            }
        }))
        div data-live=(live.as_str()) { (now) }
    };
    Ok(visitor.page(Part::Overview, "Overview", &content))
}

/// The part that moves; also sent anew to those who look.
pub async fn region(visitor: &Visitor, tenant: &str) -> Result<Markup, Refusal> {
    let place = Place::of(&["v1", "stats", "timeline"]).with("tenant", tenant);
    let seen: Timeline = visitor.get(&place).await?;
    let slots = Slots::of(&seen);
    Ok(html! {
        (tiles(&seen, &slots))
        section.charts {
            figure.card {
                figcaption { h2 { "Events a minute" } }
                (slots.events())
            }
            figure.card {
                figcaption { h2 { "Attempts a minute" }
                    p.legend { span.key.good { "accepted" }
                        span.key.bad { "failed" } span.key.ended { "ended otherwise" } } }
                (slots.attempts())
            }
            figure.card {
                figcaption { h2 { "Time of an attempt" }
                    p.legend { span.key.median { "half of them" } span.key.slow { "99 of 100" } } }
                (slots.latency())
            }
        }
        div.columns {
            section.card { h2 { "By tenant" } (by_tenant(&seen)) }
            @if !seen.nodes.is_empty() { section.card { h2 { "By node" } (by_node(&seen)) } }
        }
    })
}

fn tiles(seen: &Timeline, slots: &Slots) -> Markup {
    let attempts = seen.total.accepted + seen.total.failed;
    let share = |part: u64| 100.0 * part as f64 / attempts.max(1) as f64;
    let (last, _, _) = slots.last_full();
    html! {
        dl.tiles {
            div.card { dt { "Events, last hour" } dd { (text::count(seen.total.events)) }
                dd.note { (rate(last.events)) } }
            div.card { dt { "Accepted" } dd { (text::count(seen.total.accepted)) }
                dd.note { (rate(last.accepted)) } }
            div.card { dt { "Failed attempts" } dd.alarm[seen.total.failed > 0] { (text::count(seen.total.failed)) }
                dd.note { (format!("{:.1} % of attempts", share(seen.total.failed))) } }
            div.card { dt { "Half took at most" } dd { (span(seen.p50_ms)) }
                dd.note { "99 of 100: " (span(seen.p99_ms)) } }
            div.card { dt { "Due longest" } dd.alarm[seen.oldest_due_seconds.is_some_and(|age| age > 60)] {
                    (seen.oldest_due_seconds.map_or_else(|| "nothing".to_owned(), text::seconds)) }
                dd.note { "of what waits to be sent" } }
        }
    }
}

fn rate(a_minute: u64) -> String {
    format!("{:.1} a second now", a_minute as f64 / 60.0)
}

fn span(ms: Option<u64>) -> String {
    ms.map_or_else(|| "–".to_owned(), text::millis)
}

fn by_tenant(seen: &Timeline) -> Markup {
    if seen.tenants.is_empty() {
        return html! { p.quiet { "Nothing has come in within the last hour." } };
    }
    let rows = html! {
        @for part in &seen.tenants {
            tr {
                th scope="row" {
                    @match &part.tenant {
                        Some(name) => a href=(Place::of(&["ui", "events"]).with("tenant", name).as_str()) { (name) },
                        None => "all others",
                    }
                }
                (counts(&part.seen))
                td.number.wide { (part.oldest_due_seconds.map_or_else(|| "–".to_owned(), text::seconds)) }
            }
        }
    };
    let columns = ["Tenant", "#Events", "#Accepted", "#Failed", "~#Due longest"];
    table("By tenant", &columns, &rows)
}

fn by_node(seen: &Timeline) -> Markup {
    let rows = html! {
        @for part in &seen.nodes {
            tr { th scope="row" { "node " (part.node) } (counts(&part.seen)) }
        }
    };
    table(
        "By node",
        &["Node", "#Events", "#Accepted", "#Failed"],
        &rows,
    )
}

fn counts(seen: &Seen) -> Markup {
    html! {
        td.number { (text::count(seen.events)) }
        td.number { (text::count(seen.accepted)) }
        td.number { (text::count(seen.failed)) }
    }
}

/// The last hour by the minute.
struct Slots {
    seen: Vec<(Seen, Option<u64>, Option<u64>)>,
    times: [String; 3],
}

impl Slots {
    fn of(timeline: &Timeline) -> Self {
        let instant = |text: &str| Timestamp::parse_rfc3339(text).map_or(0, |at| at.as_ms());
        let now = instant(&timeline.now);
        let mut seen: Vec<_> = (0..SLOTS).map(|_| (Seen::default(), None, None)).collect();
        for step in &timeline.steps {
            let age = (now - instant(&step.at)).max(0) / SLOT_MS;
            let Some(slot) = usize::try_from(age)
                .ok()
                .and_then(|age| (SLOTS - 1).checked_sub(age))
            else {
                continue;
            };
            let (sum, p50, p99) = &mut seen[slot];
            sum.events += step.seen.events;
            sum.accepted += step.seen.accepted;
            sum.failed += step.seen.failed;
            sum.ended += step.seen.ended;
            *p50 = (*p50).max(step.p50_ms);
            *p99 = (*p99).max(step.p99_ms);
        }
        let clock = |back: i64| {
            let at = Timestamp::from_ms((now - back * SLOT_MS).max(0)).to_rfc3339();
            at.get(11..16).unwrap_or_default().to_owned()
        };
        Self {
            seen,
            times: [clock(60), clock(30), clock(0)],
        }
    }

    /// The minute that ends now.
    fn last_full(&self) -> &(Seen, Option<u64>, Option<u64>) {
        &self.seen[SLOTS - 1]
    }

    fn values(&self, of: impl Fn(&Seen) -> u64) -> Vec<Option<f64>> {
        self.seen
            .iter()
            .map(|(seen, ..)| Some(of(seen) as f64))
            .collect()
    }

    fn chart(
        &self,
        label: String,
        unit: &'static str,
        series: Vec<(&'static str, Vec<Option<f64>>)>,
    ) -> Chart<'static> {
        Chart {
            label,
            series,
            unit,
            times: self.times.clone(),
        }
    }

    fn events(&self) -> Markup {
        let values = self.values(|seen| seen.events);
        let most = values.iter().flatten().copied().fold(0.0, f64::max);
        let label = format!("Events a minute over the last hour, at most {most}");
        self.chart(label, "", vec![("events", values)]).stacked()
    }

    fn attempts(&self) -> Markup {
        let series = vec![
            ("good", self.values(|seen| seen.accepted)),
            ("bad", self.values(|seen| seen.failed)),
            ("ended", self.values(|seen| seen.ended)),
        ];
        let failed: f64 = series[1].1.iter().flatten().sum();
        let label = format!("Attempts a minute over the last hour, {failed} of them failed");
        self.chart(label, "", series).stacked()
    }

    fn latency(&self) -> Markup {
        let of = |pick: fn(&(Seen, Option<u64>, Option<u64>)) -> Option<u64>| {
            let values = self.seen.iter().map(pick);
            values.map(|ms| ms.map(|ms| ms as f64)).collect::<Vec<_>>()
        };
        let series = vec![("median", of(|slot| slot.1)), ("slow", of(|slot| slot.2))];
        let worst = series[1].1.iter().flatten().copied().fold(0.0, f64::max);
        let label = format!("Time of attempts over the last hour, 99 of 100 within {worst} ms");
        self.chart(label, " ms", series).lined()
    }
}
