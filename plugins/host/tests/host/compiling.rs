//! Compile workers that do not come to an end of their own.

use crate::support::{TestHost, batch, component, worker, wrapped};
use bytes::Bytes;
use hookgate_plugin_host::{CompileWorker, Limits, Refusal, Verdict};
use std::path::PathBuf;
use std::time::Duration;

fn shell(script: &str) -> CompileWorker {
    CompileWorker {
        program: PathBuf::from("/bin/sh"),
        arguments: vec!["-c".to_owned(), script.to_owned()],
    }
}

async fn refusal_with(script: &str) -> (Refusal, String) {
    let limits = Limits {
        compile_time: Duration::from_millis(300),
        ..Limits::default()
    };
    let host = TestHost::start_with(limits, shell(script));
    let refused = host.refusal_of(component("verdicts")).await;
    assert_eq!(host.host.stats().failed_compiles, 1);
    (refused.reason, refused.to_string())
}

#[tokio::test]
async fn a_worker_that_hangs_is_killed() {
    for script in [
        "while :; do :; done",
        "cat >/dev/null; exec 1>&-; while :; do :; done",
    ] {
        assert_eq!(
            refusal_with(script).await.0,
            Refusal::CompileTimeout,
            "{script}"
        );
    }
}

#[tokio::test]
async fn a_worker_that_dies_is_told_as_what_it_was() {
    let cases = [
        ("kill -9 $$", Refusal::CompileCrash, "signal 9"),
        ("kill -SEGV $$", Refusal::CompileCrash, "signal 11"),
        ("kill -XCPU $$", Refusal::CompileTimeout, "processor time"),
        (
            "echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$",
            Refusal::CompileMemory,
            "memory",
        ),
        (
            "echo 'bad type' >&2; exit 2",
            Refusal::CompileInvalid,
            "bad type",
        ),
        ("exit 101", Refusal::CompileCrash, "exit code"),
    ];
    for (script, reason, told) in cases {
        let (actual, text) = refusal_with(script).await;
        assert_eq!(actual, reason, "{script}: {text}");
        assert!(text.contains(told), "{script}: {text}");
    }
}

#[tokio::test]
async fn output_that_is_not_machine_code_is_not_loaded() {
    let host = TestHost::start_with(Limits::default(), shell("echo something else"));
    let refused = host.refusal_of(component("verdicts")).await;
    assert_eq!(refused.reason, Refusal::NotLoadable);
}

#[tokio::test]
async fn output_without_end_is_cut() {
    let limits = Limits {
        max_artefact_bytes: 1 << 20,
        ..Limits::default()
    };
    let host = TestHost::start_with(limits, shell("exec cat /dev/zero"));
    let refused = host.refusal_of(component("verdicts")).await;
    assert_eq!(refused.reason, Refusal::ArtefactTooLarge);
}

#[tokio::test]
async fn a_worker_that_is_missing_is_not_the_components_fault() {
    let missing = CompileWorker {
        program: PathBuf::from("/nonexistent/worker"),
        arguments: Vec::new(),
    };
    let host = TestHost::start_with(Limits::default(), missing);
    let refused = host.refusal_of(component("verdicts")).await;
    assert_eq!(refused.reason, Refusal::Unavailable);
}

#[tokio::test]
async fn a_component_that_takes_long_at_full_effort_is_compiled_with_less() {
    let real = worker().program;
    let script = format!(
        r#"case "$*" in *effort=full*) kill -XCPU $$;; esac; exec {} "$@""#,
        real.display()
    );
    let mut slow_at_first = shell(&script);
    slow_at_first.arguments.push("worker".to_owned());
    let host = TestHost::start_with(Limits::default(), slow_at_first);
    let plugin = host
        .host
        .prepare(component("verdicts"))
        .await
        .unwrap()
        .plugin;
    let reports = host
        .host
        .run_batch(batch(&plugin, "acme", &["pass"]))
        .await
        .calls;
    assert_eq!(reports[0].result, Ok(Verdict::Pass));
}

#[tokio::test]
async fn a_component_that_takes_long_at_any_effort_is_refused() {
    let limits = Limits {
        compile_cpu_time: Duration::from_secs(1),
        ..Limits::default()
    };
    let host = TestHost::start_with(limits, worker());
    let refused = host.refusal_of(nested_loops(37_000)).await;
    assert_eq!(refused.reason, Refusal::CompileTimeout, "{refused}");
}

#[tokio::test]
async fn a_compile_ends_at_its_memory_limit() {
    let limits = Limits {
        max_compile_memory_bytes: 96 << 20,
        ..Limits::default()
    };
    let host = TestHost::start_with(limits, worker());
    let refused = host.refusal_of(nested_loops(37_000)).await;
    assert_eq!(refused.reason, Refusal::CompileMemory, "{refused}");
}

/// A filter whose one function holds `depth` loops within each other: small, and slow
/// to compile.
fn nested_loops(depth: usize) -> Bytes {
    let body = format!(
        "{}{}",
        "loop local.get 0 br_if 0 ".repeat(depth),
        "end ".repeat(depth)
    );
    let module = format!(
        r#"(module (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "hookgate:plugin/filter@1.0.0#accepts") (param i32) (result i32) {body} unreachable))"#
    );
    wrapped(wat::parse_str(module).unwrap(), "filter-plugin")
}
