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
use crate::domain::parcel::{Item, Merged, Parcel};
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

/// The data of an event as its plugins left it.
#[must_use]
pub fn content(item: &Item) -> Content<'_> {
    match &item.outgoing {
        None => Content {
            content_type: item.event.attributes.content_type(),
            data: &item.event.data,
        },
        Some(outgoing) => Content {
            content_type: outgoing
                .content_type
                .as_deref()
                .unwrap_or(Attributes::DEFAULT_CONTENT_TYPE),
            data: &outgoing.data,
        },
    }
}

/// The body of what one request carries, in the subscription's format. A batch is a list, in which
/// each item names itself.
#[must_use]
pub fn of_parcel(format: Format, parcel: &Parcel, tenant: &TenantName) -> Body {
    match &parcel.items[..] {
        [item] if !parcel.is_batch() => {
            let extra = Extra {
                sequence: parcel.sequence,
                merged: parcel.merged(),
            };
            single(format, &item.event, content(item), (tenant, extra))
        }
        items if format == Format::CloudEventsStructured => Body {
            content_type: cloudevents::BATCH_MEDIA_TYPE.into(),
            bytes: list(items, (b"[", b"]"), |item| {
                cloudevents::structured(&item.event, content(item), (tenant, None))
            }),
            headers: Vec::new(),
        },
        items => Body::json(list(items, (br#"{"items":["#, b"]}"), |item| {
            envelope(&item.event, content(item), Extra::default())
        })),
    }
}

fn list(items: &[Item], (open, close): (&[u8], &[u8]), write: impl Fn(&Item) -> Vec<u8>) -> Bytes {
    let mut text = open.to_vec();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&write(item));
    }
    text.extend_from_slice(close);
    text.into()
}

/// What a delivery says beside its event.
#[derive(Clone, Copy, Debug, Default)]
struct Extra {
    /// In place of the event's id.
    sequence: Option<i64>,
    merged: Option<Merged>,
}

/// A sequence as text: it has more digits than a JavaScript number keeps, and with all of its 19 it
/// sorts the same as text and as number.
pub(super) fn sequence_text(sequence: i64) -> String {
    format!("{sequence:019}")
}

fn single(
    format: Format,
    event: &Event,
    content: Content<'_>,
    (tenant, extra): (&TenantName, Extra),
) -> Body {
    match format {
        Format::Raw => Body::data(content),
        Format::Event => Body::json(envelope(event, content, extra)),
        Format::CloudEventsStructured => Body {
            content_type: cloudevents::MEDIA_TYPE.into(),
            bytes: cloudevents::structured(event, content, (tenant, extra.sequence)).into(),
            headers: Vec::new(),
        },
        Format::CloudEventsBinary => Body {
            headers: cloudevents::headers(event, content, (tenant, extra.sequence)),
            ..Body::data(content)
        },
    }
}

/// `{"type", "timestamp", "data", "id", "sequence"}`. Data of another type than JSON goes as
/// `data_base64` with its `content_type`. What stands for others says for which, in `merged`.
fn envelope(event: &Event, Content { content_type, data }: Content<'_>, extra: Extra) -> Vec<u8> {
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
    if let Some(merged) = extra.merged {
        let merged = format!(
            r#","merged":{{"count":{},"first":"{}","last":"{}"}}"#,
            merged.count,
            sequence_text(merged.first.get()),
            sequence_text(merged.last.get())
        );
        text.extend_from_slice(merged.as_bytes());
    }
    let sequence = extra.sequence.unwrap_or(event.id.get());
    let tail = format!(
        r#","id":"{}","sequence":"{}"}}"#,
        event.id,
        sequence_text(sequence)
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
    use std::sync::Arc;

    use crate::domain::ids::{EventId, LaneId, SubscriptionId, TenantId};
    use crate::domain::queueing::Grouping;

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

    fn write(format: Format, event: &Event, content: Content<'_>) -> Body {
        single(
            format,
            event,
            content,
            (&TenantName::unnamed(), Extra::default()),
        )
    }

    #[test]
    fn a_batch_is_a_list_in_which_each_item_names_itself() {
        let (one, other) = (event(None, br#"{"a":1}"#), event(Some("text/plain"), b"hi"));
        let mut parcel = Parcel::of(SubscriptionId::new(1), Arc::new(one.clone()), None);
        parcel.items.push(Item {
            event: Arc::new(other.clone()),
            outgoing: None,
        });
        parcel.group = Some((Grouping::Batch, [one.id, other.id].into()));
        let body = of_parcel(Format::Event, &parcel, &TenantName::unnamed());
        let body: Value = serde_json::from_slice(&body.bytes).unwrap();
        assert_eq!(body["items"][0]["data"], json!({"a": 1}));
        assert_eq!(body["items"][1]["data_base64"], "aGk=");
        assert_eq!(body["items"][1]["id"], other.id.to_string());

        let format = Format::CloudEventsStructured;
        let batch = of_parcel(format, &parcel, &TenantName::unnamed());
        assert_eq!(&*batch.content_type, "application/cloudevents-batch+json");
        let list: Value = serde_json::from_slice(&batch.bytes).unwrap();
        assert_eq!(
            (
                list[0]["specversion"].as_str(),
                list.as_array().unwrap().len()
            ),
            (Some("1.0"), 2)
        );
    }

    #[test]
    fn what_stands_for_others_names_their_range_and_count() {
        let event = event(None, b"1");
        let mut parcel = Parcel::of(SubscriptionId::new(1), Arc::new(event.clone()), None);
        let members: Vec<EventId> = [5, 7, 9].map(EventId::new).into();
        parcel.group = Some((Grouping::Latest, members.into()));
        let body = of_parcel(Format::Event, &parcel, &TenantName::unnamed());
        let body: Value = serde_json::from_slice(&body.bytes).unwrap();
        let expected =
            json!({"count": 3, "first": format!("{:019}", 5), "last": format!("{:019}", 9)});
        assert_eq!(body["merged"], expected);
        parcel.group = Some((Grouping::Latest, [event.id].into()));
        parcel.sequence = Some(42);
        let body = of_parcel(Format::Event, &parcel, &TenantName::unnamed());
        let body: Value = serde_json::from_slice(&body.bytes).unwrap();
        assert_eq!(
            (body.get("merged"), &body["sequence"]),
            (None, &json!(format!("{:019}", 42)))
        );
    }

    fn parsed(event: &Event, content: Content<'_>) -> Value {
        let body = write(Format::Event, event, content);
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
            let body = write(Format::Event, &event, original(&event));
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
        let body = write(Format::Raw, &event, csv);
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
            let raw = write(Format::Raw, &event, original(&event));
            assert_eq!(&*raw.bytes, b"null");
        }
    }
}
