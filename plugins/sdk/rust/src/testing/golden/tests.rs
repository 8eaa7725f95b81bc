//! A runner that finds no difference is worth nothing: here it has to find them.

use super::case;
use super::{Answer, Reception, Verdict};
use crate::testing::{event, request};
use crate::{Draft, Failure};

fn compare(expect: &str, answer: &Result<Answer, Failure>) -> Result<(), String> {
    let text = format!(r#"{{"name": "n", "event": {{"type": "a.b"}}, "expect": {expect}}}"#);
    case::read(&text).unwrap()[0].compare(answer, &[])
}

#[test]
fn json_compares_by_meaning_and_text_by_bytes() {
    let replaced = Ok(Answer::Verdict(Verdict::Replace(
        br#"{"a":1.50,"b":["\u00e9"]}"#.into(),
    )));
    for same in [
        r#"{"replace": {"b": ["é"], "a": 1.50}}"#,
        r#"{"replace_text": "{\"a\":1.50,\"b\":[\"\\u00e9\"]}"}"#,
        r#"{"replace_base64": "eyJhIjoxLjUwLCJiIjpbIlx1MDBlOSJdfQ=="}"#,
    ] {
        assert_eq!(compare(same, &replaced), Ok(()), "{same}");
    }
    for other in [
        r#"{"replace": {"b": ["é"], "a": 1.5}}"#,
        r#"{"replace": {"b": ["é"]}}"#,
        r#"{"replace_text": "{\"a\":1.50, \"b\":[\"\\u00e9\"]}"}"#,
        r#"{"unusable_event": "no"}"#,
        "\"pass\"",
        "true",
    ] {
        assert!(compare(other, &replaced).is_err(), "{other}");
    }
}

#[test]
fn each_answer_is_told_from_its_neighbours() {
    let draft = Draft {
        id: Some("1".into()),
        ..Draft::new("a.b", "{}")
    };
    let accepted = Ok(Answer::Reception(Reception::Accepted(vec![draft])));
    assert_eq!(
        compare(
            r#"{"accepted": [{"type": "a.b", "id": "1", "data": {}}]}"#,
            &accepted
        ),
        Ok(())
    );
    for other in [
        r#"{"accepted": []}"#,
        r#"{"accepted": [{"type": "a.b", "data": {}}]}"#,
        r#"{"accepted": [{"type": "a.b", "id": "1", "data": []}]}"#,
        r#"{"accepted": [{"type": "a.b", "id": "1", "key": "k"}]}"#,
        r#"{"rejected": "no"}"#,
    ] {
        assert!(compare(other, &accepted).is_err(), "{other}");
    }
    let rejected = Ok(Answer::Reception(Reception::Rejected("no".into())));
    assert_eq!(compare(r#"{"rejected": "no"}"#, &rejected), Ok(()));
    assert!(compare(r#"{"rejected": "yes"}"#, &rejected).is_err());
    assert!(compare("false", &Ok(Answer::Accepts(true))).is_err());
    let later = Err(Failure::AgainLater("x".into()));
    assert!(compare(r#"{"unusable_event": "x"}"#, &later).is_err());
    assert_eq!(compare(r#"{"again_later": "x"}"#, &later), Ok(()));
}

#[test]
fn what_is_not_known_is_refused_with_its_place() {
    let refusal = |text| case::read(text).unwrap_err().to_string();
    let text = r#"[{"name": "n", "event": {"type": "a.b", "dta": 1}, "expect": "pass"}]"#;
    assert!(
        refusal(text).starts_with("[0].event.dta: unknown field `dta`"),
        "{}",
        refusal(text)
    );
    let pass = Ok(Answer::Verdict(Verdict::Pass));
    for (expect, message) in [
        (r#"{"replce": 1}"#, "expect: replce: unknown field"),
        ("{}", "nothing is expected"),
        (r#"{"drop": "a", "replace": 1}"#, "two things"),
        (r#"{"replace": 1, "replace_text": "1"}"#, "not several"),
        (r#"{"replace_base64": "*"}"#, "replace_base64: "),
    ] {
        let refusal = compare(expect, &pass).unwrap_err();
        assert!(refusal.contains(message), "{refusal}");
    }
}

#[test]
fn events_and_requests_are_made_as_written() {
    let text = r#"{"name": "n", "expect": "pass",
        "event": {"type": "a.b", "data": null, "time": "1970-01-01T00:00:01Z", "attributes": {"x": "1"}},
        "request": {"headers": [["X-A", "1"], ["x-a", "2"]], "body_text": "hi"}}"#;
    let case = &case::read(text).unwrap()[0];
    let mut expected = event("null");
    expected.event_type = "a.b".into();
    expected.time_ms = 1000;
    expected
        .attributes
        .push(crate::testing::attribute("x", "1"));
    assert_eq!(case.event(), Ok(expected));
    let mut expected = request("hi");
    expected.secret = None;
    expected.headers = ["1", "2"]
        .map(|value| crate::testing::attribute("x-a", value))
        .into();
    assert_eq!(case.request(), Ok(expected));
    assert!(case.events().is_err());
}
