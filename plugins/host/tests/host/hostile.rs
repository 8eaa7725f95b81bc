//! Plugins that crash, spin, hoard or flood: each is stopped, told so, and hurts
//! nobody else.

use crate::support::{TestHost, batch};
use hookgate_plugin_host::{CallFailure, LogLevel, Verdict};
use std::time::Duration;

#[tokio::test]
async fn a_crash_is_told_with_its_reason() {
    let host = TestHost::start();
    let report = host.run("verdicts", &["trap"]).await.remove(0);
    let failure = report.result.unwrap_err();
    assert!(
        matches!(&failure, CallFailure::Trap(text) if text.contains("panicked")),
        "{failure}"
    );
}

#[tokio::test]
async fn an_endless_loop_ends_near_its_deadline() {
    let host = TestHost::start();
    let report = host.run("verdicts", &["loop"]).await.remove(0);
    let limit = Duration::from_millis(50);
    assert_eq!(report.result, Err(CallFailure::TimedOut { limit }));
    // On a busy machine it may take until three times the limit, and one tick.
    assert!(
        report.duration >= limit && report.duration < limit * 5,
        "{:?}",
        report.duration
    );
}

#[tokio::test]
async fn three_failures_end_a_batch_and_blame_no_other_event() {
    let host = TestHost::start();
    let reports = host
        .run(
            "verdicts",
            &["pass", "trap", "trap", "pass", "trap", "pass", "drop"],
        )
        .await;
    let kinds: Vec<&str> = reports
        .iter()
        .map(|report| {
            report
                .result
                .as_ref()
                .map_or_else(CallFailure::kind, |_| "ok")
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "ok",
            "trap",
            "trap",
            "ok",
            "trap",
            "not-reached",
            "not-reached"
        ]
    );
}

/// W25.
#[tokio::test]
async fn a_plugin_that_crashes_by_turns_fails_those_events_and_no_other() {
    let host = TestHost::start();
    let plugin = host.load("fails-by-turns").await;
    for first in [0, 10, 20] {
        let mut job = batch(&plugin, "acme", &["x"; 5]);
        for (event, number) in job.events.iter_mut().zip(first..) {
            event.id = format!("evt_{number}").into();
        }
        let reports = host.host.run_batch(job).await.calls;
        let passed: Vec<bool> = reports.iter().map(|report| report.result.is_ok()).collect();
        assert_eq!(passed, [true, false, true, false, true]);
    }
}

#[tokio::test]
async fn memory_ends_at_the_limit() {
    let host = TestHost::start();
    let report = host.run("grows", &["any"]).await.remove(0);
    let max_bytes = 64 << 20;
    assert_eq!(report.result, Err(CallFailure::MemoryLimit { max_bytes }));
    assert!(report.memory_bytes <= max_bytes, "{}", report.memory_bytes);
}

#[tokio::test]
async fn deep_recursion_is_a_crash_of_the_plugin_alone() {
    let host = TestHost::start();
    let failure = host
        .run("recurses", &["any"])
        .await
        .remove(0)
        .result
        .unwrap_err();
    assert!(
        matches!(&failure, CallFailure::Trap(text) if text.contains("call stack exhausted")),
        "{failure}"
    );
}

#[tokio::test]
async fn lists_that_share_their_bytes_are_not_copied_out() {
    let host = TestHost::start();
    let report = host.run("amplifies", &["any"]).await.remove(0);
    assert_eq!(
        report.result,
        Err(CallFailure::OutputTooLarge { max_bytes: 4 << 20 })
    );
    assert!(report.cpu < Duration::from_millis(500), "{:?}", report.cpu);
}

#[tokio::test]
async fn output_ends_at_the_limit() {
    let host = TestHost::start();
    let report = host.run("returns-too-much", &["any"]).await.remove(0);
    assert_eq!(
        report.result,
        Err(CallFailure::OutputTooLarge {
            max_bytes: 256 << 10
        })
    );
}

#[tokio::test]
async fn a_result_outside_the_plugins_memory_is_refused() {
    let host = TestHost::start();
    let failure = host
        .run("points-outside", &["any"])
        .await
        .remove(0)
        .result
        .unwrap_err();
    assert_eq!(failure.kind(), "trap", "{failure}");
}

#[tokio::test]
async fn logs_are_capped_counted_and_escaped() {
    let host = TestHost::start();
    let report = host.run("logs-without-end", &["any"]).await.remove(0);
    assert_eq!(report.result, Ok(Verdict::Pass));
    assert_eq!(report.logs.len(), 32);
    assert_eq!(
        report.logs_cut,
        1 + 1001 - 32,
        "the long line was cut, the rest dropped"
    );
    assert!(report.logs[0].text.len() <= 1024);
    assert_eq!(report.logs[1].level, LogLevel::Error);
    assert_eq!(report.logs[1].text, r"\u{1b}[2Jall is well\nERROR forged");
}

#[tokio::test]
async fn what_a_crash_touched_is_gone_for_the_next_batch() {
    let host = TestHost::start();
    let plugin = host.load("verdicts").await;
    for _ in 0..20 {
        let reports = host
            .host
            .run_batch(batch(&plugin, "acme", &["trap", "pass"]))
            .await
            .calls;
        assert_eq!(reports[1].result, Ok(Verdict::Pass));
    }
}
