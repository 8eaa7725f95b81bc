//! `/in/…`: where providers send their webhooks. The address is the key.
//!
//! Whoever is not believed learns no more than that; the reason is kept for the operator. The answer
//! 2xx comes after the commit, and what a provider sends twice is answered as if it came once.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tracing::warn;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::events::AcceptedEvents;
use super::inbound_plugin;
use super::input::read_body;
use super::problem::{Kind, Problem, ProblemBody};
use super::source_records::Seen;
use crate::domain::key::{Caller, Role};
use crate::domain::source::{Source, SourceSecret, Verifier};
use crate::domain::trace::Trace;
use crate::ingest::accept::{AcceptError, Accepted, Sender};
use crate::ingest::inbound::challenge::{self, Challenge};
use crate::ingest::inbound::{Refusal, Request, draft, verify};
use crate::ingest::{Incoming, MAX_DATA_BYTES};
use crate::telemetry::metrics::SourceLabel;

const HOOK_SECRET: HeaderName = HeaderName::from_static("x-hook-secret");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
const NAME: &str = "source";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(receive, ask, consent))
        .route("/in/{address}/{*rest}", any(below))
}

/// A provider's webhook: verified as the source says, stored byte for byte, answered after the
/// commit.
#[utoipa::path(post, path = "/in/{address}", tag = "sources", params(("address" = String, Path)),
    request_body(content = Vec<u8>, content_type = "*/*"), security(()),
    responses((status = 200, body = AcceptedEvents),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn receive(
    State(api): State<Api>,
    Path(address): Path<String>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let desk = Desk::at(&api, &address)?;
    let source = &desk.source;
    if let Verifier::Plugin(plugin) = &source.rules.verify {
        return inbound_plugin::receive(&desk, plugin, ("/", request)).await;
    }
    let (headers, body) = desk.read(request).await?;
    let request = Request {
        headers: &headers,
        body: &body,
    };
    let now = api.store().clock().now();
    if let Some(handshake) = challenge::of_hook_secret(source, &request, now) {
        let asked = handshake.map_err(|refusal| desk.refuse(&refusal))?;
        return desk.answer(asked).await;
    }
    verify::verify(source, &request, now).map_err(|refusal| desk.refuse(&refusal))?;
    match challenge::of_verified(source, &request) {
        Some(asked) => desk.answer(asked).await,
        None => desk.store(vec![draft::of_request(source, &request)]).await,
    }
}

/// Challenges of WebSub hubs and of Meta, where the source asks for them.
#[utoipa::path(get, path = "/in/{address}", tag = "sources", params(("address" = String, Path)),
    security(()), responses((status = 200, body = String, content_type = "text/plain"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn ask(
    State(api): State<Api>,
    Path(address): Path<String>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let desk = Desk::at(&api, &address)?;
    let source = &desk.source;
    if let Verifier::Plugin(plugin) = &source.rules.verify {
        return inbound_plugin::receive(&desk, plugin, ("/", request)).await;
    }
    if request.method() == Method::HEAD {
        // Some providers look first whether the address is there.
        return Ok(StatusCode::OK.into_response());
    }
    match challenge::of_get(source, request.uri().query().unwrap_or_default()) {
        Some(asked) => desk.answer(asked).await,
        None => Err(only_post()),
    }
}

/// The question of CloudEvents whether a sender may send, where the source asks for it.
#[utoipa::path(options, path = "/in/{address}", tag = "sources", params(("address" = String, Path)),
    security(()), responses((status = 200),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn consent(
    State(api): State<Api>,
    Path(address): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let desk = Desk::at(&api, &address)?;
    let body = Bytes::new();
    let request = Request {
        headers: &headers,
        body: &body,
    };
    match challenge::of_options(&desk.source, &request) {
        Some(asked) => desk.answer(asked).await,
        None => Err(only_post()),
    }
}

/// Paths below an address: for plugins alone.
async fn below(
    State(api): State<Api>,
    Path((address, rest)): Path<(String, String)>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let desk = Desk::at(&api, &address)?;
    let Verifier::Plugin(plugin) = &desk.source.rules.verify else {
        return Err(Problem::not_found(NAME));
    };
    inbound_plugin::receive(&desk, plugin, (&format!("/{rest}"), request)).await
}

fn only_post() -> Problem {
    Problem::method_not_allowed(Some(HeaderValue::from_static("POST")))
}

/// One source's counter: takes requests in and keeps count.
pub(super) struct Desk<'a> {
    pub(super) api: &'a Api,
    pub(super) source: Arc<Source>,
}

impl<'a> Desk<'a> {
    fn at(api: &'a Api, address: &str) -> Result<Self, Problem> {
        let nobody = || Problem::new(Kind::NotFound, "there is no source at this address");
        let source = api.store().catalog().source_at(address);
        let source = source.ok_or_else(nobody)?;
        Ok(Self { api, source })
    }

    /// The request's head and body, within the bound of an event.
    pub(super) async fn read(&self, request: HttpRequest) -> Result<(HeaderMap, Bytes), Problem> {
        let headers = request.headers().clone();
        let max_bytes = self.api.max_body_bytes().min(MAX_DATA_BYTES);
        match read_body(request, self.api, max_bytes).await {
            Ok(body) => Ok((headers, body)),
            Err(problem) => {
                self.note_refusal("body", problem.detail().to_owned());
                Err(problem)
            }
        }
    }

    /// Says no more than that it is not believed.
    pub(super) fn refuse(&self, refusal: &Refusal) -> Problem {
        self.note_refusal(refusal.kind(), refusal.to_string());
        let detail = "it is not signed as this source expects; its operator can see why";
        Problem::new(Kind::NotVerified, detail)
    }

    pub(super) fn note_refusal(&self, kind: &'static str, reason: String) {
        self.count("refused", kind);
        let now = self.api.store().clock().now();
        let records = self.api.source_records();
        if records.refuse(self.source.id, (kind, reason.clone()), now) {
            warn!(
                source.id = %self.source.id,
                reason,
                "requests at a source are refused"
            );
        }
    }

    pub(super) fn note(&self, seen: Seen) {
        self.count(seen.as_str(), "");
        let now = self.api.store().clock().now();
        self.api.source_records().count(self.source.id, seen, now);
    }

    fn count(&self, outcome: &'static str, reason: &'static str) {
        let requests = &self.api.metrics().source_requests;
        let label = SourceLabel { outcome, reason };
        requests.get_or_create(&label).inc();
    }

    /// Stores what a genuine request is; 2xx once it is on disk.
    pub(super) async fn store(&self, events: Vec<Incoming>) -> Result<Response, Problem> {
        let source = &self.source;
        let sender = Sender {
            caller: Caller {
                key: None,
                role: Role::Publisher,
                bound_to: Some((source.tenant, source.tenant_name.clone())),
            },
            tenant: None,
            key: None,
            trace: Trace::default(),
            events_before: 0,
        };
        let accepted = match self.api.ingest().accept(&sender, events).await {
            Ok(accepted) => accepted,
            // The id is the provider's word that it is the same one, whatever else has changed.
            Err(AcceptError::OtherBody { known, .. }) => vec![Accepted {
                id: known,
                is_duplicate: true,
            }],
            Err(error) => {
                self.note_refusal("not-stored", error.to_string());
                return Err(error.into());
            }
        };
        let is_known = !accepted.is_empty() && accepted.iter().all(|one| one.is_duplicate);
        self.note(if is_known {
            Seen::Duplicate
        } else {
            Seen::Accepted
        });
        Ok(Json(AcceptedEvents::from(accepted)).into_response())
    }

    async fn answer(&self, asked: Challenge) -> Result<Response, Problem> {
        let response = match asked {
            Challenge::Text(text) => plain(text),
            Challenge::Nothing => StatusCode::OK.into_response(),
            Challenge::HookSecret(secret) => echo(&secret)?,
            Challenge::NewHookSecret(secret) => {
                self.learn(&secret).await?;
                echo(&secret)?
            }
            Challenge::Consent { origin, rate } => {
                let mut response = StatusCode::OK.into_response();
                let headers = response.headers_mut();
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
                headers.insert(ALLOWED_ORIGIN, header(&origin)?);
                if let Some(rate) = rate {
                    headers.insert(ALLOWED_RATE, HeaderValue::from(rate));
                }
                response
            }
            Challenge::Refused => {
                self.note_refusal(
                    "challenge",
                    "a challenge that nobody here asked for".to_owned(),
                );
                let detail = "nobody here has asked for that";
                return Err(Problem::new(Kind::NotFound, detail));
            }
        };
        self.note(Seen::Challenge);
        Ok(response)
    }

    /// Takes a secret for the source's own, where it still has none.
    async fn learn(&self, text: &str) -> Result<(), Problem> {
        let refuse = || self.refuse(&Refusal::HookSecret);
        let secret = SourceSecret::parse(text).map_err(|_| refuse())?;
        let usable = verify::check_secret(&self.source.rules.verify, &secret);
        usable.map_err(|refusal| self.refuse(&refusal))?;
        let store = self.api.store();
        let edit = store.edit_source(self.source.id, None).await?;
        let edit = edit.filter(|edit| !edit.record.has_secret);
        let edit = edit.ok_or_else(refuse)?;
        let version = store.rotate_source_secret(edit, &secret, None).await?;
        // The first signed request may come to any node.
        self.api.applied(version).await;
        Ok(())
    }
}

/// Text that somebody else chose: never taken for a page.
fn plain(text: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, text).into_response()
}

fn echo(secret: &str) -> Result<Response, Problem> {
    Ok(([(HOOK_SECRET, header(secret)?)], StatusCode::OK).into_response())
}

fn header(text: &str) -> Result<HeaderValue, Problem> {
    let value = HeaderValue::try_from(text);
    value.map_err(|_| Problem::new(Kind::InvalidRequest, "the header cannot be given back"))
}
