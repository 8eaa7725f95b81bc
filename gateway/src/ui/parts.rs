//! What pages are put together from: headings, marks of a state, lists and their next page, buttons
//! that change something, data.

use maud::{Markup, Render, html};

use super::door::Place;
use super::form::TOKEN;
use super::session::Visitor;
use super::text;

/// An instant: exact for those who look closely, told as a distance by the script.
pub fn time(rfc3339: &str) -> Markup {
    html! { time datetime=(rfc3339) title=(rfc3339) { (text::instant(rfc3339)) } }
}

pub fn maybe_time(rfc3339: Option<&str>) -> Markup {
    rfc3339.map_or_else(|| html! { span.quiet { "–" } }, time)
}

/// The state of a delivery, an attempt, a subscription or a job, told by colour and word.
pub fn state(word: &str) -> Markup {
    let class = match word {
        "delivered" | "accepted" | "active" | "done" | "pass" | "deliver" | "replace"
        | "accepts" => "good",
        "dead" | "refused" | "timed_out" | "unreachable" | "blocked" | "plugin_failed"
        | "disabled" | "failed" | "rejected" => "bad",
        "pending" | "queued" | "running" | "paused" | "canary" => "waiting",
        _ => "neutral",
    };
    html! { span class=(format!("state {class}")) { (word.replace('_', " ")) } }
}

/// The heading of a page, with what can be done there beside it.
pub fn heading(title: impl Render, actions: &Markup) -> Markup {
    html! { div.heading { h1 { (title) } div.actions { (actions) } } }
}

/// The end of a list: on to the next page, or a word about its end.
pub fn pager(place: Place, next: Option<&str>, is_first: bool) -> Markup {
    html! {
        nav.pager aria-label="Pages" {
            @if !is_first { a.button.quiet href=(place.as_str()) { "Newest" } }
            @if let Some(next) = next {
                a.button.quiet rel="next" href=(place.clone().with("after", next).as_str()) { "Older" }
            }
        }
    }
}

/// What a list says that is empty.
pub fn nothing(what: &str, help: &Markup) -> Markup {
    html! { div.nothing { p { strong { (what) } } (help) } }
}

/// A table that can be moved sideways where the page is narrow. A column's `~` in front leaves it
/// out at a phone's width, a `#` (after it) says that it holds numbers.
pub fn table(label: &str, columns: &[&str], rows: &Markup) -> Markup {
    html! {
        div.scroll role="region" aria-label=(label) tabindex="0" {
            table {
                thead { tr { @for column in columns { (column_head(column)) } } }
                tbody { (rows) }
            }
        }
    }
}

fn column_head(column: &str) -> Markup {
    let (name, is_wide) = match column.strip_prefix('~') {
        Some(name) => (name, true),
        None => (column, false),
    };
    let (name, is_number) = match name.strip_prefix('#') {
        Some(name) => (name, true),
        None => (name, false),
    };
    html! { th.wide[is_wide].number[is_number] scope="col" { (name) } }
}

/// Names with their values.
pub fn facts(rows: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}

/// Data of somebody else, as text and as nothing but text.
pub fn data(label: &str, shown: &str) -> Markup {
    html! { pre.data tabindex="0" role="group" aria-label=(label) { code { (shown) } } }
}

/// A link with an id, short enough for a table and whole for those who copy it.
pub fn id_link(place: &Place, id: &str) -> Markup {
    html! { a.id href=(place.as_str()) title=(id) { (id) } }
}

/// A choice of one, with the one that is chosen.
pub fn choice(name: &str, options: &[(&str, &str)], chosen: &str) -> Markup {
    html! {
        select name=(name) id=(name) {
            @for (value, label) in options {
                option value=(value) selected[*value == chosen] { (label) }
            }
        }
    }
}

/// A field of one line with its label.
pub fn field(name: &str, label: &str, value: &str, help: &str) -> Markup {
    let described = format!("{name}-help");
    html! {
        div.field {
            label for=(name) { (label) }
            input id=(name) name=(name) value=(value) autocomplete="off" spellcheck="false"
                aria-describedby=[(!help.is_empty()).then_some(&described)];
            @if !help.is_empty() { p.help id=(described) { (help) } }
        }
    }
}

/// A field of many lines with its label.
pub fn area(name: &str, label: &str, value: &str, (rows, help): (u8, &str)) -> Markup {
    let described = format!("{name}-help");
    html! {
        div.field {
            label for=(name) { (label) }
            textarea id=(name) name=(name) rows=(rows) spellcheck="false" autocomplete="off"
                aria-describedby=[(!help.is_empty()).then_some(&described)] { "\n" (value) }
            @if !help.is_empty() { p.help id=(described) { (help) } }
        }
    }
}

impl Visitor {
    /// A button that changes something; `asks` is what the script asks before.
    pub fn button(&self, place: &str, (label, class): (&str, &str), asks: Option<&str>) -> Markup {
        html! {
            form.inline method="post" action=(place) data-asks=[asks] {
                input type="hidden" name=(TOKEN) value=(self.token);
                button class=(class) { (label) }
            }
        }
    }

    /// The filter that picks a tenant, for those who see more than one.
    pub fn tenant_filter(&self, tenant: &str) -> Markup {
        html! {
            @if self.sees_all_tenants() { (field("tenant", "Tenant", tenant, "")) }
        }
    }
}
