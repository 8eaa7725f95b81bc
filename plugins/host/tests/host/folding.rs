//! Folds and receivers: what they are asked, what of their answers counts, and where
//! the limits are.

use crate::support::{TestHost, event, request};
use bytes::Bytes;
use hookgate_plugin_host::{
    CallFailure, CallReport, Draft, FoldJob, GuestEvent, ReceiveJob, Reception, Response,
};
use std::sync::Arc;

async fn fold(host: &TestHost, data: &[&str]) -> CallReport<GuestEvent> {
    let mut events = data.iter().map(|data| event(data));
    let job = FoldJob {
        tenant: Arc::from("acme"),
        plugin: host.load("folds").await,
        config: Arc::from("{}"),
        first: events.next().unwrap(),
        later: events
            .enumerate()
            .map(|(index, event)| GuestEvent {
                id: format!("evt_{}", index + 2).into(),
                ..event
            })
            .collect(),
        limits: Arc::clone(host.host.limits()),
    };
    host.host.fold(job).await
}

async fn receive(host: &TestHost, body: &str) -> CallReport<Reception> {
    let job = ReceiveJob {
        tenant: Arc::from("acme"),
        plugin: host.load("receives").await,
        config: Arc::from("{}"),
        request: request(body),
        limits: Arc::clone(host.host.limits()),
    };
    host.host.receive(job).await
}

#[tokio::test]
async fn a_fold_merges_in_order_and_never_changes_who_the_event_is() {
    let host = TestHost::start();
    let report = fold(&host, &["first,", "merged,", "merged again"]).await;
    let folded = report.result.unwrap();
    assert_eq!(folded.data, "first,merged,merged again");
    assert_eq!(&*folded.content_type, "text/plain");
    assert_eq!(folded.subject.as_deref(), Some("forged"));
    assert_eq!(folded.time_ms, 7);
    assert!(folded.attributes.is_empty());

    let later = event("");
    assert_eq!(&*folded.id, "evt_3");
    assert_eq!(folded.source, later.source);
    assert_eq!(folded.event_type, later.event_type);
    assert_eq!(folded.tenant, later.tenant);
    assert_eq!(folded.key, later.key);
    assert_eq!(report.bytes_in, 6 + 7 + 13 + 12);
}

#[tokio::test]
async fn one_event_is_its_own_fold() {
    let host = TestHost::start();
    let folded = fold(&host, &["alone"]).await.result.unwrap();
    assert_eq!((folded.data, &*folded.id), (Bytes::from("alone"), "evt_1"));
}

#[tokio::test]
async fn a_fold_that_fails_at_any_step_has_failed() {
    let host = TestHost::start();
    for (data, kind) in [
        (["a", "unusable", "merge"], "unusable-event"),
        (["a", "merge", "trap"], "trap"),
        (["a", "loop", "merge"], "timeout"),
        (["a", "big", "merge"], "output-too-large"),
    ] {
        let failure = fold(&host, &data).await.result.unwrap_err();
        assert_eq!(failure.kind(), kind, "{failure}");
    }
    let large = "m".repeat(256 * 1024 + 1);
    let failure = fold(&host, &["a", &large]).await.result.unwrap_err();
    assert_eq!(failure.kind(), "input-too-large");
    let half = "m".repeat(200 * 1024);
    let failure = fold(&host, &[&half, &half]).await.result.unwrap_err();
    assert_eq!(failure.kind(), "output-too-large");
}

#[tokio::test]
async fn a_receiver_accepts_challenges_and_rejects() {
    let host = TestHost::start();
    let draft = Draft {
        event_type: "told.to".to_owned(),
        id: None,
        subject: None,
        key: Some("s3cret".to_owned()),
        time_ms: Some(1_790_000_000_001),
        content_type: "text/plain".to_owned(),
        data: Bytes::from_static(b"a\0b"),
    };
    let challenge = Response {
        status: 200,
        content_type: "text/plain".to_owned(),
        body: Bytes::from_static(b"challenge=x"),
    };
    for (body, expected) in [
        ("a\0b", Reception::Accepted(vec![draft])),
        ("none", Reception::Accepted(Vec::new())),
        ("challenge", Reception::Challenge(challenge)),
        ("junk", Reception::Rejected("told to".to_owned())),
    ] {
        assert_eq!(receive(&host, body).await.result, Ok(expected), "{body}");
    }
}

#[tokio::test]
async fn what_a_receiver_returns_is_bounded() {
    let host = TestHost::start();
    let max_bytes = 256 << 10;
    for (body, failure) in [
        (
            "many",
            CallFailure::TooManyDrafts {
                actual: 101,
                max: 100,
            },
        ),
        ("big", CallFailure::OutputTooLarge { max_bytes }),
        ("invalid", CallFailure::InvalidStatus { status: 99 }),
        ("u", CallFailure::InvalidConfig("told to".to_owned())),
    ] {
        assert_eq!(receive(&host, body).await.result, Err(failure), "{body}");
    }
    let crash = receive(&host, "x").await.result.unwrap_err();
    assert_eq!(crash.kind(), "trap");
    let large = receive(&host, &"a".repeat(max_bytes)).await;
    assert_eq!(large.result.unwrap_err().kind(), "input-too-large");
}

#[tokio::test]
async fn a_secret_is_not_printed() {
    let shown = format!("{:?}", request("the body"));
    assert!(
        !shown.contains("s3cret") && !shown.contains("the body"),
        "{shown}"
    );
}
