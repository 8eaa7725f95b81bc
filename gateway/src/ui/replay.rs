//! A replay: counted first, then asked for.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::Method;
use maud::html;
use serde_json::json;

use super::Ui;
use super::deliveries::counts;
use super::door::Place;
use super::form::Filled;
use super::layout::{Part, done};
use super::parts::{field, heading};
use super::refusal::Refusal;
use super::seen::{Counted, Job};
use super::text;

pub async fn replay(
    State(ui): State<Ui>,
    Path(id): Path<String>,
    Filled(visitor, fields): Filled,
) -> Result<Response, Refusal> {
    let is_sure = fields.is_on("sure");
    let states = fields.all("states");
    let wish = json!({
        "since": fields.or_null("since"), "until": fields.or_null("until"),
        "types": fields.list("types"), "states": (!states.is_empty()).then_some(&states),
        "rate": fields.number("rate")?, "target_url": fields.or_null("target_url"),
        "dry_run": !is_sure,
    });
    let place = Place::of(&["v1", "subscriptions", &id, "replay"]);
    if is_sure {
        let job: Job = visitor.send((Method::POST, &place), &wish).await?;
        let job = Place::of(&["ui", "jobs", &job.id]);
        return Ok(done(&ui, job.as_str(), "The replay has begun."));
    }
    let counted: Counted = visitor.send((Method::POST, &place), &wish).await?;
    let here = Place::of(&["ui", "subscriptions", &id]);
    let content = html! {
        (heading("Deliver once more", &html! {}))
        (counts(&counted, "would be delivered once more"))
        form.stack method="post" action=(Place::of(&["ui", "subscriptions", &id, "replay"]).as_str()) {
            (visitor.token_field())
            @for name in ["since", "until", "types"] {
                input type="hidden" name=(name) value=(fields.text(name));
            }
            @for state in &states { input type="hidden" name="states" value=(state); }
            input type="hidden" name="sure" value="yes";
            (field("rate", "Deliveries a second", "1000", "1 to 10,000"))
            (field("target_url", "Send them there instead", "", "Once, for debugging; not recorded as attempts."))
            div.actions {
                button disabled[counted.total == 0] { "Deliver " (text::count(counted.total)) }
                a.button.quiet href=(here.as_str()) { "Back" }
            }
        }
    };
    let page = visitor.page(Part::Subscriptions, "Deliver once more", &content);
    Ok(page.into_response())
}
