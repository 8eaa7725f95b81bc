//! Each SDK's plugin in `plugins/conformance` passes the one suite there.
//!
//! The cases are golden files like any author's, each asked fresh and in one instance with the
//! others. Python and Go fetch toolchains of 50 MB, so they are part of the full run only.

use crate::support::{TestHost, repository};
use hookgate_plugin_golden::{Case, GoldenFiles};
use hookgate_plugin_kit::{Options, build};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// The most that a plugin is handed and may hand back.
const MAX_DATA_BYTES: usize = 256 * 1024;

#[tokio::test]
async fn python_does_what_every_sdk_has_to_do() {
    conforms_in_full_runs("python").await;
}

#[tokio::test]
async fn go_does_what_every_sdk_has_to_do() {
    conforms_in_full_runs("go").await;
}

async fn conforms_in_full_runs(language: &str) {
    if std::env::var_os("HOOKGATE_FULL").is_none() {
        eprintln!("LEFT OUT: HOOKGATE_FULL is not set. `cargo xtask test --full` sets it.");
        return;
    }
    conforms(language).await;
}

async fn conforms(language: &str) {
    let suite = repository().join("plugins/conformance");
    let folder = tempfile::tempdir().unwrap();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let options = Options {
        out_dir: folder.path().to_owned(),
        target_dir: kept.join("guests"),
        ..Options::from_environment(kept, |line| eprintln!("{line}"))
    };
    let built = build(&suite.join(language), &options).unwrap_or_else(|error| panic!("{error}"));
    let component = std::fs::read(built.path).unwrap();

    let host = TestHost::start();
    let trial = host
        .host
        .trial(component.into(), Arc::from("acme"))
        .await
        .unwrap();
    let small = GoldenFiles::read(&suite.join("suite")).unwrap_or_else(|flaws| panic!("{flaws}"));
    let large = large(folder.path());
    let cases: Vec<&Case> = small.cases().chain(large.cases()).collect();
    let reports = hookgate_plugin_golden::run(&trial, &cases).await;
    assert_eq!(reports.len(), cases.len());
    let failed: Vec<String> = reports
        .iter()
        .filter(|report| !report.has_passed())
        .map(|report| {
            let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
            format!(
                "{}: {} {:?}",
                report.name,
                faults.join("\n"),
                report.failure
            )
        })
        .collect();
    assert!(failed.is_empty(), "{language}:\n{}", failed.join("\n"));
    let compiled = trial.compile_time().as_secs_f64();
    eprintln!(
        "{language}: {} cases passed, compiled in {compiled:.1} s",
        reports.len()
    );
}

/// Too much text to be kept in a file.
fn large(folder: &Path) -> GoldenFiles {
    let text = "ü".repeat(MAX_DATA_BYTES / 2);
    let folder = folder.join("large");
    std::fs::create_dir(&folder).unwrap();
    let event = json!({"type": "order.placed", "content_type": "text/plain", "data_text": text});
    let cases = json!([
        {"name": "256 KiB come back", "export": "transform", "config": {"do": "echo"},
         "event": event, "expect": {"replace_text": text}},
        {"name": "256 KiB are passed", "export": "transform", "config": {"do": "pass"},
         "event": event, "expect": "pass"},
    ]);
    std::fs::write(folder.join("large.json"), cases.to_string()).unwrap();
    GoldenFiles::read(&folder).unwrap_or_else(|flaws| panic!("{flaws}"))
}
