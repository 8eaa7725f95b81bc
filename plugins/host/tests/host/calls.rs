//! What well-behaved plugins are asked, and what comes of their answers.

use crate::support::{TestHost, batch};
use bytes::Bytes;
use hookgate_plugin_host::{CallFailure, CallReport, Export, LogLevel, LogLine, Message, Verdict};
use std::sync::Arc;

fn results(reports: Vec<CallReport>) -> Vec<Result<Verdict, CallFailure>> {
    reports.into_iter().map(|report| report.result).collect()
}

#[tokio::test]
async fn each_verdict_and_each_failure_comes_back_as_it_was_given() {
    let host = TestHost::start();
    let reports = host
        .run(
            "verdicts",
            &[
                "pass", "drop", "replace", "message", "invalid", "unusable", "again",
            ],
        )
        .await;
    let told = || "told to".to_owned();
    assert_eq!(
        results(reports),
        [
            Ok(Verdict::Pass),
            Ok(Verdict::Drop(told())),
            Ok(Verdict::Replace(Bytes::from_static(b"new data"))),
            Ok(Verdict::Deliver(Message {
                content_type: "text/plain".to_owned(),
                body: Bytes::from_static(b"new data"),
                headers: vec![("x-told".to_owned(), told())],
            })),
            Err(CallFailure::InvalidConfig(told())),
            Err(CallFailure::UnusableEvent(told())),
            Err(CallFailure::AgainLater(told())),
        ]
    );
}

#[tokio::test]
async fn a_filter_passes_what_it_accepts_and_drops_the_rest() {
    let host = TestHost::start();
    let reports = results(host.run("filters", &["yes", "no"]).await);
    assert_eq!(reports[0], Ok(Verdict::Pass));
    assert_eq!(
        reports[1],
        Ok(Verdict::Drop(
            "the filter did not accept the event".to_owned()
        ))
    );
}

#[tokio::test]
async fn a_transform_sees_only_what_its_own_filter_accepted() {
    let host = TestHost::start();
    let plugin = host.load("filters-and-transforms").await;
    assert_eq!(plugin.exports(), [Export::Filter, Export::Transform]);
    let reports = results(
        host.host
            .run_batch(batch(&plugin, "acme", &["yes", "no"]))
            .await
            .calls,
    );
    assert_eq!(
        reports[0],
        Ok(Verdict::Drop("seen by the transform".to_owned()))
    );
    assert_eq!(
        reports[1],
        Ok(Verdict::Drop(
            "the filter did not accept the event".to_owned()
        ))
    );
}

#[tokio::test]
async fn folds_and_receivers_are_taken_and_not_asked_about_events() {
    let host = TestHost::start();
    for (name, export) in [("folds", Export::Fold), ("receives", Export::Receiver)] {
        let plugin = host.load(name).await;
        assert_eq!(plugin.exports(), [export]);
        let reports = host
            .host
            .run_batch(batch(&plugin, "acme", &["any"]))
            .await
            .calls;
        let wanted = "`transform` or `filter`";
        assert_eq!(results(reports), [Err(CallFailure::NotExported { wanted })]);
    }
}

#[tokio::test]
async fn a_plugin_reads_its_config_and_the_claim_check_of_its_event() {
    let host = TestHost::start();
    let plugin = host.load("tells-its-surroundings").await;
    let mut job = batch(&plugin, "acme", &["first", "second"]);
    job.data_urls = Arc::new(|index| format!("https://hookgate.example/data/{index}"));
    let reports = host.host.run_batch(job).await.calls;
    for (index, report) in reports.into_iter().enumerate() {
        let line = LogLine {
            level: LogLevel::Info,
            text: r#"{"keep":["/id"]}"#.to_owned(),
        };
        assert_eq!(report.logs, [line]);
        assert_eq!(
            report.result,
            Ok(Verdict::Drop(format!(
                "https://hookgate.example/data/{index}"
            )))
        );
    }
}

#[tokio::test]
async fn nothing_is_remembered_from_batch_to_batch_nor_after_a_crash() {
    let host = TestHost::start();
    let digit = |digit: &'static str| Ok(Verdict::Replace(Bytes::from_static(digit.as_bytes())));
    for _ in 0..2 {
        let reports = results(host.run("remembers", &["a", "b", "trap", "c"]).await);
        assert_eq!(reports[0], digit("0"));
        assert_eq!(reports[1], digit("1"), "one instance serves a batch");
        assert_eq!(reports[2].as_ref().unwrap_err().kind(), "trap");
        assert_eq!(reports[3], digit("0"), "a crash costs the instance");
    }
}

#[tokio::test]
async fn an_event_over_the_limit_is_not_handed_over() {
    let host = TestHost::start();
    let large = "p".repeat(256 * 1024 + 1);
    let reports = results(host.run("verdicts", &[&large, "pass"]).await);
    let failure = CallFailure::InputTooLarge {
        actual_bytes: 262_145,
        max_bytes: 262_144,
    };
    assert_eq!(reports, [Err(failure), Ok(Verdict::Pass)]);
}

#[tokio::test]
async fn a_host_that_was_shut_down_has_no_room() {
    let host = TestHost::start();
    let plugin = host.load("verdicts").await;
    host.host.shutdown();
    let reports = host
        .host
        .run_batch(batch(&plugin, "acme", &["pass", "pass"]))
        .await
        .calls;
    assert_eq!(
        results(reports),
        [Err(CallFailure::Overloaded), Err(CallFailure::Overloaded)]
    );
    host.host.join();
}
