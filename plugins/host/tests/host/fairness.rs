//! One tenant's plugins against another's.

use crate::support::{TestHost, batch};
use hookgate_plugin_host::{CallFailure, Verdict};
use tokio::task::JoinSet;

#[tokio::test]
async fn endless_loops_of_one_tenant_leave_room_for_another() {
    let host = TestHost::start();
    let plugin = host.load("verdicts").await;
    let mut looping = JoinSet::new();
    for _ in 0..12 {
        let (host, job) = (host.host.clone(), batch(&plugin, "spinner", &["loop"; 3]));
        looping.spawn(async move { host.run_batch(job).await.calls });
    }
    tokio::task::yield_now().await;

    for _ in 0..20 {
        let reports = host
            .host
            .run_batch(batch(&plugin, "acme", &["pass"; 10]))
            .await
            .calls;
        assert!(
            reports
                .iter()
                .all(|report| report.result == Ok(Verdict::Pass))
        );
    }
    let finished = std::iter::from_fn(|| looping.try_join_next()).count();
    assert!(
        finished < 6,
        "{finished} of 12 spinning batches went before"
    );
    for reports in looping.join_all().await {
        assert!(reports.iter().all(|report| {
            report
                .result
                .as_ref()
                .is_err_and(|failure| failure.kind() == "timeout")
        }));
    }
}

#[tokio::test]
async fn a_tenant_with_too_much_waiting_is_told_so_and_nobody_else() {
    let host = TestHost::start();
    let plugin = host.load("verdicts").await;
    let mut flood = JoinSet::new();
    for _ in 0..100 {
        let (host, job) = (host.host.clone(), batch(&plugin, "flood", &["loop"]));
        flood.spawn(async move { host.run_batch(job).await.calls.remove(0).result });
    }
    tokio::task::yield_now().await;
    let reports = host
        .host
        .run_batch(batch(&plugin, "acme", &["pass"]))
        .await
        .calls;
    assert_eq!(reports[0].result, Ok(Verdict::Pass));

    let overloaded = flood
        .join_all()
        .await
        .into_iter()
        .filter(|result| *result == Err(CallFailure::Overloaded));
    let overloaded = overloaded.count();
    assert!((30..=36).contains(&overloaded), "{overloaded}");
    assert_eq!(host.host.stats().overloads, overloaded as u64);
}

#[tokio::test]
async fn guests_are_stopped_while_the_runtime_is_stuck() {
    let host = TestHost::start();
    let plugin = host.load("verdicts").await;
    let ticks = host.host.stats().ticks;
    // This is the runtime's only thread, and it blocks until the guest was stopped.
    let (sender, receiver) = std::sync::mpsc::channel();
    let (other, job) = (host.host.clone(), batch(&plugin, "acme", &["loop"]));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        sender.send(runtime.block_on(other.run_batch(job))).unwrap();
    });
    let reports = receiver
        .recv_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    assert_eq!(
        reports.calls[0].result.as_ref().unwrap_err().kind(),
        "timeout"
    );
    assert!(host.host.stats().ticks > ticks, "the ticker goes on");
}
