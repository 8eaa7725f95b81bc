//! What one instance leaves behind never reaches another, and a host that was treated badly is as
//! good as new.

use crate::support::{TestHost, batch};
use hookgate_plugin_host::{CallFailure, Verdict};
use std::time::Duration;
use tokio::task::JoinSet;

/// P7 in its short form: `HOOKGATE_ALTERNATIONS=10000` for the long one.
#[tokio::test]
async fn no_instance_finds_what_another_one_hid() {
    let rounds: u32 =
        std::env::var("HOOKGATE_ALTERNATIONS").map_or(150, |text| text.parse().unwrap());
    let host = TestHost::start();
    let (hides, finds) = (
        host.load("hides-a-canary").await,
        host.load("finds-a-canary").await,
    );
    for round in 0..rounds {
        let hidden = if round % 3 == 0 { "trap" } else { "pass" };
        let job = batch(&hides, "acme", &[hidden]);
        let reports = host.host.run_batch(job).await.calls;
        assert_eq!(reports[0].result.is_ok(), hidden == "pass");
        let job = batch(&finds, "other", &["x"]);
        let reports = host.host.run_batch(job).await.calls;
        assert_eq!(reports[0].result, Ok(Verdict::Pass), "round {round}");
    }
}

#[tokio::test]
async fn the_canary_can_be_found_at_all() {
    // In one instance the search must succeed, else the test above shows nothing.
    let host = TestHost::start();
    let text = std::fs::read_to_string(crate::support::path_of("finds-a-canary")).unwrap();
    let planted = text.replace(
        "(drop (memory.grow (i32.const 64)))",
        "(drop (memory.grow (i32.const 64)))
         (i64.store (i32.const 1048584) (i64.const 0x5ca1ab1e0ddba11))",
    );
    let module = wat::parse_str(planted).unwrap();
    let component = crate::support::wrapped(module, "transform-plugin");
    let plugin = host.host.prepare(component).await.unwrap().plugin;
    let job = batch(&plugin, "acme", &["x"]);
    let reports = host.host.run_batch(job).await.calls;
    assert_eq!(reports[0].result, Ok(Verdict::Drop(String::new())));
}

/// P8: callers that go away at any time leave nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_callers_leave_no_batch_behind() {
    let rounds: u64 = std::env::var("HOOKGATE_DROPS").map_or(500, |text| text.parse().unwrap());
    let host = TestHost::start();
    let plugin = host.load("verdicts").await;
    let mut callers = JoinSet::new();
    for round in 0..rounds {
        let data = ["pass", "trap", "replace", "drop"];
        let (host, job) = (host.host.clone(), batch(&plugin, "acme", &data));
        // Spread over the time that a batch takes; the figure itself does not matter.
        let gives_up_after = Duration::from_micros(round * 37 % 900);
        callers.spawn(async move {
            let _ = tokio::time::timeout(gives_up_after, host.run_batch(job)).await;
        });
        if round % 16 == 0 {
            while callers.join_next().await.is_some() {}
        }
    }
    callers.join_all().await;
    let job = batch(&plugin, "acme", &["pass"]);
    let reports = host.host.run_batch(job).await.calls;
    assert_eq!(reports[0].result, Ok(Verdict::Pass));
    let idle = async {
        loop {
            let stats = host.host.stats();
            if stats.batches_waiting == 0 && stats.batches_running == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), idle)
        .await
        .expect("nothing waits and nothing runs");
}

/// P8: traps inside of host calls and in every export.
#[tokio::test]
async fn a_crash_inside_of_a_host_call_is_a_crash_like_any_other() {
    let host = TestHost::start();
    for (data, kind) in [
        ("o", "trap"),
        ("l", "trap"),
        ("u", "trap"),
        ("n", "trap"),
        ("a", "trap"),
        ("b", "trap"),
        ("s", "timeout"),
        ("e", "timeout"),
        ("x", "ok"),
    ] {
        let reports = host.run("misuses-the-host", &[data, "x"]).await;
        let found = reports[0]
            .result
            .as_ref()
            .map_or_else(CallFailure::kind, |_| "ok");
        assert!(
            found == kind || (data == "e" && matches!(found, "trap" | "memory-limit")),
            "{data}: {:?}",
            reports[0].result
        );
        assert_eq!(reports[1].result, Ok(Verdict::Pass), "after {data}");
    }
    let report = host.run("crashes-in-its-filter", &["x"]).await.remove(0);
    assert_eq!(report.result.unwrap_err().kind(), "trap");
}

/// W19.
#[tokio::test]
async fn results_in_odd_places_are_refused_or_harmless() {
    let host = TestHost::start();
    for data in ["m", "o", "v", "l", "u"] {
        let report = host.run("misplaces-results", &[data]).await.remove(0);
        let failure = report.result.unwrap_err();
        let kind = failure.kind();
        assert!(
            matches!(kind, "trap" | "output-too-large"),
            "{data}: {failure}"
        );
    }
    let report = host.run("misplaces-results", &["s"]).await.remove(0);
    // Its own result, read as data: odd, and nobody else's.
    assert!(matches!(report.result, Ok(Verdict::Replace(data)) if data.len() == 16));
}

/// W16.
#[tokio::test]
async fn memory_in_small_steps_ends_at_the_same_limit() {
    let host = TestHost::start();
    let report = host.run("grows-page-by-page", &["x"]).await.remove(0);
    assert!(report.memory_bytes <= 64 << 20, "{}", report.memory_bytes);
    let kind = report
        .result
        .as_ref()
        .map_or_else(CallFailure::kind, |_| "ok");
    assert!(matches!(kind, "ok" | "timeout"), "{:?}", report.result);
}
