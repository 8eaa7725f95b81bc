//! What needs no plugin: events, headers, filters, targets, cursors.

use bytes::Bytes;
use hookgate::delivery::answer;
use hookgate::delivery::guard::{Destination, Guard, broken_rule};
use hookgate::domain::clock::Timestamp;
use hookgate::domain::event::Attributes;
use hookgate::domain::filter::{Candidate, Filters};
use hookgate::domain::ids::{DeliveryId, EventId};
use hookgate::domain::pull_cursor::PullCursor;
use hookgate::domain::target_url::{TargetRules, TargetUrl};
use hookgate::domain::trace::Trace;
use hookgate::ingest::binary::{self, Request};
use hookgate::ingest::idempotency::IdempotencyKey;
use hookgate::ingest::lines::Lines;
use hookgate::ingest::{Incoming, MAX_DATA_BYTES, cloudevents, json};
use http::{HeaderMap, HeaderName, HeaderValue};

/// An event's data is a part of what came, JSON where it says so, and no larger than it may be.
fn is_sound(incoming: &Incoming, body: &Bytes) {
    let data = &incoming.data;
    assert!(data.len() <= MAX_DATA_BYTES);
    assert!(!incoming.event_type.is_empty());
    assert!(incoming.event_type.len() <= 255);
    if incoming.attributes.is_json() && !data.is_empty() {
        let read: Result<&serde_json::value::RawValue, _> = serde_json::from_slice(data);
        assert!(read.is_ok(), "data that is no JSON was taken");
        let whole = body.as_ptr_range();
        assert!(whole.contains(&data.as_ptr()), "the data was rewritten");
    }
}

/// Hookgate's own JSON, alone, as an array, and as lines.
pub fn event_json(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    if let Ok(incoming) = json::one(&body) {
        is_sound(&incoming, &body);
    }
    for incoming in json::many(&body).unwrap_or_default() {
        is_sound(&incoming, &body);
    }
    let mut lines = Lines::new(4096);
    let half = bytes.len() / 2;
    let pushed = lines
        .push(&bytes[..half])
        .and_then(|()| lines.push(&bytes[half..]));
    if pushed.is_ok() {
        lines.finish();
        let mut held = lines.held_bytes();
        while lines.has_whole() {
            let _ = lines.take().events();
            assert!(lines.held_bytes() < held, "taking lines takes them");
            held = lines.held_bytes();
        }
    }
}

/// CloudEvents in their JSON format, alone and as an array.
pub fn cloud_events(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    let one = cloudevents::one(&body).ok();
    let many = cloudevents::many(&body).unwrap_or_default();
    for incoming in one.iter().chain(&many) {
        assert!(incoming.data.len() <= MAX_DATA_BYTES);
        assert!(!incoming.event_type.is_empty());
    }
}

/// A head, a line for each field, and a body behind the first empty line.
pub fn headers(bytes: &[u8]) {
    let split = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match split {
        Some(at) => (&bytes[..at], &bytes[at + 2..]),
        None => (bytes, &b""[..]),
    };
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let body = Bytes::copy_from_slice(body);
    match binary::read(&headers, &body) {
        Ok(Request::One(incoming)) => assert!(incoming.data.len() <= MAX_DATA_BYTES),
        Ok(Request::Many(incoming)) => assert!(incoming.len() <= 10_000),
        Err(flaw) => assert!(!flaw.to_string().is_empty()),
    }
    let _ = IdempotencyKey::from_headers(&headers);
    let values = |name: &str| {
        let values = headers.get_all(name).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .collect::<Vec<_>>()
    };
    let trace = Trace::read(
        values("traceparent").into_iter(),
        values("tracestate").into_iter(),
    );
    drop(trace);
    for value in values("retry-after") {
        let _ = answer::retry_after(value, Timestamp::from_ms(1_790_000_000_000));
    }
}

/// Filters, a zero byte, and the data of an event that they judge.
pub fn filters(bytes: &[u8]) {
    let split = bytes.iter().position(|byte| *byte == 0);
    let (filters, data) = bytes.split_at(split.unwrap_or(bytes.len()));
    let Ok(text) = std::str::from_utf8(filters) else {
        return;
    };
    let Ok(filters) = Filters::parse(text) else {
        return;
    };
    let attributes = Attributes {
        source: Some("shop".into()),
        ..Attributes::default()
    };
    let data = data.strip_prefix(b"\0").unwrap_or(data);
    let candidate = Candidate::new("invoice.paid", &attributes, data);
    let holds = filters.hold(&candidate);
    let _ = filters.explain(&candidate);
    // What is stored is read again when the gateway starts, and says the same.
    let stored = Filters::parse(filters.as_json()).expect("what was taken is taken again");
    let again = Candidate::new("invoice.paid", &attributes, data);
    assert_eq!(stored.hold(&again), holds);
}

/// A target as a tenant writes it. Whatever is let through names no address that may not be called.
pub fn url_guard(bytes: &[u8]) {
    let rules = TargetRules::default();
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(target) = TargetUrl::parse(text, &rules) else {
        return;
    };
    let url = target.url();
    assert_eq!(url.scheme(), "https");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    assert!(
        rules
            .allowed_ports
            .contains(&url.port_or_known_default().unwrap())
    );
    let again = TargetUrl::from_stored(target.as_str());
    assert_eq!(
        again.as_ref(),
        Some(&target),
        "it is read again as it is kept"
    );
    match Guard::new(rules).destination(&target) {
        Ok(Destination::Literal(address)) => assert_eq!(broken_rule(address), None),
        Ok(Destination::Name(name)) => {
            assert!(name.contains('.'));
            let spelled: Result<std::net::IpAddr, _> = name.parse();
            assert!(spelled.is_err(), "an address went through as a name");
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}

/// Where lists and readers go on. What is taken says itself again.
pub fn cursor(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(cursor) = text.parse::<PullCursor>() {
        let again = cursor.to_string().parse::<PullCursor>();
        assert_eq!(again.as_ref(), Ok(&cursor));
    }
    if let Ok(id) = text.parse::<EventId>() {
        assert_eq!(id.to_string().parse::<EventId>().ok(), Some(id));
    }
    if let Ok(id) = text.parse::<DeliveryId>() {
        assert_eq!(id.to_string().parse::<DeliveryId>().ok(), Some(id));
    }
}
