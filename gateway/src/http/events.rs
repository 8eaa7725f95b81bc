//! `/v1/events`: sending them, and looking at what came in.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, Request as HttpRequest, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::{Publisher, Reader, bound, scope};
use super::deliveries::DeliveryView;
use super::input::{Asked, Body, Id, MAX_BATCH_BYTES, read_body};
use super::ndjson::{self, Committed};
use super::page::{Page, instant, limit, parameter};
use super::problem::{Problem, ProblemBody};
use crate::domain::event::Attributes;
use crate::domain::ids::EventId;
use crate::domain::key::Caller;
use crate::domain::tenant::TenantName;
use crate::domain::trace::Trace;
use crate::ingest::accept::{AcceptError, Accepted, Sender};
use crate::ingest::binary::{self, Request};
use crate::ingest::idempotency::IdempotencyKey;
use crate::ingest::json;
use crate::store::{deliveries, events};

/// How far lists look back where `since` is left out.
pub(super) const DEFAULT_WINDOW: Duration = Duration::from_secs(24 * 3600);
const MAX_DELIVERIES: u16 = 500;

/// An event in Hookgate's own JSON.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "describes what `ingest::json` reads byte for byte"
)]
pub struct Event {
    /// What happened, best as `noun.verb`; 1 to 255 bytes.
    #[schema(example = "invoice.paid")]
    r#type: String,
    /// Any JSON value; kept and forwarded byte for byte.
    #[schema(value_type = Value)]
    data: serde_json::Value,
    /// `default` where it is left out.
    tenant: Option<String>,
    source: Option<String>,
    subject: Option<String>,
    /// When it happened (RFC 3339).
    time: Option<String>,
    /// The producer's id; the same id again is a duplicate.
    id: Option<String>,
    /// The entity it is about; `subject` where it is left out.
    key: Option<String>,
    /// Which subscriptions it is for, where those are labelled too: one label in common is enough.
    labels: Option<Vec<String>>,
    /// Extra headers for its deliveries.
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    headers: Option<()>,
}

/// The answer to one event: it is on disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedView {
    #[schema(value_type = String, example = "evt_01j5n3g2p8000")]
    id: EventId,
    received_at: String,
    /// Whether it was there already.
    duplicate: bool,
}

/// The answer to several events, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedEvents {
    events: Vec<AcceptedView>,
}

impl From<Accepted> for AcceptedView {
    fn from(accepted: Accepted) -> Self {
        Self {
            id: accepted.id,
            received_at: accepted.id.received_at().to_rfc3339(),
            duplicate: accepted.is_duplicate,
        }
    }
}

/// Beside the events themselves.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SendQuery {
    /// The tenant of events that name none.
    tenant: Option<String>,
}

fn sender(caller: Caller, query: &SendQuery, headers: &HeaderMap) -> Result<Sender, Problem> {
    let values = |name: &str| {
        let values = headers.get_all(name).iter();
        values.filter_map(|value| value.to_str().ok())
    };
    Ok(Sender {
        caller,
        tenant: parameter("tenant", query.tenant.as_deref())?,
        key: IdempotencyKey::from_headers(headers)?,
        trace: Trace::read(values("traceparent"), values("tracestate")),
        events_before: 0,
    })
}

/// Send one event: JSON, or CloudEvents in any of its three modes.
///
/// The answer comes after the commit is on disk. A batch of CloudEvents is answered with `events`.
#[utoipa::path(post, path = "/v1/events", tag = "events", params(SendQuery,
    ("idempotency-key" = Option<String>, Header, description = "The same key again is a duplicate, for at least 24 hours")),
    request_body(content((Event = "application/json"), (Object = "application/cloudevents+json"),
        (Vec<Object> = "application/cloudevents-batch+json"))),
    responses((status = 202, body = AcceptedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn send(
    Publisher(caller): Publisher,
    State(api): State<Api>,
    Asked(query): Asked<SendQuery>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let sender = sender(caller, &query, &headers)?;
    let response = match binary::read(&headers, &body)? {
        Request::One(event) => {
            let accepted = api.ingest().accept(&sender, vec![*event]).await?;
            let first = accepted.into_iter().next();
            Json(first.map(AcceptedView::from)).into_response()
        }
        Request::Many(events) => {
            let accepted = api.ingest().accept(&sender, events).await;
            let accepted = accepted.map_err(AcceptError::in_array)?;
            Json(AcceptedEvents::from(accepted)).into_response()
        }
    };
    Ok((StatusCode::ACCEPTED, response).into_response())
}

impl From<Vec<Accepted>> for AcceptedEvents {
    fn from(accepted: Vec<Accepted>) -> Self {
        Self {
            events: accepted.into_iter().map(AcceptedView::from).collect(),
        }
    }
}

/// Send many events: an array of up to 10,000 or 16 MiB in one transaction, or lines without end.
///
/// Of an array all are stored or none. Of lines (`application/x-ndjson`, one event each) a chunk at a
/// time is, and the answer says how far it is while they are read: `{"committed_lines": n}`, a line
/// each time, and a problem as its last line where one stops it.
#[utoipa::path(post, path = "/v1/events/batch", tag = "events", params(SendQuery),
    request_body(content((Vec<Event> = "application/json"), (String = "application/x-ndjson"))),
    responses((status = 202, content((AcceptedEvents = "application/json"), (Committed = "application/x-ndjson"))),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn send_batch(
    Publisher(caller): Publisher,
    State(api): State<Api>,
    Asked(query): Asked<SendQuery>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let headers = request.headers();
    let sender = sender(caller, &query, headers)?;
    if ndjson::is_lines(headers) {
        return ndjson::publish(api, sender, request).await;
    }
    let is_json = binary::expect_json(headers);
    let body = read_body(request, &api, MAX_BATCH_BYTES).await?;
    is_json?;
    let accepted = api.ingest().accept(&sender, json::many(&body)?).await;
    let accepted = accepted.map_err(AcceptError::in_array)?;
    Ok((StatusCode::ACCEPTED, Json(AcceptedEvents::from(accepted))).into_response())
}

/// An event without its data.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    #[schema(value_type = String)]
    id: EventId,
    #[serde(rename = "type")]
    event_type: String,
    #[schema(value_type = Option<String>)]
    tenant: Option<TenantName>,
    received_at: String,
    #[schema(value_type = Option<String>)]
    source: Option<Box<str>>,
    #[schema(value_type = Option<String>)]
    subject: Option<Box<str>>,
    time: Option<String>,
    /// The producer's own id.
    #[schema(value_type = Option<String>)]
    producer_id: Option<Box<str>>,
    #[schema(value_type = Option<String>)]
    key: Option<Box<str>>,
    #[schema(value_type = Vec<String>)]
    labels: Vec<Box<str>>,
    content_type: String,
    size_bytes: u64,
    erased_at: Option<String>,
}

impl EventView {
    pub(super) fn new(api: &Api, event: events::Headline) -> Self {
        let content_type = event.attributes.content_type().to_owned();
        Self {
            id: event.id,
            event_type: event.event_type,
            tenant: api.store().catalog().tenant_name(event.tenant),
            received_at: event.id.received_at().to_rfc3339(),
            time: event.attributes.time.map(|at| at.to_rfc3339()),
            source: event.attributes.source,
            subject: event.attributes.subject,
            producer_id: event.attributes.producer_id,
            key: event.attributes.key,
            labels: event.attributes.labels,
            content_type,
            size_bytes: event.size_bytes,
            erased_at: event.erased_at.map(|at| at.to_rfc3339()),
        }
    }
}

/// An event and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventDetail {
    #[serde(flatten)]
    event: EventView,
    deliveries: Vec<DeliveryView>,
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    tenant: Option<String>,
    /// A pattern such as `invoice.*`.
    r#type: Option<String>,
    /// RFC 3339; 24 hours ago where it is left out.
    since: Option<String>,
    until: Option<String>,
    limit: Option<u16>,
    after: Option<String>,
}

/// Events, newest first.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(EventQuery),
    responses((status = 200, body = Page<EventView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn list(
    Reader(caller): Reader,
    State(api): State<Api>,
    Asked(query): Asked<EventQuery>,
) -> Result<Json<Page<EventView>>, Problem> {
    let limit = limit(query.limit);
    let tenant = parameter("tenant", query.tenant.as_deref())?;
    let since = instant("since", query.since.as_deref())?;
    let wanted = events::Selection {
        tenant: scope(&api, &caller, tenant.as_ref())?,
        event_type: parameter("type", query.r#type.as_deref())?,
        since: since.unwrap_or_else(|| window_start(&api)),
        until: instant("until", query.until.as_deref())?,
        before: parameter("after", query.after.as_deref())?,
        limit: limit + 1,
    };
    let rows = api.store().list_events(&wanted).await?;
    let view = |row| EventView::new(&api, row);
    Ok(Json(Page::new(rows, limit, |row| row.id, view)))
}

pub(super) fn window_start(api: &Api) -> crate::domain::clock::Timestamp {
    let now = api.store().clock().now().as_ms();
    let window = i64::try_from(DEFAULT_WINDOW.as_millis()).expect("a day fits");
    crate::domain::clock::Timestamp::from_ms((now - window).max(0))
}

/// One event with its deliveries.
#[utoipa::path(get, path = "/v1/events/{id}", tag = "events", params(("id" = String, Path)),
    responses((status = 200, body = EventDetail),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn one(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(id): Id<EventId>,
) -> Result<Json<EventDetail>, Problem> {
    let of = bound(&caller);
    let event = api.store().event(id, of).await?;
    let event = event.ok_or_else(|| Problem::not_found("event"))?;
    let wanted = deliveries::Selection {
        tenant: of,
        subscription: None,
        event: Some(id),
        state: None,
        since: id.received_at(),
        after: None,
        limit: MAX_DELIVERIES,
    };
    let rows = api.store().list_deliveries(wanted).await?;
    Ok(Json(EventDetail {
        event: EventView::new(&api, event),
        deliveries: rows
            .into_iter()
            .map(|row| DeliveryView::new(&api, row))
            .collect(),
    }))
}

/// Who may read an event's data: a reader, or whoever holds a claim check for it.
#[derive(Debug)]
pub struct DataReader {
    /// None: events of all tenants.
    of: Option<crate::domain::ids::TenantId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ClaimQuery {
    /// The claim check from a skinny payload, instead of a key.
    token: Option<String>,
}

impl FromRequestParts<Api> for DataReader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Asked(query) = Asked::<ClaimQuery>::from_request_parts(parts, api).await?;
        let Some(token) = query.token else {
            let Reader(caller) = Reader::from_request_parts(parts, api).await?;
            return Ok(Self { of: bound(&caller) });
        };
        let Id(event) = Id::<EventId>::from_request_parts(parts, api).await?;
        api.check_claim(event, &token)?;
        Ok(Self { of: None })
    }
}

/// The data as it came, with its media type.
///
/// With the `token` of a claim check it needs no key.
#[utoipa::path(get, path = "/v1/events/{id}/data", tag = "events",
    params(("id" = String, Path), ClaimQuery),
    responses((status = 200, content_type = "*/*", body = Vec<u8>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn data(
    DataReader { of }: DataReader,
    State(api): State<Api>,
    Id(id): Id<EventId>,
) -> Result<Response, Problem> {
    let found = api.store().event_data(id, of).await?;
    let (data, attributes) = found.ok_or_else(|| Problem::not_found("event"))?;
    Ok(untrusted(data, &attributes))
}

/// Bytes that somebody else wrote: never run, framed or kept by a browser.
fn untrusted(data: Bytes, attributes: &Attributes) -> Response {
    let content_type = HeaderValue::from_str(attributes.content_type())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = [
        (CONTENT_TYPE, content_type),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox; default-src 'none'"),
        ),
    ];
    (headers, data).into_response()
}
