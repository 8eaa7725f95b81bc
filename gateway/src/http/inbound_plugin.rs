//! Requests at the address of a source whose plugin verifies them.

use axum::extract::Request as HttpRequest;
use axum::response::{IntoResponse, Response};
use hookgate_plugin_host::{CallFailure, Draft, GuestRequest, Reception};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

use super::inbound::Desk;
use super::problem::{Kind, Problem};
use super::source_records::Seen;
use crate::domain::clock::Timestamp;
use crate::domain::plugin::PluginUse;
use crate::ingest::inbound::Refusal;
use crate::ingest::inbound::draft::{self, Proposed};
use crate::plugin::receive::ReceiveError;

/// Shows a request to the plugin, once for each secret that is valid now, and does as it says.
pub(super) async fn receive(
    desk: &Desk<'_>,
    plugin: &PluginUse,
    (path, request): (&str, HttpRequest),
) -> Result<Response, Problem> {
    let now = desk.api.store().clock().now();
    let method = request.method().as_str().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (headers, body) = desk.read(request).await?;
    // A header that is no text proves nothing to a plugin either.
    let headers = headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    let shown = GuestRequest {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers: headers.collect::<Vec<_>>().into(),
        body,
        secret: None,
        received_ms: u64::try_from(now.as_ms()).unwrap_or(0),
    };
    match ask(desk, plugin, (shown, now)).await? {
        Reception::Rejected(reason) => Err(desk.refuse(&Refusal::Plugin(reason))),
        Reception::Challenge(answer) => {
            desk.note(Seen::Challenge);
            Ok(challenge(answer))
        }
        Reception::Accepted(drafts) => {
            let events = drafts
                .into_iter()
                .map(|draft| draft::of_plugin(&desk.source, proposed(draft)));
            let events = events.collect::<Result<Vec<_>, _>>().map_err(|flaw| {
                let reason = format!("the plugin's event: {flaw}");
                desk.note_refusal("plugin", reason);
                Problem::new(
                    Kind::Internal,
                    "try again; the source's operator can see why",
                )
            })?;
            if events.is_empty() {
                desk.note(Seen::Accepted);
                return Ok(StatusCode::OK.into_response());
            }
            desk.store(events).await
        }
    }
}

/// The answer with the first secret that the plugin does not reject; with none where there is none.
async fn ask(
    desk: &Desk<'_>,
    plugin: &PluginUse,
    (shown, now): (GuestRequest, Timestamp),
) -> Result<Reception, Problem> {
    let secrets = desk.source.keys.valid_at(now);
    let mut secrets: Vec<Option<&str>> = secrets.map(|secret| Some(secret.text())).collect();
    if secrets.is_empty() {
        secrets.push(None);
    }
    let tenant = (desk.source.tenant, &desk.source.tenant_name);
    let mut rejected = Reception::Rejected("it was not asked".to_owned());
    for secret in secrets {
        let request = GuestRequest {
            secret: secret.map(Into::into),
            ..shown.clone()
        };
        let answer = desk.api.plugins().receive(tenant, plugin, request).await;
        match answer.map_err(|error| failed(desk, &error))? {
            Reception::Rejected(reason) => rejected = Reception::Rejected(reason),
            answer => return Ok(answer),
        }
    }
    Ok(rejected)
}

fn failed(desk: &Desk<'_>, error: &ReceiveError) -> Problem {
    if let ReceiveError::Failed(CallFailure::UnusableEvent(reason)) = error {
        return desk.refuse(&Refusal::Plugin(reason.clone()));
    }
    desk.note_refusal("plugin", error.to_string());
    let detail = "the source cannot verify anything now; send it again";
    Problem::new(Kind::Busy, detail)
}

fn proposed(draft: Draft) -> Proposed {
    Proposed {
        event_type: draft.event_type,
        id: draft.id,
        subject: draft.subject,
        key: draft.key,
        at: draft
            .time_ms
            .and_then(|ms| i64::try_from(ms).ok())
            .map(Timestamp::from_ms),
        content_type: draft.content_type,
        data: draft.data,
    }
}

/// An answer that a plugin wrote: never taken for a page.
fn challenge(answer: hookgate_plugin_host::Response) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let content_type = HeaderValue::try_from(answer.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = [
        (CONTENT_TYPE, content_type),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, answer.body).into_response()
}
