//! Writes the body of a delivery around data that stays as it came, byte for byte.
//!
//! The envelope is put together by hand because data that is parsed and written again is not the
//! producer's any more: numbers, key order and spaces would change. Never makes an empty body,
//! since verifiers choke on those.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};

use super::cloudevents;
use crate::domain::event::{Attributes, Event, is_json};
use crate::domain::subscription::Format;
use crate::domain::tenant::TenantName;

/// Data as it is to go out: the event's own, or what its plugins made of it. What calls itself
/// JSON is JSON: `ingest` and the pipeline have seen to it.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    pub content_type: &'a str,
    pub data: &'a Bytes,
}

/// A body, its media type, and the headers that belong to its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub content_type: Box<str>,
    pub bytes: Bytes,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Body {
    fn json(bytes: impl Into<Bytes>) -> Self {
        Self {
            content_type: Attributes::DEFAULT_CONTENT_TYPE.into(),
            bytes: bytes.into(),
            headers: Vec::new(),
        }
    }

    /// The data as it is. An event without data has to be told apart from one that never arrived.
    fn data(content: Content<'_>) -> Self {
        if content.data.is_empty() {
            return Self::json(Bytes::from_static(b"null"));
        }
        Self {
            content_type: content.content_type.into(),
            bytes: content.data.clone(),
            headers: Vec::new(),
        }
    }
}

/// The body of one delivery in the subscription's format.
#[must_use]
pub fn write(format: Format, event: &Event, content: Content<'_>, tenant: &TenantName) -> Body {
    match format {
        Format::Raw => Body::data(content),
        Format::Event => Body::json(envelope(event, content)),
        Format::CloudEventsStructured => Body {
            content_type: cloudevents::MEDIA_TYPE.into(),
            bytes: cloudevents::structured(event, content, tenant).into(),
            headers: Vec::new(),
        },
        Format::CloudEventsBinary => Body {
            headers: cloudevents::headers(event, content, tenant),
            ..Body::data(content)
        },
    }
}

/// `{"type", "timestamp", "data", "id", "sequence"}`. Data of another type than JSON goes as
/// `data_base64` with its `content_type`.
fn envelope(event: &Event, Content { content_type, data }: Content<'_>) -> Vec<u8> {
    let mut text = Vec::with_capacity(192 + event.event_type.len() + data.len());
    text.extend_from_slice(br#"{"type":"#);
    write_string(&mut text, &event.event_type);
    text.extend_from_slice(br#","timestamp":""#);
    text.extend_from_slice(event.time().to_rfc3339().as_bytes());
    text.push(b'"');
    if data.is_empty() {
        text.extend_from_slice(br#","data":null"#);
    } else if is_json(content_type) {
        text.extend_from_slice(br#","data":"#);
        text.extend_from_slice(data);
    } else {
        text.extend_from_slice(br#","data_base64":""#);
        text.extend_from_slice(STANDARD.encode(data).as_bytes());
        text.extend_from_slice(br#"","content_type":"#);
        write_string(&mut text, content_type);
    }
    // Both as text: the sequence has more digits than a JavaScript number keeps, and with all of
    // its 19 it sorts the same as text and as number.
    let tail = format!(
        r#","id":"{}","sequence":"{:019}"}}"#,
        event.id,
        event.id.get()
    );
    text.extend_from_slice(tail.as_bytes());
    text
}

pub(super) fn write_string(text: &mut Vec<u8>, value: &str) {
    serde_json::to_writer(text, value).expect("a string can be written into memory");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::ids::{EventId, LaneId, TenantId};

    fn event(content_type: Option<&str>, data: &'static [u8]) -> Event {
        Event {
            id: EventId::first_at(Timestamp::from_ms(1_700_000_000_000), LaneId::new(3)),
            tenant: TenantId::new(1),
            event_type: "invoice.\"paid\"".into(),
            attributes: Attributes {
                content_type: content_type.map(Into::into),
                time: Some(Timestamp::from_ms(1_600_000_000_000)),
                ..Attributes::default()
            },
            data: Bytes::from_static(data),
        }
    }

    fn original(event: &Event) -> Content<'_> {
        Content {
            content_type: event.attributes.content_type(),
            data: &event.data,
        }
    }

    fn parsed(event: &Event, content: Content<'_>) -> Value {
        let body = write(Format::Event, event, content, &TenantName::unnamed());
        assert_eq!(&*body.content_type, "application/json");
        serde_json::from_slice(&body.bytes).unwrap()
    }

    #[test]
    fn the_envelope_names_type_time_id_and_sequence() {
        let event = event(None, br#"{"a":1}"#);
        assert_eq!(
            parsed(&event, original(&event)),
            json!({
                "type": "invoice.\"paid\"",
                "timestamp": "2020-09-13T12:26:40Z",
                "data": {"a": 1},
                "id": event.id.to_string(),
                "sequence": format!("{:019}", event.id.get()),
            })
        );
    }

    #[test]
    fn json_data_keeps_every_byte() {
        for data in [
            &b"{ \"b\" : 1.0e+2,\n\"b\":1.00, \"a\":\"\\u00e9\" }"[..],
            b"123456789012345678901234567890",
            b" [ ] ",
        ] {
            let event = event(None, data);
            let body = write(
                Format::Event,
                &event,
                original(&event),
                &TenantName::unnamed(),
            );
            let inside = body.bytes.windows(data.len()).any(|window| window == data);
            assert!(inside, "{:?}", body.bytes);
        }
    }

    #[test]
    fn other_data_goes_as_base64_with_its_type() {
        let event = event(Some("text/plain"), b"hi\0");
        let body = parsed(&event, original(&event));
        assert_eq!(body["data_base64"], "aGkA");
        assert_eq!(body["content_type"], "text/plain");
        assert_eq!(body.get("data"), None);
    }

    #[test]
    fn plugins_may_change_data_and_type() {
        let event = event(None, br#"{"a":1}"#);
        let slim = Content {
            content_type: "application/json",
            data: &Bytes::from_static(b"{}"),
        };
        assert_eq!(parsed(&event, slim)["data"], json!({}));
        let csv = Content {
            content_type: "text/csv",
            data: &Bytes::from_static(b"a,b"),
        };
        let body = write(Format::Raw, &event, csv, &TenantName::unnamed());
        assert_eq!(
            (&*body.content_type, &*body.bytes),
            ("text/csv", &b"a,b"[..])
        );
    }

    #[test]
    fn no_body_is_empty() {
        for content_type in [None, Some("text/plain")] {
            let event = event(content_type, b"");
            assert_eq!(parsed(&event, original(&event))["data"], Value::Null);
            let raw = write(
                Format::Raw,
                &event,
                original(&event),
                &TenantName::unnamed(),
            );
            assert_eq!(&*raw.bytes, b"null");
        }
    }
}
