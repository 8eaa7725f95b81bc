//! Recent events that a subscription would get: for setting an integration up and for testing it.
//!
//! Looks back over what is kept, newest first, and stops early rather than search for long. Plugins
//! are not run.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::{Reader, bound};
use super::input::{Asked, Id};
use super::problem::{Problem, ProblemBody};
use crate::domain::event::{Attributes, Event};
use crate::domain::filter::Candidate;
use crate::domain::ids::{EventId, SubscriptionId};
use crate::domain::labels::Labels;

const DEFAULT_SAMPLES: usize = 10;
const MAX_SAMPLES: usize = 50;
/// Events that are looked at for one answer, a page at a time.
const MAX_SEARCHED: usize = 2000;
const PAGE: u16 = 200;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SampleQuery {
    /// 1 to 50; 10 where it is left out.
    limit: Option<usize>,
}

/// Events as deliveries of the format `event` have them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Samples {
    data: Vec<SampleView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SampleView {
    r#type: String,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    data: Option<Box<RawValue>>,
    /// Instead of `data`, where it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[schema(value_type = String)]
    id: EventId,
    sequence: String,
}

/// Data as a JSON value where it is one, and otherwise in base64.
pub(super) fn shown(
    data: &[u8],
    attributes: &Attributes,
) -> (Option<Box<RawValue>>, Option<String>) {
    let text = match std::str::from_utf8(data) {
        Ok("") => Some("null".to_owned()),
        Ok(text) if attributes.is_json() => Some(text.to_owned()),
        _ => None,
    };
    let value = text.and_then(|text| RawValue::from_string(text).ok());
    let encoded = value.is_none().then(|| STANDARD.encode(data));
    (value, encoded)
}

impl From<Event> for SampleView {
    fn from(event: Event) -> Self {
        let (data, data_base64) = shown(&event.data, &event.attributes);
        let is_bytes = data.is_none();
        Self {
            r#type: event.event_type.to_string(),
            timestamp: event.time().to_rfc3339(),
            data_base64,
            content_type: is_bytes.then(|| event.attributes.content_type().to_owned()),
            data,
            id: event.id,
            sequence: format!("{:019}", event.id.get()),
        }
    }
}

/// Recent events that a subscription would get, newest first.
///
/// At most the newest 2,000 events of the tenant are looked at. Plugins are not run.
#[utoipa::path(get, path = "/v1/subscriptions/{id}/samples", tag = "subscriptions",
    params(("id" = String, Path), SampleQuery), responses((status = 200, body = Samples),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn samples(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(id): Id<SubscriptionId>,
    Asked(query): Asked<SampleQuery>,
) -> Result<Json<Samples>, Problem> {
    let limit = query.limit.unwrap_or(DEFAULT_SAMPLES).clamp(1, MAX_SAMPLES);
    let record = api.store().subscription(id, bound(&caller)).await?;
    let record = record.ok_or_else(|| Problem::not_found("subscription"))?;
    let wish = &record.wish;
    let labels = Labels::new(&wish.labels);
    let wants = |event: &Event| {
        let candidate = Candidate::new(&event.event_type, &event.attributes, &event.data);
        let mut patterns = wish.event_types.iter();
        patterns.any(|pattern| pattern.wants(&event.event_type))
            && labels.take(candidate.labels())
            && wish.filters.hold(&candidate)
    };
    let mut samples = Vec::new();
    let mut before = None;
    let mut searched = 0;
    while samples.len() < limit && searched < MAX_SEARCHED {
        let tenant = record.tenant.0;
        let page = api.store().recent_events(tenant, before, PAGE).await?;
        searched += page.len();
        before = page.last().map(|event| event.id);
        let is_last = page.len() < usize::from(PAGE);
        samples.extend(page.into_iter().filter(|event| wants(event)));
        if is_last {
            break;
        }
    }
    samples.truncate(limit);
    let data = samples.into_iter().map(SampleView::from).collect();
    Ok(Json(Samples { data }))
}
