//! The requests that real SDKs send, and those that nobody should, as tables.

use http::{HeaderName, HeaderValue};

use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::event::ExtensionValue;
use crate::ingest::Identity;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    let mut map = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        map.append(name, value);
    }
    map
}

fn one(pairs: &[(&str, &str)], body: &str) -> Incoming {
    let body = Bytes::copy_from_slice(body.as_bytes());
    match read(&headers(pairs), &body) {
        Ok(Request::One(event)) => *event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_python_sdk_in_binary_mode() {
    let event = one(
        &[
            ("ce-type", "com.example.order"),
            ("ce-source", "/orders"),
            ("ce-id", "a-1"),
            ("ce-specversion", "1.0"),
            ("ce-time", "2026-11-21T21:00:00.123456Z"),
            ("ce-subject", "Order%20%227%22%20%E2%82%AC"),
            ("content-type", "application/json"),
            ("ce-tenant", "a%20b"),
        ],
        r#"{"n": 1}"#,
    );
    assert_eq!(&*event.event_type, "com.example.order");
    assert_eq!(event.attributes.subject.as_deref(), Some("Order \"7\" €"));
    assert_eq!(
        event.attributes.extensions,
        [("tenant".into(), "a b".into())]
    );
    assert_eq!(
        event.attributes.time,
        Some(Timestamp::from_ms(1_795_294_800_123))
    );
    assert_eq!(
        (&*event.data, event.identity),
        (&br#"{"n": 1}"#[..], Identity::SourceAndId)
    );
}

const REQUIRED: [(&str, &str); 4] = [
    ("ce-specversion", "1.0"),
    ("ce-type", "t"),
    ("ce-source", "/s"),
    ("ce-id", "1"),
];

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    REQUIRED.iter().chain(more).copied().collect()
}

#[test]
fn an_event_without_data_has_no_type_or_a_type_without_a_body() {
    for pairs in [
        with(&[("content-length", "0")]),
        with(&[("content-type", "application/json; charset=utf-8")]),
    ] {
        let event = one(&pairs, "");
        assert_eq!((event.data.len(), event.attributes.content_type), (0, None));
    }
}

#[test]
fn the_older_python_sdk_sends_json_without_a_type_and_values_as_they_are() {
    let pairs = with(&[
        ("ce-time", "2026-11-21T21:00:00.123456+00:00"),
        ("ce-subject", "Order \"7\" 100% ok"),
    ]);
    let event = one(&pairs, r#"{"a": [1, 2]}"#);
    assert!(event.attributes.is_json());
    assert_eq!(
        event.attributes.subject.as_deref(),
        Some("Order \"7\" 100% ok")
    );

    let bytes = one(&with(&[]), "not json");
    assert_eq!(bytes.attributes.content_type(), OPAQUE);
}

#[test]
fn latin_1_quotes_and_lower_case_hex_are_read() {
    for (value, expected) in [
        (&b"caf\xe9"[..], "café"),
        ("café".as_bytes(), "café"),
        (b"\"a \\\"b\\\"\"", "a \"b\""),
        (b"%e2%82%ac%41", "€A"),
        (b"%2541", "%41"),
    ] {
        assert_eq!(decoded(value).as_deref(), Ok(expected));
    }
    assert_eq!(decoded(b"%C0%A0"), Err(Rule::HeaderText));
}

#[test]
fn the_javascript_sdk_in_both_modes() {
    let event = one(
        &with(&[
            ("content-type", "application/json; charset=utf-8"),
            ("ce-sequence", "5"),
            ("ce-flag", "true"),
        ]),
        r#"{"b":2}"#,
    );
    assert_eq!(event.attributes.extensions.len(), 2);

    let structured = one(
        &[(
            "content-type",
            "application/cloudevents+json; charset=utf-8",
        )],
        r#"{"id":"1","time":"2026-11-21T21:00:00.000Z","type":"t","source":"/s","specversion":"1.0","sequence":5,"flag":true,"data_base64":"AQID"}"#,
    );
    assert_eq!(&*structured.data, [1, 2, 3]);
    assert_eq!(
        structured.attributes.extensions,
        [
            ("sequence".into(), ExtensionValue::Integer(5)),
            ("flag".into(), ExtensionValue::Boolean(true))
        ]
    );
}

#[test]
fn structured_data_keeps_its_bytes_and_lies_in_the_body() {
    let text = r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","subject":null,"data": {"b" : 1.0,  "a":[ ]} ,"later":"x"}"#;
    let body = Bytes::from_static(text.as_bytes());
    let headers = headers(&[("content-type", "application/cloudevents+json")]);
    let Ok(Request::One(event)) = read(&headers, &body) else {
        panic!("a valid event")
    };
    assert_eq!(&*event.data, br#"{"b" : 1.0,  "a":[ ]}"#);
    assert!(body.as_ptr_range().contains(&event.data.as_ptr()));
    assert_eq!(event.attributes.extensions, [("later".into(), "x".into())]);
}

#[test]
fn structured_text_is_taken_out_of_its_json_string() {
    let event = one(
        &[("content-type", "Application/CloudEvents+JSON")],
        r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","datacontenttype":"text/xml","data":"<a b=\"c\"/>"}"#,
    );
    assert_eq!(&*event.data, br#"<a b="c"/>"#);
    assert_eq!(event.attributes.content_type(), "text/xml");
}

#[test]
fn batches_may_be_empty_and_name_the_index_of_what_is_wrong() {
    let headers = headers(&[("content-type", "application/cloudevents-batch+json")]);
    let read = |text: &'static str| read(&headers, &Bytes::from_static(text.as_bytes()));
    assert_eq!(read("[]"), Ok(Request::Many(vec![])));
    let flaw = read(r#"[{"specversion":"1.0","type":"t","source":"/s","id":"1"},{"specversion":"1.0","type":"t","source":"/s"}]"#)
        .unwrap_err();
    assert_eq!(
        flaw.place,
        super::super::flaw::Place::Body("/1/id".to_owned())
    );
}

/// Content type, body, where it is wrong, and a word of the rule.
const BAD: [(&str, &str, &str, &str); 46] = [
    ("application/json", "", "", "not JSON"),
    ("application/json", "{", "", "not JSON"),
    ("application/json", "[]", "", "must be"),
    ("application/json", "null", "", "must be"),
    ("application/json", "\"text\"", "", "must be"),
    ("application/json", "{} {}", "", "not JSON"),
    ("application/json", "{'type': 1}", "", "not JSON"),
    ("application/json", "// no\n{}", "", "not JSON"),
    (
        "application/json",
        r#"{"type":"t","data":NaN}"#,
        "",
        "not JSON",
    ),
    (
        "application/json",
        r#"{"type":"t","data":Infinity}"#,
        "",
        "not JSON",
    ),
    (
        "application/json",
        r#"{"type":"t","data":01}"#,
        "",
        "not JSON",
    ),
    (
        "application/json",
        r#"{"type":"t","data":[1,]}"#,
        "",
        "not JSON",
    ),
    (
        "application/json",
        "{\"type\":\"t\",\"data\":\"\u{1}\"}",
        "",
        "not JSON",
    ),
    ("application/json", r#"{"data":1}"#, "/type", "missing"),
    ("application/json", r#"{"type":"t"}"#, "/data", "missing"),
    (
        "application/json",
        r#"{"type":"","data":1}"#,
        "/type",
        "empty",
    ),
    (
        "application/json",
        r#"{"type":null,"data":1}"#,
        "/type",
        "a string",
    ),
    (
        "application/json",
        r#"{"type":5,"data":1}"#,
        "/type",
        "a string",
    ),
    (
        "application/json",
        r#"{"type":["t"],"data":1}"#,
        "/type",
        "a string",
    ),
    (
        "application/json",
        r#"{"type":"a\u0000b","data":1}"#,
        "/type",
        "control",
    ),
    (
        "application/json",
        r#"{"type":"a\nb","data":1}"#,
        "/type",
        "control",
    ),
    (
        "application/json",
        r#"{"type":"\uffff","data":1}"#,
        "/type",
        "control",
    ),
    (
        "application/json",
        r#"{"type":"\ud800","data":1}"#,
        "/type",
        "not JSON",
    ),
    (
        "application/json",
        r#"{"type":"t","data":"\ud800"}"#,
        "/data",
        "surrogate",
    ),
    (
        "application/json",
        r#"{"type":"t","type":"u","data":1}"#,
        "/type",
        "twice",
    ),
    (
        "application/json",
        r#"{"type":"t","data":1,"data":2}"#,
        "/data",
        "twice",
    ),
    (
        "application/json",
        r#"{"type":"t","data":1,"Type":"u"}"#,
        "/Type",
        "not known",
    ),
    (
        "application/json",
        r#"{"type":"t","data":1,"a/b~":1}"#,
        "/a~1b~0",
        "not known",
    ),
    (
        "application/json",
        r#"{"type":"t","data":1,"tenant":"a b"}"#,
        "/tenant",
        "tenant",
    ),
    (
        "application/json",
        r#"{"type":"t","data":1,"time":"9:00"}"#,
        "/time",
        "RFC 3339",
    ),
    (
        "application/json",
        r#"{"type":"t","data":1,"time":1700000000}"#,
        "/time",
        "a string",
    ),
    (
        "application/json",
        r#"{"type":"t","data":1,"id":7}"#,
        "/id",
        "a string",
    ),
    (
        "application/json",
        r#"{"type":"t","data":1,"headers":[]}"#,
        "/headers",
        "object",
    ),
    (
        "application/json",
        r#"{"type":"t","data":1,"headers":{"x-a":1}}"#,
        "/headers",
        "object",
    ),
    (
        "application/json",
        r#"{"type":"t","data":1,"headers":{"Host":"a"}}"#,
        "/headers",
        "host",
    ),
    (
        "application/json",
        r#"{"type":"t","data":1,"headers":{"x-a":"b\r\nc: d"}}"#,
        "/headers",
        "x-a",
    ),
    (
        "application/json; charset=utf-16",
        "{}",
        "content-type",
        "UTF-8",
    ),
    ("text/plain", "{}", "content-type", "understood"),
    (
        "application/x-www-form-urlencoded",
        "a=b",
        "content-type",
        "understood",
    ),
    (
        "application/cloudevents+xml",
        "<a/>",
        "content-type",
        "understood",
    ),
    (
        "application/cloudevents+json",
        r#"{"specversion":"0.3","type":"t","source":"/s","id":"1"}"#,
        "/specversion",
        "1.0",
    ),
    (
        "application/cloudevents+json",
        r#"{"specversion":"1.0","type":"t","source":"/s","id":""}"#,
        "/id",
        "empty",
    ),
    (
        "application/cloudevents+json",
        r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","a_b":"c"}"#,
        "/a_b",
        "letters",
    ),
    (
        "application/cloudevents+json",
        r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","n":1.5}"#,
        "/n",
        "integer",
    ),
    (
        "application/cloudevents+json",
        r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","data":1,"data_base64":"AA=="}"#,
        "/data_base64",
        "beside",
    ),
    (
        "application/cloudevents+json",
        r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","data_base64":"?"}"#,
        "/data_base64",
        "base64",
    ),
];

#[test]
fn each_refusal_names_the_place_and_the_rule() {
    use super::super::flaw::Place;
    for (content_type, text, expected, word) in BAD {
        let body = Bytes::from_static(text.as_bytes());
        let Err(flaw) = read(&headers(&[("content-type", content_type)]), &body) else {
            panic!("{text} was taken")
        };
        let place = match &flaw.place {
            Place::Body(pointer) => pointer,
            Place::Header(name) => name,
        };
        assert_eq!(place, expected, "{text}");
        assert!(flaw.to_string().contains(word), "{text}: {flaw}");
    }
}

#[test]
fn huge_nesting_and_huge_objects_are_refused_at_once() {
    let deep = format!(
        r#"{{"type":"t","data":{}1{}}}"#,
        "{\"a\":".repeat(100_000),
        "}".repeat(100_000)
    );
    let wide: String = (0..100_000).map(|n| format!("\"k{n}\":1,")).collect();
    let wide = format!(r#"{{{wide}"type":"t","data":1}}"#);
    for (text, word) in [(deep, "nested"), (wide, "members")] {
        let flaw = read(
            &headers(&[("content-type", "application/json")]),
            &text.into(),
        )
        .unwrap_err();
        assert!(flaw.to_string().contains(word), "{flaw}");
    }
    let invalid_utf8 = Bytes::from_static(b"{\"type\":\"t\",\"data\":\"\xff\"}");
    assert!(read(&headers(&[]), &invalid_utf8).is_err());
}

#[test]
fn binary_mode_refuses_what_the_binding_refuses() {
    for (more, place) in [
        (("ce-datacontenttype", "text/plain"), "ce-datacontenttype"),
        (("ce-id", "2"), "ce-id"),
        (("ce-my-attribute", "1"), "ce-my-attribute"),
        (("ce-subject", "%C0%A0"), "ce-subject"),
        (("content-type", "nonsense"), "content-type"),
    ] {
        let flaw = read(&headers(&with(&[more])), &Bytes::from_static(b"1")).unwrap_err();
        assert_eq!(
            flaw.place,
            super::super::flaw::Place::Header(place.to_owned())
        );
    }
    let flaw = read(&headers(&REQUIRED[..3]), &Bytes::new()).unwrap_err();
    assert_eq!(
        flaw.to_string().split(';').next(),
        Some("the header ce-id is missing")
    );
}
