//! What the tail writes: server-sent events, each one whole line of JSON with the place after it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Api;
use super::events::EventView;
use super::problem::Problem;
use super::pull::Gap;
use super::samples::shown;
use crate::domain::pull_cursor::PullCursor;
use crate::store::tail::Passing;

/// An event that was accepted; with its data where that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct TailedEvent {
    #[serde(flatten)]
    event: EventView,
    /// As it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    data: Option<Box<RawValue>>,
    /// Instead of `data`, where it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

/// An event, and where its reader is once it has it.
pub(super) fn event(api: &Api, passing: Passing, place: &PullCursor) -> Bytes {
    let attributes = &passing.headline.attributes;
    let data = passing.data.as_deref();
    let (data, data_base64) = data.map_or((None, None), |data| shown(data, attributes));
    let tailed = TailedEvent {
        event: EventView::new(api, passing.headline),
        data,
        data_base64,
    };
    frame("event", &tailed, Some(place))
}

/// What the reader came too late for.
pub(super) fn gap(gap: &Gap) -> Bytes {
    frame("gap", gap, None)
}

/// Why the stream ends.
pub(super) fn problem(problem: Problem) -> Bytes {
    frame("problem", &problem.into_body(), None)
}

/// Nothing came that the reader wants; it keeps its place all the same, and the line stays open.
pub(super) fn place(place: &PullCursor) -> Bytes {
    format!("id: {place}\n\n").into()
}

fn frame(name: &str, value: &impl Serialize, place: Option<&PullCursor>) -> Bytes {
    let text = serde_json::to_string(value).expect("an answer is plain data");
    // Between the members of somebody's data there may be line feeds, and in JSON only there.
    let text = text.replace(['\n', '\r'], " ");
    let id = place.map_or(String::new(), |place| format!("id: {place}\n"));
    format!("{id}event: {name}\ndata: {text}\n\n").into()
}
