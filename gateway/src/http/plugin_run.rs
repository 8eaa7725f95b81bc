//! `POST /v1/plugins/{name}/run` and `/v1/plugins/run`: a plugin over one input, with nothing stored
//! and nothing sent.
//!
//! What is shown decides what is asked: an event goes the way of a delivery, a pair is folded, a
//! request is received. Refuses to guess where two of them are given.

use std::str::FromStr as _;

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hookgate_plugin_host::GuestRequest;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::PluginOwner as PluginCaller;
use super::input::{Id, read_body};
use super::plugin_run_view::DryRunView;
use super::problem::{Kind, Problem, ProblemBody};
use crate::domain::clock::Timestamp;
use crate::domain::event::Event;
use crate::domain::ids::{EventId, LaneId};
use crate::domain::key::Caller;
use crate::domain::plugin::PluginName;
use crate::domain::tenant::TenantName;
use crate::ingest::json;
use crate::plugin::dry_run::{DryRunInput, Shown};
use crate::store::catalog::Catalog;

/// Largest input and config of a dry run together.
const MAX_RUN_BYTES: usize = 2 * 1024 * 1024;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(run)).merge(
        OpenApiRouter::new()
            .routes(routes!(run_upload))
            // Bounded by `read_body`, before a byte is read.
            .layer(DefaultBodyLimit::disable()),
    )
}

/// What to show to a plugin: an `event`, a pair `earlier` and `later`, or a `request`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunForm {
    /// As it is sent to `/v1/events`.
    #[schema(value_type = Option<Object>)]
    event: Option<Box<RawValue>>,
    /// For an event: `filter` or `transform` asks that export alone. None: as a delivery does.
    export: Option<EventExport>,
    /// For a fold: the event that came first.
    #[schema(value_type = Option<Object>)]
    earlier: Option<Box<RawValue>>,
    /// For a fold: the event that came after it.
    #[schema(value_type = Option<Object>)]
    later: Option<Box<RawValue>>,
    /// For a receiver.
    request: Option<RequestForm>,
    /// Handed to the plugin as JSON.
    #[schema(value_type = Option<Object>)]
    config: Option<serde_json::Value>,
    /// None: the active one.
    version: Option<i32>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventExport {
    Filter,
    Transform,
}

/// A request as it would arrive at a source's address. The body is one of `body`, `body_text` and
/// `body_base64`, or empty.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestForm {
    #[serde(default = "post")]
    method: String,
    #[serde(default = "root")]
    path: String,
    #[serde(default)]
    query: String,
    /// An object, or pairs where order or repetition matters.
    #[schema(value_type = Option<Object>)]
    headers: Option<HeadersForm>,
    /// JSON, kept byte for byte.
    #[schema(value_type = Option<Object>)]
    body: Option<Box<RawValue>>,
    body_text: Option<String>,
    body_base64: Option<String>,
    secret: Option<String>,
    /// RFC 3339; none means now.
    received_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum HeadersForm {
    Pairs(Vec<(String, String)>),
    Object(serde_json::Map<String, serde_json::Value>),
}

fn post() -> String {
    "POST".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

impl RunForm {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(body).map_err(|error| Problem::field("#", error.to_string()))
    }

    fn input(self, api: &Api, caller: &Caller) -> Result<DryRunInput, Problem> {
        let mut reader = Reader::new(api, caller);
        let shown = match (self.event, self.earlier, self.later, self.request) {
            (Some(event), None, None, None) => {
                let event = reader.event(&event)?;
                match self.export {
                    None => Shown::Event(event),
                    Some(EventExport::Filter) => Shown::ToFilter(event),
                    Some(EventExport::Transform) => Shown::ToTransform(event),
                }
            }
            (None, Some(earlier), Some(later), None) => Shown::Pair {
                earlier: Box::new(reader.event(&earlier)?),
                later: Box::new(reader.event(&later)?),
            },
            (None, None, None, Some(request)) => Shown::Request(request.read(reader.now)?),
            _ => {
                let detail = "send an `event`, a pair `earlier` and `later`, or a `request`";
                return Err(Problem::field("#", detail));
            }
        };
        Ok(reader.input(shown, self.config))
    }
}

impl RequestForm {
    fn read(self, now: Timestamp) -> Result<GuestRequest, Problem> {
        let received_at = match self.received_at.as_deref() {
            None => now,
            Some(text) => Timestamp::parse_rfc3339(text)
                .map_err(|error| Problem::field("#/request/received_at", error.to_string()))?,
        };
        let body = match (self.body, self.body_text, self.body_base64) {
            (None, None, None) => Bytes::new(),
            (Some(json), None, None) => json.get().to_owned().into(),
            (None, Some(text), None) => text.into(),
            (None, None, Some(base64)) => STANDARD
                .decode(base64)
                .map_err(|error| Problem::field("#/request/body_base64", error.to_string()))?
                .into(),
            _ => {
                let detail = "send one of `body`, `body_text` and `body_base64`";
                return Err(Problem::field("#/request", detail));
            }
        };
        Ok(GuestRequest {
            method: self.method.to_ascii_uppercase().into(),
            path: self.path.into(),
            query: self.query.into(),
            headers: match self.headers {
                Some(headers) => headers.pairs()?.into(),
                None => Vec::new().into(),
            },
            body,
            secret: self.secret.map(Into::into),
            received_ms: u64::try_from(received_at.as_ms()).unwrap_or(0),
        })
    }
}

impl HeadersForm {
    /// Names in lower case, as a receiver sees them.
    fn pairs(self) -> Result<Vec<(String, String)>, Problem> {
        let pairs = match self {
            Self::Pairs(pairs) => pairs,
            Self::Object(members) => members
                .into_iter()
                .map(|(name, value)| match value {
                    serde_json::Value::String(value) => Ok((name, value)),
                    _ => Err(Problem::field(
                        "#/request/headers",
                        "every value must be a text",
                    )),
                })
                .collect::<Result<_, _>>()?,
        };
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        Ok(pairs.into_iter().map(lower).collect())
    }
}

/// Reads events on the account of the caller's tenant, or of the one that the first event names.
struct Reader<'a> {
    api: &'a Api,
    tenant: Option<TenantName>,
    now: Timestamp,
}

impl<'a> Reader<'a> {
    fn new(api: &'a Api, caller: &Caller) -> Self {
        Self {
            api,
            tenant: caller.bound_to.as_ref().map(|(_, name)| name.clone()),
            now: api.store().clock().now(),
        }
    }

    fn event(&mut self, body: &RawValue) -> Result<Event, Problem> {
        self.event_of(&body.get().to_owned().into())
    }

    fn event_of(&mut self, body: &Bytes) -> Result<Event, Problem> {
        let incoming = json::one(body)?;
        if self.tenant.is_none() {
            self.tenant = incoming.tenant;
        }
        Ok(Event {
            id: EventId::first_at(self.now, LaneId::new(0)),
            tenant: self.tenant().0,
            event_type: incoming.event_type,
            attributes: incoming.attributes,
            data: incoming.data,
        })
    }

    fn tenant(&self) -> (crate::domain::ids::TenantId, TenantName) {
        let name = self.tenant.clone().unwrap_or_else(TenantName::unnamed);
        let id = self.api.store().catalog().tenant_id(&name);
        (id.unwrap_or(Catalog::SHARED), name)
    }

    fn input(&self, shown: Shown, config: Option<serde_json::Value>) -> DryRunInput {
        DryRunInput {
            tenant: self.tenant(),
            shown,
            config: config.unwrap_or_else(|| serde_json::json!({})),
        }
    }
}

/// Run a plugin over an event, a pair or a request: nothing is stored, nothing is sent.
#[utoipa::path(post, path = "/v1/plugins/{name}/run", tag = "plugins",
    params(("name" = String, Path)), request_body = RunForm,
    responses((status = 200, body = DryRunView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn run(
    PluginCaller(caller): PluginCaller,
    State(api): State<Api>,
    Id(name): Id<PluginName>,
    request: Request,
) -> Result<Json<DryRunView>, Problem> {
    let body = read_body(request, &api, MAX_RUN_BYTES).await?;
    let form = RunForm::parse(&body)?;
    let version = form.version;
    let input = form.input(&api, &caller)?;
    let (digest, run) = api.plugins().dry_run_stored(&name, version, input).await?;
    Ok(Json(DryRunView::new(Some(digest), run)))
}

/// Run a component that is not stored: part `component`, with either parts `event` and `config`, or
/// a part `input` that is what `/v1/plugins/{name}/run` takes.
#[utoipa::path(post, path = "/v1/plugins/run", tag = "plugins",
    request_body(content = Vec<u8>, content_type = "multipart/form-data"),
    responses((status = 200, body = DryRunView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn run_upload(
    PluginCaller(caller): PluginCaller,
    State(api): State<Api>,
    request: Request,
) -> Result<Json<DryRunView>, Problem> {
    let Parts {
        component,
        event,
        config,
        input,
    } = Parts::read(&api, request).await?;
    let missing =
        |part| move || Problem::new(Kind::InvalidRequest, format!("part {part} is missing"));
    let component = component.ok_or_else(missing("component"))?;
    let input = match (input, event) {
        (Some(input), None) => RunForm::parse(&input)?.input(&api, &caller)?,
        (None, event) => {
            let mut reader = Reader::new(&api, &caller);
            let event = reader.event_of(&event.ok_or_else(missing("event"))?)?;
            reader.input(Shown::Event(event), config)
        }
        (Some(_), Some(_)) => {
            let detail = "send the event inside of part input, or as part event";
            return Err(Problem::new(Kind::InvalidRequest, detail));
        }
    };
    let run = api.plugins().dry_run(component, input).await?;
    Ok(Json(DryRunView::new(None, run)))
}

#[derive(Default)]
struct Parts {
    component: Option<Bytes>,
    event: Option<Bytes>,
    config: Option<serde_json::Value>,
    input: Option<Bytes>,
}

impl Parts {
    async fn read(api: &Api, request: Request) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let max_bytes = api.plugins().limits().max_component_bytes + MAX_RUN_BYTES;
        let copy = Request::from_parts(head.clone(), body);
        let body = read_body(copy, api, max_bytes).await?;
        let whole = Request::from_parts(head, axum::body::Body::from(body));
        let mut fields = Multipart::from_request(whole, api)
            .await
            .map_err(|error| Problem::new(Kind::UnsupportedMediaType, error.body_text()))?;
        let broken = |error: axum::extract::multipart::MultipartError| {
            Problem::new(Kind::InvalidRequest, error.body_text())
        };
        let mut parts = Self::default();
        while let Some(field) = fields.next_field().await.map_err(broken)? {
            let name = field.name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(broken)?;
            match name.as_str() {
                "component" => parts.component = Some(bytes),
                "event" => parts.event = Some(bytes),
                "input" => parts.input = Some(bytes),
                "config" => parts.config = Some(config(&bytes)?),
                other => {
                    let detail = format!(
                        "part {other:?} is not known: send component with event and config, or \
                         with input"
                    );
                    return Err(Problem::new(Kind::InvalidRequest, detail));
                }
            }
        }
        Ok(parts)
    }
}

fn config(bytes: &[u8]) -> Result<serde_json::Value, Problem> {
    let text = String::from_utf8_lossy(bytes);
    serde_json::Value::from_str(&text)
        .map_err(|error| Problem::new(Kind::MalformedJson, format!("config: {error}")))
}
