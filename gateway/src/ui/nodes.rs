//! The nodes that share the work, their lanes, and what this one holds.

use axum::extract::State;
use maud::html;

use super::Ui;
use super::door::Place;
use super::layout::{Page, Part};
use super::parts::{facts, heading, table, time};
use super::refusal::Refusal;
use super::seen::{Node, Stats, Timeline};
use super::session::Visitor;
use super::text;

#[derive(Debug, serde::Deserialize)]
struct Nodes {
    data: Vec<Node>,
}

pub async fn show(visitor: Visitor, State(_): State<Ui>) -> Result<Page, Refusal> {
    let nodes: Nodes = visitor.get(&Place::of(&["v1", "nodes"])).await?;
    let stats: Stats = visitor.get(&Place::of(&["v1", "stats"])).await?;
    let seen: Timeline = visitor
        .get(&Place::of(&["v1", "stats", "timeline"]))
        .await?;
    let rows = html! {
        @for node in &nodes.data {
            @let lately = seen.nodes.iter().find(|seen| seen.node == node.id);
            tr {
                th scope="row" { "node " (node.id) }
                td { code { (node.addr) } }
                td { (time(&node.beat_at)) }
                td.number { (node.config_seen) }
                td.number { (lately.map_or_else(|| "0".to_owned(), |seen| text::count(seen.seen.events))) }
                td.number { (lately.map_or_else(|| "0".to_owned(), |seen| text::count(seen.seen.accepted + seen.seen.failed))) }
            }
        }
    };
    let columns = [
        "Node",
        "Address",
        "Last beat",
        "#Configuration",
        "#Events, last hour",
        "#Attempts, last hour",
    ];
    let content = html! {
        (heading("Nodes", &html! {}))
        div data-refresh="2000" {
            (table("Nodes", &columns, &rows))
            h2 { "This node" }
            (facts(&[
                ("Lanes held", html! { (stats.lanes_held) " of 256" }),
                ("Events accepted", html! { (text::count(stats.events_accepted)) }),
                ("Duplicates", html! { (text::count(stats.events_duplicate)) }),
                ("Requests under way", html! { (stats.attempts_in_flight) }),
                ("Ready in memory", html! { (stats.ready_deliveries) }),
                ("Parked and due", html! { (stats.due_deliveries) }),
                ("Saved by plugins", html! { (text::size(stats.plugin_bytes_saved)) }),
            ]))
            p.help { "Counts are those since this node started." }
        }
    };
    Ok(visitor.page(Part::Nodes, "Nodes", &content))
}
