//! Puts together what an attempt sends: the body, its signature and every header.
//!
//! Extra headers come first and the gateway's own last, so nobody can speak in its name; what
//! frames a request or steers a connection is never taken from anybody. Sends nothing.

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

use super::body::{self, Body};
use super::handshake::{Origin, REQUEST_ORIGIN};
use super::signature::{self, Signed};
use crate::domain::clock::Timestamp;
use crate::domain::event::Attributes;
use crate::domain::parcel::Parcel;
use crate::domain::random::Random;
use crate::domain::subscription::Subscription;
use crate::domain::trace;
use crate::domain::verification::Verification;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const MERGED_COUNT: HeaderName = HeaderName::from_static("hookgate-merged-count");
const MERGED_FIRST: HeaderName = HeaderName::from_static("hookgate-merged-first");
const MERGED_LAST: HeaderName = HeaderName::from_static("hookgate-merged-last");
const X_HOOK_SIGNATURE: HeaderName = HeaderName::from_static("x-hook-signature");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const USER_AGENT: &str = concat!("Hookgate/", env!("CARGO_PKG_VERSION"));

/// Headers that belong to the connection. The border refuses them with an explanation; this is the
/// second wall.
const OF_THE_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// An attempt as it goes out.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    pub method: Method,
    pub headers: HeaderMap,
    pub body: bytes::Bytes,
    /// Whether headers and body of the answer are wanted too.
    pub keeps_answer: bool,
}

/// The request of one attempt at `at`. Headers and trace of a batch are those of its last event.
///
/// # Panics
/// Where the parcel is empty.
#[must_use]
pub fn build(
    subscription: &Subscription,
    parcel: &Parcel,
    (origin, random): (Option<&Origin>, &Random),
    at: Timestamp,
) -> OutgoingRequest {
    let Body {
        content_type,
        bytes,
        headers: of_format,
    } = body::of_parcel(
        subscription.policy.format,
        parcel,
        &subscription.tenant_name,
    );
    let item = parcel.items.last().expect("a parcel holds an event");
    let event = &item.event;
    let id = webhook_id(parcel);
    let signed = Signed {
        id: &id,
        at,
        body: &bytes,
    };
    let signature = signature::header(&subscription.secrets, signed);
    let trace_parent = trace_parent(event.attributes.trace_parent.as_deref(), random);

    let mut headers = HeaderMap::with_capacity(12);
    let outgoing = item.outgoing.as_ref();
    let from_plugins = outgoing.map_or(&[][..], |outgoing| &outgoing.headers);
    for extra in [
        &subscription.policy.headers[..],
        &event.attributes.headers,
        from_plugins,
    ] {
        add(&mut headers, extra);
    }
    headers.extend(of_format);
    if let Some(merged) = parcel.merged() {
        let range = [merged.first, merged.last].map(|id| body::sequence_text(id.get()));
        headers.insert(MERGED_COUNT, HeaderValue::from(merged.count));
        headers.insert(MERGED_FIRST, own(&range[0]));
        headers.insert(MERGED_LAST, own(&range[1]));
    }
    headers.insert(WEBHOOK_ID, own(&id));
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(at.as_unix_seconds()));
    headers.insert(WEBHOOK_SIGNATURE, own(&signature));
    if subscription.verification == Verification::CloudEvents
        && let Some(origin) = origin
        && let Ok(value) = HeaderValue::from_str(origin.name())
    {
        headers.insert(REQUEST_ORIGIN, value);
    }
    if subscription.policy.hook_signature
        && let Some(value) = signature::hook_header(&subscription.secrets, &bytes)
    {
        headers.insert(X_HOOK_SIGNATURE, own(&value));
    }
    headers.insert(header::CONTENT_TYPE, media_type(&content_type));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(TRACEPARENT, own(&trace_parent));
    let state = event.attributes.trace_state.as_deref();
    if let Some(state) = state.and_then(|state| HeaderValue::from_str(state).ok()) {
        headers.insert(TRACESTATE, state);
    }
    OutgoingRequest {
        method: Method::POST,
        headers,
        body: bytes,
        keeps_answer: false,
    }
}

/// The delivery's id; for a batch with a mark of its members, so that another batch with the same last
/// event is told apart.
fn webhook_id(parcel: &Parcel) -> String {
    let id = parcel.delivery.to_string();
    let Some((_, members)) = parcel.group.as_ref().filter(|_| parcel.is_batch()) else {
        return id;
    };
    let mut hash = Sha256::new();
    for member in &**members {
        hash.update(member.get().to_be_bytes());
    }
    let mark = data_encoding::HEXLOWER.encode(&hash.finalize()[..6]);
    format!("{id}_{mark}")
}

/// Later ones replace earlier ones of the same name.
fn add(headers: &mut HeaderMap, extra: &[(Box<str>, Box<str>)]) {
    for (name, value) in extra {
        let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) else {
            continue;
        };
        if !OF_THE_CONNECTION.contains(&name) {
            headers.insert(name, value);
        }
    }
}

fn own(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids, signatures and traces are visible ASCII")
}

fn media_type(text: &str) -> HeaderValue {
    match text {
        Attributes::DEFAULT_CONTENT_TYPE => {
            HeaderValue::from_static(Attributes::DEFAULT_CONTENT_TYPE)
        }
        other => HeaderValue::from_str(other)
            .unwrap_or(HeaderValue::from_static("application/octet-stream")),
    }
}

/// W3C Trace Context: the trace that the event came with, or a new one, and a new span for each
/// attempt.
fn trace_parent(inherited: Option<&str>, random: &Random) -> String {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let span = hex(&random.bytes::<8>());
    inherited
        .and_then(|parent| trace::child(parent, &span))
        .unwrap_or_else(|| format!("00-{}-{span}-00", hex(&random.bytes::<16>())))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::domain::prepared::Outgoing;

    fn origin() -> Origin {
        Origin::new(url::Url::parse("https://gate.example/").unwrap())
    }

    fn random() -> Random {
        Random::new(|bytes| bytes.fill(0xab))
    }

    #[test]
    fn an_attempt_carries_identity_signature_and_trace() {
        let subscription = testing::subscription("https://example.com/");
        let event = testing::event(br#"{"a":1}"#);
        let at = Timestamp::from_ms(1_700_000_000_999);
        let request = build(
            &subscription,
            &Parcel::of(subscription.id, event.into(), None),
            (Some(&origin()), &random()),
            at,
        );
        let value = |name: &str| request.headers[name].to_str().unwrap();
        assert!(value("webhook-id").starts_with("dlv_"));
        assert!(!value("webhook-id").contains('.'));
        assert_eq!(value("webhook-timestamp"), "1700000000");
        assert!(value("webhook-signature").starts_with("v1,"));
        assert_eq!(value("content-type"), "application/json");
        assert!(value("user-agent").starts_with("Hookgate/0."));
        assert_eq!(
            value("traceparent"),
            format!("00-{}-{}-00", "ab".repeat(16), "ab".repeat(8))
        );
    }

    #[test]
    fn nobody_speaks_in_the_gateways_name() {
        let pair = |name: &str, value: &str| (Box::from(name), Box::from(value));
        let mut subscription = testing::subscription("https://example.com/");
        subscription.policy.headers = vec![
            pair("x-team", "ops"),
            pair("webhook-id", "forged"),
            pair("host", "internal"),
            pair("content-length", "5"),
            pair("transfer-encoding", "chunked"),
        ];
        let mut event = testing::event(b"1");
        event.attributes.headers = vec![pair("x-team", "sales"), pair("x-a", "1\r\nx-b: 2")];
        let outgoing = Outgoing {
            content_type: Some("text/csv".into()),
            data: bytes::Bytes::from_static(b"a,b"),
            headers: vec![
                pair("x-slim", "yes"),
                pair("webhook-signature", "v1,forged"),
            ],
        };
        let at = Timestamp::from_ms(0);
        let request = build(
            &subscription,
            &Parcel::of(subscription.id, event.into(), Some(outgoing)),
            (Some(&origin()), &random()),
            at,
        );
        let mut names: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "content-type",
                "traceparent",
                "user-agent",
                "webhook-id",
                "webhook-signature",
                "webhook-timestamp",
                "x-slim",
                "x-team"
            ]
        );
        assert_eq!(request.headers["x-team"], "sales");
        assert_ne!(request.headers["webhook-signature"], "v1,forged");
    }

    #[test]
    fn the_trace_goes_on_with_a_new_span() {
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(
            trace_parent(Some(given), &random()),
            "00-0af7651916cd43dd8448eb211c80319c-abababababababab-01"
        );
        for broken in [
            "",
            "00-x",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ] {
            assert_eq!(
                trace_parent(Some(broken), &random()),
                format!("00-{}-{}-00", "ab".repeat(16), "ab".repeat(8)),
                "{broken}"
            );
        }
    }
}
