//! Events as CloudEvents 1.0 going out: one JSON object, or headers beside the data.
//!
//! The producer's id, source, type and extensions stay as they are. Where it gave no id or source,
//! the event's own id and `/tenants/NAME` stand in, so that every delivery is a valid CloudEvent and
//! id and source together tell duplicates. `sequence` is added where the producer has none. JSON
//! data keeps its bytes in either form.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderName, HeaderValue};

use super::body::{Content, sequence_text, write_string};
use crate::domain::event::{Event, ExtensionValue, is_json};
use crate::domain::tenant::TenantName;

/// Media type of the structured form.
pub(super) const MEDIA_TYPE: &str = "application/cloudevents+json";
/// Media type of several of them in a list.
pub(super) const BATCH_MEDIA_TYPE: &str = "application/cloudevents-batch+json";
const SEQUENCE: &str = "sequence";

/// The attributes of an event that are not extensions, in the order in which they are written.
fn context<'a>(
    event: &'a Event,
    content: Content<'_>,
    tenant: &TenantName,
) -> Vec<(&'static str, Cow<'a, str>)> {
    let attributes = &event.attributes;
    let id = attributes.producer_id.as_deref().map(Cow::from);
    let source = attributes.source.as_deref().map(Cow::from);
    let mut context = vec![
        ("specversion", "1.0".into()),
        ("id", id.unwrap_or_else(|| event.id.to_string().into())),
        (
            "source",
            source.unwrap_or_else(|| format!("/tenants/{tenant}").into()),
        ),
        ("type", (&*event.event_type).into()),
        ("time", event.time().to_rfc3339().into()),
    ];
    if let Some(subject) = attributes.subject.as_deref() {
        context.push(("subject", subject.into()));
    }
    // A plugin that changed the type of the data has left its schema.
    let is_as_it_came = content.content_type == attributes.content_type();
    if let Some(schema) = attributes.data_schema.as_deref().filter(|_| is_as_it_came) {
        context.push(("dataschema", schema.into()));
    }
    context
}

fn sequence(event: &Event, own: Option<i64>) -> Option<String> {
    let mut extensions = event.attributes.extensions.iter();
    let has_one = extensions.any(|(name, _)| **name == *SEQUENCE);
    let number = own.unwrap_or(event.id.get());
    (!has_one).then(|| sequence_text(number))
}

/// The structured form.
pub(super) fn structured(
    event: &Event,
    content: Content<'_>,
    (tenant, own): (&TenantName, Option<i64>),
) -> Vec<u8> {
    let mut text = Vec::with_capacity(384 + content.data.len());
    text.push(b'{');
    for (name, value) in context(event, content, tenant) {
        member(&mut text, name, |text| write_string(text, &value));
    }
    for (name, value) in &event.attributes.extensions {
        member(&mut text, name, |text| match value {
            ExtensionValue::Text(value) => write_string(text, value),
            other => text.extend_from_slice(other.to_string().as_bytes()),
        });
    }
    if let Some(sequence) = sequence(event, own) {
        member(&mut text, SEQUENCE, |text| write_string(text, &sequence));
    }
    if !content.data.is_empty() {
        member(&mut text, "datacontenttype", |text| {
            write_string(text, content.content_type);
        });
        write_data(&mut text, content);
    }
    text.push(b'}');
    text
}

fn member(text: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    if text.len() > 1 {
        text.push(b',');
    }
    write_string(text, name);
    text.push(b':');
    value(text);
}

/// JSON as it is, text as a string, anything else in base64.
fn write_data(text: &mut Vec<u8>, Content { content_type, data }: Content<'_>) {
    if is_json(content_type) {
        member(text, "data", |text| text.extend_from_slice(data));
        return;
    }
    let is_text = content_type
        .get(..5)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("text/"));
    match std::str::from_utf8(data) {
        Ok(data) if is_text => member(text, "data", |text| write_string(text, data)),
        _ => member(text, "data_base64", |text| {
            write_string(text, &STANDARD.encode(data));
        }),
    }
}

/// The headers of the binary form; the data goes as it is.
pub(super) fn headers(
    event: &Event,
    content: Content<'_>,
    (tenant, own): (&TenantName, Option<i64>),
) -> Vec<(HeaderName, HeaderValue)> {
    let context = context(event, content, tenant).into_iter();
    let extensions = event.attributes.extensions.iter();
    let extensions = extensions.map(|(name, value)| (&**name, value.to_string().into()));
    let sequence = sequence(event, own).map(|sequence| (SEQUENCE, sequence.into()));
    context
        .chain(extensions)
        .chain(sequence)
        .filter_map(|(name, value): (&str, Cow<'_, str>)| {
            let name = HeaderName::try_from(format!("ce-{name}")).ok()?;
            let value = HeaderValue::try_from(percent_encoded(&value)).ok()?;
            Some((name, value))
        })
        .collect()
}

/// Space, quote, percent sign and everything that is not visible ASCII, as percent signs and
/// upper-case hex of the UTF-8.
fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_graphic() && byte != b'"' && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::super::testing;
    use super::*;

    fn tenant() -> TenantName {
        "acme".parse().unwrap()
    }

    fn content<'a>(content_type: &'a str, data: &'a Bytes) -> Content<'a> {
        Content { content_type, data }
    }

    fn full() -> Event {
        let mut event = testing::event(b"1");
        event.attributes.producer_id = Some("42".into());
        event.attributes.source = Some("/shop".into());
        event.attributes.subject = Some("Order \"7\" 100% \u{20ac}".into());
        event.attributes.data_schema = Some("https://example.com/schema".into());
        event.attributes.extensions = vec![
            ("region".into(), "eu".into()),
            ("tries".into(), ExtensionValue::Integer(3)),
            ("urgent".into(), ExtensionValue::Boolean(true)),
            ("sequence".into(), "17".into()),
        ];
        event
    }

    #[test]
    fn the_structured_form_keeps_what_the_producer_gave() {
        let data = Bytes::from_static(br#"{ "b" : 1.0e2 }"#);
        let text = structured(
            &full(),
            content("application/json", &data),
            (&tenant(), None),
        );
        assert!(text.windows(data.len()).any(|window| window == data));
        assert_eq!(
            serde_json::from_slice::<Value>(&text).unwrap(),
            json!({
                "specversion": "1.0", "id": "42", "source": "/shop", "type": "invoice.paid",
                "time": "2023-11-14T22:13:20Z", "subject": "Order \"7\" 100% €",
                "dataschema": "https://example.com/schema", "region": "eu", "tries": 3,
                "urgent": true, "sequence": "17", "datacontenttype": "application/json",
                "data": {"b": 100.0}
            })
        );
    }

    #[test]
    fn what_the_producer_left_out_is_filled_in() {
        let event = testing::event(b"");
        let text = structured(
            &event,
            content("application/json", &Bytes::new()),
            (&tenant(), None),
        );
        assert_eq!(
            serde_json::from_slice::<Value>(&text).unwrap(),
            json!({
                "specversion": "1.0", "id": event.id.to_string(), "source": "/tenants/acme",
                "type": "invoice.paid", "time": "2023-11-14T22:13:20Z",
                "sequence": format!("{:019}", event.id.get())
            })
        );
    }

    #[test]
    fn text_goes_as_text_and_bytes_as_base64() {
        let written = |content_type, data: &'static [u8]| -> Value {
            let data = Bytes::from_static(data);
            let text = structured(&full(), content(content_type, &data), (&tenant(), None));
            serde_json::from_slice(&text).unwrap()
        };
        let text = written("text/csv", b"a,\"b\"");
        assert_eq!(
            (&text["data"], text.get("dataschema")),
            (&json!("a,\"b\""), None)
        );
        assert_eq!(written("text/plain", b"\xff")["data_base64"], "/w==");
        assert_eq!(written("image/png", b"hi")["data_base64"], "aGk=");
    }

    #[test]
    fn the_binary_form_is_in_headers_with_percent_signs() {
        let data = Bytes::from_static(b"1");
        let headers = headers(
            &full(),
            content("application/json", &data),
            (&tenant(), None),
        );
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(
            headers,
            [
                ("ce-specversion", "1.0"),
                ("ce-id", "42"),
                ("ce-source", "/shop"),
                ("ce-type", "invoice.paid"),
                ("ce-time", "2023-11-14T22:13:20Z"),
                ("ce-subject", "Order%20%227%22%20100%25%20%E2%82%AC"),
                ("ce-dataschema", "https://example.com/schema"),
                ("ce-region", "eu"),
                ("ce-tries", "3"),
                ("ce-urgent", "true"),
                ("ce-sequence", "17"),
            ]
        );
    }
}
