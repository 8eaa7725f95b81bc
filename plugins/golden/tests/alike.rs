//! Golden files are read twice: by this package, over the built component, and by the Rust SDK,
//! natively, which has to stand alone in an author's project. Both must read the same cases alike:
//! hand the plugin the same, and find the same answers right.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Once};

use hookgate_plugin::testing::{attribute, event, golden};
use hookgate_plugin::{Draft, Event, Failure, Message, Reception, Request, Response, Verdict};
use hookgate_plugin_golden::{GoldenFiles, Input, differences, observed};
use hookgate_plugin_host::{self as host, CallFailure, GuestEvent, GuestRequest};

const EVENTS: [&str; 12] = [
    r#"{"type": "a.b", "data": {"n": 1.50, "n": 2, "é": "\u00e9"}}"#,
    r#"{"type": "a.b", "data": null}"#,
    r#"{"type": "a.b", "data": [1,  2]}"#,
    r#"{"type": "a.b", "data_text": "plain", "content_type": "text/plain"}"#,
    r#"{"type": "a.b", "data_base64": "AAH/"}"#,
    r#"{"type": "a.b", "data": 1, "id": "e1", "source": "s/t", "tenant": "acme", "key": "k"}"#,
    r#"{"type": "a.b", "data": 1, "subject": "stands for the key"}"#,
    r#"{"type": "a.b", "data": 1, "subject": "s", "key": "k"}"#,
    r#"{"type": "a.b", "data": 1, "time": "2026-03-01T01:02:03.456+02:00"}"#,
    r#"{"type": "a.b", "data": 1, "attributes": {"region": "eu", "zone": "1"}}"#,
    r#"{"type": "a.b", "data": 1, "attributes": [["region", "eu"], ["region", "us"]]}"#,
    r#"{"type": "a.b", "data": 1, "headers": {"x-a": "not the plugin's business"}}"#,
];

const WRONG_EVENTS: [&str; 9] = [
    r#"{"type": "a.b"}"#,
    r#"{"data": 1}"#,
    r#"{"type": "a.b", "data": 1, "data_text": "1"}"#,
    r#"{"type": "a.b", "data_base64": "*"}"#,
    r#"{"type": "a.b", "data": 1, "time": "yesterday"}"#,
    r#"{"type": "a.b", "data": 1, "time": "1969-12-31T23:59:59Z"}"#,
    r#"{"type": "a.b", "data": 1, "attributes": {"region": 1}}"#,
    r#"{"type": "a.b", "data": 1, "dta": 2}"#,
    r#"{"type": 1, "data": 1}"#,
];

const REQUESTS: [&str; 6] = [
    "{}",
    r#"{"method": "put", "path": "/x", "query": "a=1", "secret": "s3cret"}"#,
    r#"{"body": {"a": 1.0}, "headers": {"X-A": "1", "x-b": "2"}}"#,
    r#"{"body": null, "headers": [["X-A", "1"], ["x-a", "2"]]}"#,
    r#"{"body_text": "a=1", "received_at": "2026-01-31T12:00:00Z"}"#,
    r#"{"body_base64": "AAH/"}"#,
];

const WRONG_REQUESTS: [&str; 4] = [
    r#"{"body": 1, "body_text": "1"}"#,
    r#"{"body_base64": "*"}"#,
    r#"{"received_at": "noon"}"#,
    r#"{"boby": 1}"#,
];

/// In which surroundings: config and claim check.
const SURROUNDINGS: [&str; 3] = [
    "",
    r#", "config": {"b": 1.50, "a": 123456789012345678901234567890}"#,
    r#", "data_url": "https://gateway.example/e""#,
];

thread_local! {
    /// What the plugins below answer.
    static ANSWER: RefCell<Option<Answer>> = const { RefCell::new(None) };
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Answers with all that it was given.
struct Tells;

impl hookgate_plugin::Transform for Tells {
    type Config = Box<serde_json::value::RawValue>;

    fn handle(event: Event, config: &Self::Config) -> Result<Verdict, Failure> {
        let seen = seen(
            &of_event(&event),
            config.get(),
            &hookgate_plugin::data_url(),
        );
        Ok(Verdict::Replace(seen.into()))
    }
}

impl hookgate_plugin::Fold for Tells {
    type Config = Box<serde_json::value::RawValue>;

    fn fold(earlier: Event, later: Event, config: &Self::Config) -> Result<Event, Failure> {
        let both = of_event(&earlier) + &of_event(&later);
        let seen = seen(&both, config.get(), &hookgate_plugin::data_url());
        Ok(event(seen))
    }
}

impl hookgate_plugin::Receiver for Tells {
    type Config = Box<serde_json::value::RawValue>;

    fn receive(request: Request, config: &Self::Config) -> Result<Reception, Failure> {
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|it| (&it.name, &it.value))
            .collect();
        let request = format!(
            "{:?}",
            (
                (&request.method, &request.path, &request.query, headers),
                (&request.body, &request.secret, request.received_ms),
            )
        );
        let seen = seen(&request, config.get(), &hookgate_plugin::data_url());
        Ok(Reception::Rejected(seen))
    }
}

fn seen(input: &str, config: &str, data_url: &str) -> String {
    format!("{input} with {config} and {data_url}")
}

fn of_event(event: &Event) -> String {
    let attributes: Vec<_> = event
        .attributes
        .iter()
        .map(|it| (&it.name, &it.value))
        .collect();
    format!(
        "{:?}",
        (
            (&event.id, &event.source, &event.event_type, &event.subject),
            (event.time_ms, &event.tenant, &event.key),
            (&event.content_type, &event.data, attributes),
        )
    )
}

fn of_guest(event: &GuestEvent) -> String {
    let attributes: Vec<_> = event
        .attributes
        .iter()
        .map(|(name, value)| (name, value))
        .collect();
    format!(
        "{:?}",
        (
            (&event.id, &event.source, &event.event_type, &event.subject),
            (event.time_ms, &event.tenant, &event.key),
            (&event.content_type, event.data.to_vec(), attributes),
        )
    )
}

fn of_guest_request(request: &GuestRequest) -> String {
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name, value))
        .collect();
    format!(
        "{:?}",
        (
            (&request.method, &request.path, &request.query, headers),
            (request.body.to_vec(), &request.secret, request.received_ms),
        )
    )
}

/// A folder with one case.
fn folder(case: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.json"), case).unwrap();
    folder
}

/// What the SDK complains of.
fn natively(run: fn(&str), case: &str) -> Result<(), String> {
    let folder = folder(case);
    let dir = folder.path().display().to_string();
    keep_quiet_about_what_is_expected();
    IS_QUIET.set(true);
    let ran = catch_unwind(AssertUnwindSafe(|| run(&dir)));
    IS_QUIET.set(false);
    ran.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.unwrap_or_else(|| "it panicked without words".to_owned())
    })
}

/// A complaint that the test asks for is no news on the screen.
fn keep_quiet_about_what_is_expected() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                usual(panic);
            }
        }));
    });
}

/// As this package reads it: what the plugin gets to see.
fn as_read(case: &str) -> Result<String, String> {
    let folder = folder(case);
    let files = GoldenFiles::read(folder.path()).map_err(|flaws| flaws.to_string())?;
    let case = files.cases().next().unwrap();
    let input = match &case.setting.input {
        Input::Event(event) => of_guest(event),
        Input::Fold { earlier, later } => of_guest(earlier) + &of_guest(later),
        Input::Request(request) => of_guest_request(request),
    };
    Ok(seen(&input, &case.setting.config, &case.setting.data_url))
}

/// The input of a case, what the SDK runs it with, and an expectation of exactly this text.
type Way = (String, fn(&str), fn(&str) -> String);

fn ways(event: &str) -> [Way; 2] {
    [
        (
            format!(r#""event": {event}"#),
            golden::transform::<Tells>,
            |seen| format!(r#"{{"replace_text": {}}}"#, quoted(seen)),
        ),
        (
            format!(r#""earlier": {event}, "later": {{"type": "c", "data": 2}}"#),
            golden::fold::<Tells>,
            |seen| format!(r#"{{"folded": {{"data_text": {}}}}}"#, quoted(seen)),
        ),
    ]
}

fn request_way(request: &str) -> Way {
    let input = format!(r#""request": {request}"#);
    (input, golden::receiver::<Tells>, |seen| {
        format!(r#"{{"rejected": {}}}"#, quoted(seen))
    })
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[test]
fn both_hand_the_plugin_the_same() {
    let events = EVENTS.iter().flat_map(|event| ways(event));
    let mut count = 0;
    for (input, run, expect) in events.chain(REQUESTS.map(request_way)) {
        for surroundings in SURROUNDINGS {
            let case = |expect: &str| {
                format!(r#"{{"name": "n", {input}{surroundings}, "expect": {expect}}}"#)
            };
            let seen =
                as_read(&case("\"pass\"")).unwrap_or_else(|flaws| panic!("{input}: {flaws}"));
            let found = natively(run, &case(&expect(&seen)));
            assert_eq!(found, Ok(()), "{input}{surroundings}");
            assert!(natively(run, &case(&expect("something else"))).is_err());
            count += 1;
        }
    }
    assert_eq!(
        count,
        (EVENTS.len() * 2 + REQUESTS.len()) * SURROUNDINGS.len()
    );
}

#[test]
fn both_refuse_the_same() {
    let events = WRONG_EVENTS.iter().flat_map(|event| ways(event));
    for (input, run, expect) in events.chain(WRONG_REQUESTS.map(request_way)) {
        let case = format!(r#"{{"name": "n", {input}, "expect": {}}}"#, expect("x"));
        assert!(as_read(&case).is_err(), "{case}");
        let refused = natively(run, &case).unwrap_err();
        // Not because the answer is another one: it did not come to an answer.
        assert!(!refused.contains("it was"), "{case}: {refused}");
    }
}

/// One answer, in the words of the SDK.
#[derive(Clone, Debug)]
enum Answer {
    Verdict(Verdict),
    Accepts(bool),
    Folded(Event),
    Reception(Reception),
    Fails(Failure),
}

struct Says;

fn answer<T>(pick: fn(Answer) -> Option<T>) -> Result<T, Failure> {
    match ANSWER.with_borrow(Clone::clone).unwrap() {
        Answer::Fails(failure) => Err(failure),
        answer => Ok(pick(answer).expect("it is asked for what it answers")),
    }
}

impl hookgate_plugin::Transform for Says {
    type Config = serde_json::Value;

    fn handle(_: Event, _: &Self::Config) -> Result<Verdict, Failure> {
        answer(|answer| match answer {
            Answer::Verdict(verdict) => Some(verdict),
            _ => None,
        })
    }
}

impl hookgate_plugin::Filter for Says {
    type Config = serde_json::Value;

    fn accepts(_: Event, _: &Self::Config) -> Result<bool, Failure> {
        answer(|answer| match answer {
            Answer::Accepts(accepts) => Some(accepts),
            _ => None,
        })
    }
}

impl hookgate_plugin::Fold for Says {
    type Config = serde_json::Value;

    fn fold(_: Event, _: Event, _: &Self::Config) -> Result<Event, Failure> {
        answer(|answer| match answer {
            Answer::Folded(event) => Some(event),
            _ => None,
        })
    }
}

impl hookgate_plugin::Receiver for Says {
    type Config = serde_json::Value;

    fn receive(_: Request, _: &Self::Config) -> Result<Reception, Failure> {
        answer(|answer| match answer {
            Answer::Reception(reception) => Some(reception),
            _ => None,
        })
    }
}

impl Answer {
    fn way(&self) -> (&'static str, fn(&str)) {
        const EVENT: &str = r#""event": {"type": "a.b", "data": 1}"#;
        match self {
            Self::Verdict(_) | Self::Fails(_) => (EVENT, golden::transform::<Says>),
            Self::Accepts(_) => (EVENT, golden::filter::<Says>),
            Self::Folded(_) => (
                r#""earlier": {"type": "a", "data": 1}, "later": {"type": "a", "data": 2}"#,
                golden::fold::<Says>,
            ),
            Self::Reception(_) => (r#""request": {}"#, golden::receiver::<Says>),
        }
    }

    /// As the host hands it over.
    fn of_host(&self) -> Result<host::Answer, CallFailure> {
        Ok(match self.clone() {
            Self::Verdict(Verdict::Pass) => host::Answer::Verdict(host::Verdict::Pass),
            Self::Verdict(Verdict::Drop(reason)) => {
                host::Answer::Verdict(host::Verdict::Drop(reason))
            }
            Self::Verdict(Verdict::Replace(data)) => {
                host::Answer::Verdict(host::Verdict::Replace(data.into()))
            }
            Self::Verdict(Verdict::Deliver(message)) => {
                let headers = message.headers.into_iter();
                host::Answer::Verdict(host::Verdict::Deliver(host::Message {
                    content_type: message.content_type,
                    body: message.body.into(),
                    headers: headers.map(|header| (header.name, header.value)).collect(),
                }))
            }
            Self::Accepts(accepts) => host::Answer::Accepts(accepts),
            Self::Folded(event) => host::Answer::Folded(guest(event)),
            Self::Reception(Reception::Accepted(drafts)) => {
                let drafts = drafts.into_iter().map(draft_of_host);
                host::Answer::Reception(host::Reception::Accepted(drafts.collect()))
            }
            Self::Reception(Reception::Challenge(response)) => {
                host::Answer::Reception(host::Reception::Challenge(host::Response {
                    status: response.status,
                    content_type: response.content_type,
                    body: response.body.into(),
                }))
            }
            Self::Reception(Reception::Rejected(reason)) => {
                host::Answer::Reception(host::Reception::Rejected(reason))
            }
            Self::Fails(Failure::InvalidConfig(text)) => {
                return Err(CallFailure::InvalidConfig(text));
            }
            Self::Fails(Failure::UnusableEvent(text)) => {
                return Err(CallFailure::UnusableEvent(text));
            }
            Self::Fails(Failure::AgainLater(text)) => return Err(CallFailure::AgainLater(text)),
        })
    }
}

fn draft_of_host(draft: Draft) -> host::Draft {
    host::Draft {
        event_type: draft.event_type,
        id: draft.id,
        subject: draft.subject,
        key: draft.key,
        time_ms: draft.time_ms,
        content_type: draft.content_type,
        data: draft.data.into(),
    }
}

fn guest(event: Event) -> GuestEvent {
    GuestEvent {
        id: event.id.into(),
        source: event.source.into(),
        event_type: event.event_type.into(),
        subject: event.subject.map(Arc::from),
        time_ms: event.time_ms,
        tenant: event.tenant.into(),
        key: event.key.map(Arc::from),
        content_type: event.content_type.into(),
        data: event.data.into(),
        attributes: Arc::from([]),
    }
}

fn answers() -> Vec<Answer> {
    let replace = |text: &[u8]| Answer::Verdict(Verdict::Replace(text.into()));
    let deliver = |content_type: &str, body: &str, headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(name, value)| attribute(*name, *value));
        Answer::Verdict(Verdict::Deliver(Message {
            content_type: content_type.into(),
            body: body.into(),
            headers: headers.collect(),
        }))
    };
    let draft = Draft {
        id: Some("1".into()),
        time_ms: Some(1_767_225_600_500),
        ..Draft::new("a.b", "{}")
    };
    let response = |status, body: &str| {
        Answer::Reception(Reception::Challenge(Response {
            status,
            content_type: "text/plain".into(),
            body: body.into(),
        }))
    };
    vec![
        Answer::Verdict(Verdict::Pass),
        Answer::Verdict(Verdict::Drop("no".into())),
        Answer::Verdict(Verdict::Drop("fails".into())),
        replace(br#"{"a":1.50,"b":["\u00e9"]}"#),
        replace(br#"{"a":1,"a":2}"#),
        replace(b"null"),
        replace(b"not JSON"),
        replace(&[0, 1, 255]),
        deliver(
            "application/json",
            r#"{"a":1}"#,
            &[("X-A", "1"), ("x-b", "2")],
        ),
        deliver(
            "application/json",
            r#"{"a":1}"#,
            &[("x-a", "1"), ("x-a", "2")],
        ),
        deliver("text/plain", "hi", &[]),
        Answer::Accepts(true),
        Answer::Accepts(false),
        Answer::Folded(event(r#"{"n":1.0}"#)),
        Answer::Folded(event("")),
        Answer::Reception(Reception::Accepted(vec![])),
        Answer::Reception(Reception::Accepted(vec![draft.clone()])),
        Answer::Reception(Reception::Accepted(vec![draft.clone(), draft])),
        response(200, "token"),
        response(404, "token"),
        Answer::Reception(Reception::Rejected("no".into())),
        Answer::Fails(Failure::InvalidConfig("x".into())),
        Answer::Fails(Failure::UnusableEvent("x".into())),
        Answer::Fails(Failure::AgainLater("y".into())),
    ]
}

/// `fails` is left out: it is for the component alone.
const EXPECTATIONS: [&str; 38] = [
    r#""pass""#,
    r#"{"drop": "no"}"#,
    r#"{"drop": "fails"}"#,
    r#"{"replace": {"b": ["é"], "a": 1.50}}"#,
    r#"{"replace": {"b": ["é"], "a": 1.5}}"#,
    r#"{"replace": {"a": 1, "a": 2}}"#,
    r#"{"replace": {"a": 2, "a": 1}}"#,
    r#"{"replace": {"a": 2}}"#,
    r#"{"replace": null}"#,
    r#"{"replace_text": "null"}"#,
    r#"{"replace_text": "not JSON"}"#,
    r#"{"replace_base64": "AAH/"}"#,
    r#"{"replace_base64": "bm90IEpTT04="}"#,
    r#"{"deliver": {"body": {"a": 1}, "headers": {"x-b": "2", "x-a": "1"}}}"#,
    r#"{"deliver": {"body": {"a": 1}, "headers": {"X-B": "2", "x-A": "1"}}}"#,
    r#"{"deliver": {"body": {"a": 1}, "headers": [["x-a", "1"], ["x-a", "2"]]}}"#,
    r#"{"deliver": {"body": {"a": 1}, "headers": [["x-a", "2"], ["x-a", "1"]]}}"#,
    r#"{"deliver": {"body_text": "hi", "content_type": "text/plain"}}"#,
    r#"{"deliver": {"body_text": "hi"}}"#,
    "true",
    "false",
    r#"{"accepts": true}"#,
    r#"{"folded": {"data": {"n": 1.0}}}"#,
    r#"{"folded": {"data": {"n": 1}}}"#,
    r#"{"folded": {"data_text": ""}}"#,
    r#"{"accepted": []}"#,
    r#"{"accepted": [{"type": "a.b", "id": "1", "time": "2026-01-01T00:00:00.5Z", "data": {}}]}"#,
    r#"{"accepted": [{"type": "a.b", "id": "1", "time": "2026-01-01T01:00:00.5+01:00", "data": {}}]}"#,
    r#"{"accepted": [{"type": "a.b", "id": "1", "data": {}}]}"#,
    r#"{"accepted": [{"type": "a.b", "time": "2026-01-01T00:00:00.5Z", "data_text": "{}"}]}"#,
    r#"{"challenge": {"status": 200, "content_type": "text/plain", "body_text": "token"}}"#,
    r#"{"challenge": {"status": 404, "content_type": "text/plain", "body_base64": "dG9rZW4="}}"#,
    r#"{"challenge": {"status": 200, "body_text": "token"}}"#,
    r#"{"rejected": "no"}"#,
    r#"{"invalid_config": "x"}"#,
    r#"{"unusable_event": "x"}"#,
    r#"{"again_later": "x"}"#,
    r#"{"again_later": "y"}"#,
];

#[test]
fn both_find_the_same_answers_right() {
    let mut wrong = String::new();
    let mut right = 0;
    for answer in answers() {
        let (input, run) = answer.way();
        ANSWER.set(Some(answer.clone()));
        for expect in EXPECTATIONS {
            let case = format!(r#"{{"name": "n", {input}, "expect": {expect}}}"#);
            let folder = folder(&case);
            let is_right = is_right(folder.path(), &answer);
            let found = natively(run, &case);
            right += u32::from(is_right);
            if found.is_ok() != is_right {
                let _ = writeln!(
                    wrong,
                    "{answer:?} for {expect}: {is_right}, natively {found:?}"
                );
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(right >= 28, "{right} pairs are right");
}

fn is_right(folder: &Path, answer: &Answer) -> bool {
    let files = GoldenFiles::read(folder).unwrap();
    let expected = files.cases().next().unwrap().expected.clone().unwrap();
    let answer = observed(&answer.of_host(), Some(expected.exact()));
    differences(expected.exact(), &answer).is_empty()
}

#[test]
fn both_refuse_the_same_expectations() {
    ANSWER.set(Some(Answer::Verdict(Verdict::Pass)));
    for expect in [
        "{}",
        r#"{"drop": "a", "replace": 1}"#,
        r#"{"replce": 1}"#,
        r#"{"replace_base64": "*"}"#,
        r#"{"deliver": {"body": 1, "body_text": "1"}}"#,
        r#"{"deliver": {}}"#,
        r#"{"deliver": {"body": 1, "status": 200}}"#,
        r#"{"drop": 1}"#,
        r#""passes""#,
        "7",
    ] {
        let case = format!(
            r#"{{"name": "n", "event": {{"type": "a.b", "data": 1}}, "expect": {expect}}}"#
        );
        assert!(GoldenFiles::read(folder(&case).path()).is_err(), "{expect}");
        let refused = natively(golden::transform::<Says>, &case).unwrap_err();
        assert!(!refused.contains("it was"), "{expect}: {refused}");
    }
}
