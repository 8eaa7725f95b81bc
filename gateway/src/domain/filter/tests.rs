//! What filters let pass, and which are refused where.

use super::*;
use crate::domain::event::{Attributes, ExtensionValue};

const DATA: &str = r#"{"amount": 100.50, "big": 9007199254740993, "tiny": 1e-400, "name": "Zoë",
    "esc": "\u005a", "ok": true, "none": null, "tags": ["a", "b"], "a/b": {"~": 1}, "deep": {}}"#;

fn holds(filters: &str) -> bool {
    let filters = Filters::parse(filters).unwrap();
    let attributes = Attributes {
        source: Some("/billing/eu".into()),
        subject: Some("inv-7".into()),
        extensions: vec![
            ("region".into(), "eu".into()),
            ("tries".into(), ExtensionValue::Integer(3)),
        ],
        ..Attributes::default()
    };
    let candidate = Candidate::new("invoice.paid", &attributes, DATA.as_bytes());
    let holds = filters.hold(&candidate);
    let findings = filters.explain(&candidate);
    let top_level = findings
        .iter()
        .filter(|finding| finding.pointer.matches('/').count() == 3);
    assert_eq!(top_level.clone().all(|finding| finding.holds), holds);
    holds
}

#[test]
fn attributes_are_compared_as_text() {
    for (filter, expected) in [
        (r#"{"exact": {"source": "/billing/eu"}}"#, true),
        (r#"{"exact": {"source": "/Billing/eu"}}"#, false),
        (
            r#"{"exact": {"source": "/billing/eu", "type": "invoice.paid"}}"#,
            true,
        ),
        (
            r#"{"exact": {"source": "/billing/eu", "type": "invoice"}}"#,
            false,
        ),
        (r#"{"exact": {"missing": "x"}}"#, false),
        (r#"{"exact": {"tries": "3"}}"#, true),
        (
            r#"{"exact": {"datacontenttype": "application/json"}}"#,
            true,
        ),
        (r#"{"prefix": {"type": "invoice."}}"#, true),
        (r#"{"prefix": {"subject": "nv"}}"#, false),
        (r#"{"suffix": {"type": ".paid", "region": "u"}}"#, true),
        (r#"{"suffix": {"type": ".sent"}}"#, false),
        (
            r#"{"all": [{"exact": {"region": "eu"}}, {"prefix": {"subject": "inv"}}]}"#,
            true,
        ),
        (
            r#"{"all": [{"exact": {"region": "eu"}}, {"prefix": {"subject": "x"}}]}"#,
            false,
        ),
        (
            r#"{"any": [{"exact": {"region": "us"}}, {"prefix": {"subject": "inv"}}]}"#,
            true,
        ),
        (r#"{"any": [{"exact": {"region": "us"}}]}"#, false),
        (r#"{"not": {"exact": {"region": "us"}}}"#, true),
        (r#"{"not": {"exact": {"missing": "us"}}}"#, true),
        (r#"{"sql": "region = 'eu' AND tries > 2"}"#, true),
        (r#"{"not": {"sql": "missing = 'eu'"}}"#, true),
    ] {
        assert_eq!(holds(&format!("[{filter}]")), expected, "{filter}");
    }
}

#[test]
fn data_is_compared_by_pointer() {
    for (rule, expected) in [
        (r#""pointer": "/amount", "eq": 100.5"#, true),
        (r#""pointer": "/amount", "eq": "100.50""#, false),
        (r#""pointer": "/amount", "gt": 100, "lt": 101"#, true),
        (r#""pointer": "/amount", "gt": 100.5"#, false),
        (r#""pointer": "/amount", "gte": 100.5"#, true),
        (r#""pointer": "/amount", "lte": 100.49"#, false),
        (r#""pointer": "/big", "eq": 9007199254740993"#, true),
        (r#""pointer": "/big", "eq": 9007199254740992"#, false),
        (
            r#""pointer": "/big", "gt": 9007199254740992.9999999999"#,
            true,
        ),
        (r#""pointer": "/tiny", "gt": 0"#, true),
        (r#""pointer": "/name", "eq": "Zo\u00eb""#, true),
        (r#""pointer": "/esc", "in": ["x", "Z"]"#, true),
        (r#""pointer": "/name", "in": ["x", 1, null]"#, false),
        (r#""pointer": "/name", "prefix": "Zo""#, true),
        (r#""pointer": "/name", "gt": 1"#, false),
        (r#""pointer": "/name", "ne": 1"#, true),
        (r#""pointer": "/ok", "eq": true"#, true),
        (r#""pointer": "/ok", "prefix": "tr""#, false),
        (r#""pointer": "/none", "eq": null"#, true),
        (r#""pointer": "/none", "exists": true"#, true),
        (r#""pointer": "/tags/1", "eq": "b""#, true),
        (r#""pointer": "/tags/01", "exists": true"#, false),
        (r#""pointer": "/tags/2", "exists": false"#, true),
        (r#""pointer": "/tags", "ne": "b""#, true),
        (r#""pointer": "/tags", "exists": true"#, true),
        (r#""pointer": "/a~1b/~0", "eq": 1"#, true),
        (r#""pointer": "", "exists": true"#, true),
        (r#""pointer": "/missing", "exists": true"#, false),
        (r#""pointer": "/missing", "eq": null"#, false),
        (r#""pointer": "/missing", "ne": 1"#, false),
        (r#""pointer": "/missing", "lt": 1"#, false),
        (r#""pointer": "/missing", "in": [null]"#, false),
        (r#""pointer": "/missing/deeper", "prefix": """#, false),
    ] {
        assert_eq!(
            holds(&format!(r#"[{{"data": {{{rule}}}}}]"#)),
            expected,
            "{rule}"
        );
    }
}

#[test]
fn all_filters_must_hold_and_none_is_always_fine() {
    assert!(holds("[]"));
    assert!(holds(
        r#"[{"exact": {"region": "eu"}}, {"data": {"pointer": "/ok", "eq": true}}]"#
    ));
    assert!(!holds(
        r#"[{"exact": {"region": "eu"}}, {"data": {"pointer": "/ok", "eq": false}}]"#
    ));
}

#[test]
fn data_that_is_not_json_has_no_members() {
    let filters = Filters::parse(r#"[{"data": {"pointer": "/a", "exists": true}}]"#).unwrap();
    let attributes = Attributes {
        content_type: Some("text/plain".into()),
        ..Attributes::default()
    };
    let candidate = Candidate::new("t", &attributes, br#"{"a": 1}"#);
    assert!(!filters.hold(&candidate));
}

/// Each filter alone, with the place and a part of the words of its refusal.
fn assert_refused(table: &[(&str, &str, &str)]) {
    for (filter, pointer, cause) in table {
        let errors = Filters::parse(&format!("[{filter}]")).expect_err(filter);
        assert_eq!(errors[0].pointer, *pointer, "{filter}");
        assert!(errors[0].detail.contains(cause), "{filter}: {}", errors[0]);
    }
}

#[test]
fn mistakes_in_attributes_are_named_by_their_place() {
    assert_refused(&[
        ("1", "/0", "an object"),
        ("{}", "/0", "exactly one member"),
        (
            r#"{"exact": {"a": "b"}, "not": {}}"#,
            "/0",
            "exactly one member",
        ),
        (
            r#"{"regex": {"a": "b"}}"#,
            "/0/regex",
            "no dialect; there are exact",
        ),
        (r#"{"exact": {}}"#, "/0/exact", "at least one attribute"),
        (r#"{"exact": {"a": ""}}"#, "/0/exact/a", "not empty"),
        (r#"{"exact": {"a": 1}}"#, "/0/exact/a", "must be a text"),
        (
            r#"{"prefix": {"data.a": "x"}}"#,
            "/0/prefix/data.a",
            "the dialect data",
        ),
        (r#"{"suffix": []}"#, "/0/suffix", "an object"),
        (r#"{"all": []}"#, "/0/all", "at least one filter"),
        (r#"{"any": {}}"#, "/0/any", "an array"),
        (
            r#"{"any": [{"exact": {"a": "b"}}, {"x": 1}]}"#,
            "/0/any/1/x",
            "no dialect",
        ),
        (r#"{"not": []}"#, "/0/not", "an object"),
        (r#"{"sql": 1}"#, "/0/sql", "a text"),
        (r#"{"sql": "source ="}"#, "/0/sql", "position 8"),
    ]);
}

#[test]
fn mistakes_in_comparisons_are_named_by_their_place() {
    let long_in = format!(
        r#"{{"data": {{"pointer": "", "in": [{}]}}}}"#,
        vec!["1"; 101].join(",")
    );
    assert_refused(&[
        (r#"{"data": {"eq": 1}}"#, "/0/data", "needs a pointer"),
        (
            r#"{"data": {"pointer": "/a"}}"#,
            "/0/data",
            "needs a comparison",
        ),
        (
            r#"{"data": {"pointer": "a", "eq": 1}}"#,
            "/0/data/pointer",
            "a JSON pointer",
        ),
        (
            r#"{"data": {"pointer": "/~2", "eq": 1}}"#,
            "/0/data/pointer",
            "a JSON pointer",
        ),
        (
            r#"{"data": {"pointer": "/a", "like": 1}}"#,
            "/0/data/like",
            "no comparison",
        ),
        (
            r#"{"data": {"pointer": "/a", "gt": "1"}}"#,
            "/0/data/gt",
            "a number",
        ),
        (
            r#"{"data": {"pointer": "/a", "eq": {}}}"#,
            "/0/data/eq",
            "a string, a number",
        ),
        (
            r#"{"data": {"pointer": "/a", "in": []}}"#,
            "/0/data/in",
            "1 to 100",
        ),
        (
            r#"{"data": {"pointer": "/a", "exists": 1}}"#,
            "/0/data/exists",
            "true or false",
        ),
        (&long_in, "/0/data/in", "1 to 100"),
    ]);
}

#[test]
fn filters_have_bounds() {
    const ONE: &str = r#"{"exact": {"a": "b"}}"#;
    let deep = format!("{}{ONE}{}", r#"{"not": "#.repeat(9), "}".repeat(9));
    let many = format!(r#"{{"any": [{}]}}"#, vec![ONE; 200].join(","));
    assert_refused(&[
        (&deep, "/0/not/not/not/not/not/not/not/not/not", "8 levels"),
        (&many, "/0/any/199", "200 are allowed"),
    ]);
    let long = format!(r#"[{{"exact": {{"a": "{}"}}}}]"#, "x".repeat(17_000));
    for (filters, cause) in [
        ("{}", "an array"),
        (&*format!("[{}]", vec![ONE; 51].join(",")), "50 are allowed"),
        (&*long, "16384 are allowed"),
    ] {
        let errors = Filters::parse(filters).unwrap_err();
        assert!(errors[0].pointer.is_empty() && errors[0].detail.contains(cause));
    }
    let two = Filters::parse(r#"[{"x": 1}, {"exact": {"a": "b"}}, {"y": 1}]"#).unwrap_err();
    assert_eq!(two.len(), 2);
}

#[test]
fn filters_keep_the_digits_that_were_written() {
    let text = r#"[{"data":{"pointer":"/a","eq":1.00000000000000000000001}}]"#;
    assert_eq!(Filters::parse(text).unwrap().as_json(), text);
    assert_eq!(Filters::parse(" [ ] ").unwrap(), Filters::default());
}
