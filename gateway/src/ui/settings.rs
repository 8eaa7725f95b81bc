//! The settings in force on this node, and where each was set. Secrets are named, never shown.

use axum::extract::State;
use maud::html;

use super::Ui;
use super::layout::{Page, Part};
use super::parts::{heading, table};
use super::refusal::Refusal;
use super::session::Visitor;

pub async fn show(visitor: Visitor, State(ui): State<Ui>) -> Result<Page, Refusal> {
    if !visitor.is_operator() {
        return Err(Refusal::no_page());
    }
    let rows = html! {
        @for setting in &ui.parts().in_force {
            tr {
                th scope="row" { code { (setting.name) } }
                td.break {
                    @match (&setting.value, setting.is_secret, &setting.source) {
                        (Some(value), ..) => code { (value) },
                        (None, true, Some(_)) => span.quiet { "set, and not shown" },
                        _ => span.quiet { "not set" },
                    }
                }
                td { (setting.source.as_deref().unwrap_or("–")) }
                td.wide { (setting.help) " (" code { (setting.variable) } ")" }
            }
        }
    };
    let content = html! {
        (heading("Settings in force", &html! {}))
        p.help { "Set by file, environment or flags, and read when the gateway starts. They are those of this node." }
        (table("Settings", &["Setting", "Value", "Set by", "~What for"], &rows))
    };
    Ok(visitor.page(Part::Settings, "Settings in force", &content))
}
