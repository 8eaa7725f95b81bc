//! What guests and their code cost the process: each test runs again in a process of its own,
//! where nothing else takes memory.

use crate::support::{TestHost, batch, component};
use bytes::Bytes;
use hookgate_plugin_host::{CallFailure, Limits, Verdict};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const MIB: u64 = 1 << 20;

/// Runs `test` once more, alone; true in that process.
fn is_alone(test: &str) -> bool {
    const MARK: &str = "HOOKGATE_TEST_IS_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{test} is no test: {said}");
    print!("{said}");
    false
}

/// Resident memory now, or at most since [`forget_peak`].
fn resident_bytes(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix(line)).unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<u64>().unwrap() * 1024
}

fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// P2: at most what the guests that run at once may have, and a tenth.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hoarding_guests_cost_no_more_than_their_limits() {
    if !is_alone("bounds::hoarding_guests_cost_no_more_than_their_limits") {
        return;
    }
    let host = TestHost::start();
    let limits = Arc::new(Limits {
        time_per_event: Duration::from_secs(2),
        ..Limits::default()
    });
    let plugin = host.load("grows-page-by-page").await;
    let before = resident_bytes("VmRSS:");
    forget_peak();
    let mut hoarding = JoinSet::new();
    for number in 0..12 {
        let mut job = batch(&plugin, &format!("tenant-{number}"), &["x"]);
        job.limits = Arc::clone(&limits);
        let host = host.host.clone();
        hoarding.spawn(async move { host.run_batch(job).await.calls.remove(0) });
    }
    let mut most = 0;
    for report in hoarding.join_all().await {
        assert_eq!(report.result, Ok(Verdict::Pass));
        most = most.max(report.memory_bytes);
    }
    assert!(most > 60 << 20, "it had {most} bytes and proves nothing");
    // Two threads, so two guests at once.
    let allowed = 2 * limits.max_memory_bytes as u64 * 11 / 10;
    let peak = resident_bytes("VmHWM:").saturating_sub(before);
    println!("12 guests of 64 MiB, two at once: {} MiB", peak / MIB);
    assert!(peak <= allowed, "{peak} bytes, {allowed} are allowed");
}

/// P3: what is lifted out of a guest is bounded before it is copied.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn results_that_unfold_cost_no_more_than_twice_what_is_lifted() {
    if !is_alone("bounds::results_that_unfold_cost_no_more_than_twice_what_is_lifted") {
        return;
    }
    let host = TestHost::start();
    for (name, data) in [
        ("amplifies", "any"),
        ("misplaces-results", "l"),
        ("returns-too-much", "any"),
    ] {
        let plugin = host.load(name).await;
        let before = resident_bytes("VmRSS:");
        forget_peak();
        let job = batch(&plugin, "acme", &[data]);
        let report = host.host.run_batch(job).await.calls.remove(0);
        assert!(report.result.is_err());
        let peak = resident_bytes("VmHWM:").saturating_sub(before);
        // The guest's own memory is its own; the first run also brings in code.
        let of_host = peak.saturating_sub(report.memory_bytes as u64);
        println!("{name}: {} KiB", of_host / 1024);
        assert!(of_host <= 2 * 4 * MIB, "{name}: {of_host} bytes");
    }
}

/// P4: nothing interrupts one instruction, so a deadline is passed by at most one of them.
#[tokio::test]
async fn a_deadline_is_passed_by_at_most_one_bulk_instruction() {
    let host = TestHost::start();
    let mut one = Duration::ZERO;
    for _ in 0..3 {
        let limits = Arc::new(Limits {
            time_per_event: Duration::from_secs(2),
            ..Limits::default()
        });
        let mut job = batch(&host.load("fills").await, "acme", &["1"]);
        job.limits = limits;
        let report = host.host.run_batch(job).await.calls.remove(0);
        assert_eq!(report.result, Ok(Verdict::Pass));
        one = one.max(report.cpu);
    }
    let report = host.run("fills", &["l"]).await.remove(0);
    let limit = Duration::from_millis(50);
    assert_eq!(report.result, Err(CallFailure::TimedOut { limit }));
    let over = report.cpu.saturating_sub(limit);
    println!("one instruction: {one:?} of processor time; past the deadline: {over:?}");
    // The first filling also brings the pages in; two ticks are the ticker's.
    assert!(over <= one + Duration::from_millis(20), "{over:?}, {one:?}");
}

/// P16 in its short form: `HOOKGATE_COMPONENTS=5000` for the long one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn code_that_nobody_holds_any_more_leaves_no_memory_behind() {
    if !is_alone("bounds::code_that_nobody_holds_any_more_leaves_no_memory_behind") {
        return;
    }
    let count: u32 = std::env::var("HOOKGATE_COMPONENTS").map_or(60, |text| text.parse().unwrap());
    let host = TestHost::start();
    let sound = component("verdicts");
    let mut after_the_first = 0;
    for number in 0..count {
        let job = {
            let plugin = host
                .host
                .prepare(distinct(&sound, number))
                .await
                .unwrap()
                .plugin;
            batch(&plugin, "acme", &["pass", "trap", "replace"])
        };
        let reports = host.host.run_batch(job).await.calls;
        assert_eq!(reports[0].result, Ok(Verdict::Pass));
        if number == 20 {
            after_the_first = resident_bytes("VmRSS:");
        }
    }
    assert_eq!(
        host.host.stats().compiles,
        u64::from(count),
        "each is another one"
    );
    let grown = resident_bytes("VmRSS:").saturating_sub(after_the_first);
    println!("{count} components: {} KiB more", grown / 1024);
    assert!(grown <= 30 * MIB, "{grown} bytes stayed");
}

/// The same code under another digest: a custom section more.
fn distinct(component: &[u8], number: u32) -> Bytes {
    let section = [&[0, 6, 1, b'n'][..], &number.to_le_bytes()].concat();
    [component, &section].concat().into()
}
