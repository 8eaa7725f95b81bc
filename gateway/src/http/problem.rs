//! Refusals as RFC 9457 problems: the only place that knows status codes of errors.
//!
//! Each kind has a stable `type` and a constant title; the detail helps to mend the request. What
//! lies behind a 5xx goes to the log and never to the caller.

use axum::response::{IntoResponse, Response};
use hookgate_plugin_host::Check;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tracing::error;

use crate::ingest::accept::AcceptError;
use crate::ingest::flaw::{Flaw, Place, Rule};
use crate::ingest::room::Full;
use crate::log::{AppendError, CancelError, LogError};
use crate::store::StoreError;

const BASE: &str = "https://hookgate.dev/problems/";
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! kinds {
    ($($name:ident = $slug:literal, $status:ident, $title:literal;)*) => {
        /// What went wrong. The name in the problem's `type` never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($name),* }

        impl Kind {
            const fn parts(self) -> (&'static str, StatusCode, &'static str) {
                match self { $(Self::$name => ($slug, StatusCode::$status, $title)),* }
            }

            /// The last part of the problem's `type`.
            pub(super) const fn slug(self) -> &'static str {
                self.parts().0
            }
        }
    };
}

kinds! {
    MalformedJson = "malformed-json", BAD_REQUEST, "The body is not JSON that can be read";
    InvalidEvent = "invalid-event", BAD_REQUEST, "The event breaks a rule";
    InvalidRequest = "invalid-request", BAD_REQUEST, "The request breaks a rule";
    IdempotencyKeyInvalid = "idempotency-key-invalid", BAD_REQUEST, "The idempotency key cannot be read";
    NoKey = "no-key", UNAUTHORIZED, "An API key is needed";
    UnknownKey = "unknown-key", UNAUTHORIZED, "The API key is not known, or revoked";
    InvalidClaim = "invalid-claim", UNAUTHORIZED, "The claim check opens nothing";
    NotVerified = "not-verified", UNAUTHORIZED, "The request could not be verified";
    InvalidSecret = "invalid-secret", UNAUTHORIZED, "The secret confirms nothing";
    RoleForbids = "role-forbids", FORBIDDEN, "The key's role does not allow this";
    OtherTenant = "other-tenant", FORBIDDEN, "The key is bound to another tenant";
    NotFound = "not-found", NOT_FOUND, "There is no such thing";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The method is not allowed here";
    BodyTimeout = "body-timeout", REQUEST_TIMEOUT, "The body did not come in time";
    Conflict = "conflict", CONFLICT, "The state of things does not allow this now";
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The media type is not understood here";
    UnknownExpectation = "unknown-expectation", EXPECTATION_FAILED, "The expectation cannot be met";
    IdempotencyMismatch = "idempotency-mismatch", UNPROCESSABLE_ENTITY, "The idempotency key was used with other content";
    PluginRefused = "plugin-refused", UNPROCESSABLE_ENTITY, "The component is not taken";
    OverQuota = "over-quota", TOO_MANY_REQUESTS, "The tenant has sent more than it may";
    InvalidFields = "invalid-fields", UNPROCESSABLE_ENTITY, "Some fields break a rule";
    Internal = "internal", INTERNAL_SERVER_ERROR, "The gateway failed";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too much is being sent at once";
    Busy = "busy", SERVICE_UNAVAILABLE, "Too much waits to be stored";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The database does not answer";
    Stopping = "stopping", SERVICE_UNAVAILABLE, "The gateway is stopping";
}

/// One place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body, as a URI fragment; or `header:` and a name.
    #[schema(example = "#/data")]
    pub pointer: String,
    pub detail: String,
}

/// A refusal on its way to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<FieldError>,
    checks: Vec<Check>,
    line: Option<u64>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// As it is written (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Stable URI of the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "https://hookgate.dev/problems/invalid-event")]
    kind: String,
    title: &'static str,
    status: u16,
    /// What to change.
    detail: String,
    /// Each place that breaks a rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// Each check that an uploaded component went through, with its cure where it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    checks: Vec<Check>,
    /// Of a stream of lines: the first that was not taken, counted from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let header = match kind {
            Kind::NoKey | Kind::UnknownKey => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            Kind::Busy | Kind::Unavailable | Kind::Stopping => {
                Some((RETRY_AFTER, HeaderValue::from_static("1")))
            }
            _ => None,
        };
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            checks: Vec::new(),
            line: None,
            header,
        }
    }

    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(
            Kind::NotFound,
            format!("there is no such {what}, or this key may not see it"),
        )
    }

    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{} {}", one.pointer, one.detail),
            many => format!("{} fields break a rule; see errors", many.len()),
        };
        Self {
            errors,
            ..Self::new(Kind::InvalidFields, detail)
        }
    }

    /// Of one place alone.
    #[must_use]
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        }])
    }

    #[must_use]
    pub fn method_not_allowed(allowed: Option<HeaderValue>) -> Self {
        Self {
            header: allowed.map(|allowed| (ALLOW, allowed)),
            ..Self::new(Kind::MethodNotAllowed, "see Allow for the methods that are")
        }
    }

    /// Of a body in a coding that is not undone here.
    #[must_use]
    pub fn compressed(coding: &str) -> Self {
        let detail = format!("the body is encoded ({coding}); send it as it is, without it");
        Self {
            header: Some((ACCEPT_ENCODING, HeaderValue::from_static("identity"))),
            ..Self::new(Kind::UnsupportedMediaType, detail)
        }
    }

    /// Of something that may be tried again after this long, told in whole seconds.
    #[must_use]
    pub fn retry_after(self, wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs_f64().ceil().max(1.0);
        Self {
            header: Some((RETRY_AFTER, HeaderValue::from(seconds as u64))),
            ..self
        }
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    #[must_use]
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// What a component was checked for before it was refused.
    #[must_use]
    pub(super) fn with_checks(self, checks: Vec<Check>) -> Self {
        Self { checks, ..self }
    }

    /// Of one line of a stream.
    #[must_use]
    pub(super) fn at_line(self, line: u64) -> Self {
        Self {
            line: Some(line),
            detail: format!("line {line}: {}", self.detail),
            ..self
        }
    }

    /// As it is written where the answer has begun already.
    #[must_use]
    pub(super) fn into_body(self) -> ProblemBody {
        let (slug, status, title) = self.kind.parts();
        ProblemBody {
            kind: format!("{BASE}{slug}"),
            title,
            status: status.as_u16(),
            detail: self.detail,
            errors: self.errors,
            checks: self.checks,
            line: self.line,
        }
    }

    /// Of a fault of ours: logged here, once, and told to nobody.
    pub(super) fn fault(kind: Kind, fault: &(dyn std::error::Error + 'static)) -> Self {
        let chain: Vec<String> = std::iter::successors(Some(fault), |error| error.source())
            .map(ToString::to_string)
            .collect();
        error!(error = %chain.join(": "), "request failed");
        Self::new(kind, "try again; the gateway's log says more")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, status, _) = self.kind.parts();
        let (kind, header) = (self.kind, self.header.clone());
        let body = self.into_body();
        let body = serde_json::to_vec(&body).expect("a problem is plain data");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some((name, value)) = header {
            headers.insert(name, value);
        }
        // For those around the handler, who would otherwise have to read the body.
        response.extensions_mut().insert(kind);
        response
    }
}

impl From<Flaw> for Problem {
    fn from(flaw: Flaw) -> Self {
        let kind = match (&flaw.place, &flaw.rule) {
            (_, Rule::NotJson(_)) => Kind::MalformedJson,
            (_, Rule::MediaType { .. } | Rule::Charset) => Kind::UnsupportedMediaType,
            (_, Rule::IdempotencyKey) => Kind::IdempotencyKeyInvalid,
            (_, Rule::TooLong { .. }) if is_data(&flaw.place) => Kind::BodyTooLarge,
            (_, Rule::TooManyEvents { .. }) => Kind::BodyTooLarge,
            _ => Kind::InvalidEvent,
        };
        let pointer = match &flaw.place {
            Place::Body(pointer) => format!("#{pointer}"),
            Place::Header(name) => format!("header:{name}"),
        };
        let errors = vec![FieldError {
            pointer,
            detail: flaw.rule.to_string(),
        }];
        Self {
            errors,
            ..Self::new(kind, flaw.to_string())
        }
    }
}

fn is_data(place: &Place) -> bool {
    matches!(place, Place::Body(pointer) if pointer.is_empty() || pointer.ends_with("/data"))
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Flaw { flaw, .. } => flaw.into(),
            AcceptError::OtherTenant { .. } => Self::new(Kind::OtherTenant, error.to_string()),
            AcceptError::OtherBody { .. } => {
                Self::new(Kind::IdempotencyMismatch, error.to_string())
            }
            AcceptError::OverQuota { retry_after, .. } => {
                Self::new(Kind::OverQuota, error.to_string()).retry_after(retry_after)
            }
            AcceptError::Append(AppendError::Busy) => {
                Self::new(Kind::Busy, "send it again after a moment")
            }
            AcceptError::Append(AppendError::Stopping) => {
                Self::new(Kind::Stopping, "send it to another node, or again")
            }
            AcceptError::Append(AppendError::Refused(_)) => Self::fault(Kind::Internal, &error),
            // Told by the log itself, once for all that were under way.
            AcceptError::Append(AppendError::Unavailable) => {
                Self::new(Kind::Unavailable, "try again; the gateway's log says more")
            }
            AcceptError::Store(error) => error.into(),
            AcceptError::Late(error) => error.into(),
        }
    }
}

impl From<Full> for Problem {
    fn from(full: Full) -> Self {
        let detail = "nothing of it was kept; send it again after Retry-After";
        Self::new(Kind::Overloaded, detail).retry_after(full.retry_after)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(_) => Self::fault(Kind::Unavailable, &error),
            _ => Self::fault(Kind::Internal, &error),
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        Self::fault(Kind::Unavailable, &error)
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Unknown(_) => Self::not_found("delivery"),
            CancelError::UnderWay => Self::new(
                Kind::Conflict,
                "the delivery is under way; try again after its attempt",
            ),
            CancelError::Ended => Self::new(Kind::Conflict, "the delivery has ended already"),
            CancelError::Log(error) => error.into(),
        }
    }
}
