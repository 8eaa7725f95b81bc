//! The conformance checks against our own gateway: every row that exists passes.

use std::process::Command;

use hookgate_tests::gateway::{ADMIN_KEY, binary};
use hookgate_tests::{Gateway, GatewayOptions};
use serde_json::Value;

/// Rows of patterns that this release does not have.
const MISSING: [&str; 0] = [];

#[tokio::test]
async fn every_row_that_exists_passes_against_our_own_gateway() {
    let options = GatewayOptions::default().set(("HOOKGATE_RETRY_SCHEDULE", "1s"));
    let gateway = Gateway::start(options).await;
    let (url, binary) = (gateway.url().to_owned(), binary());
    let output = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(binary);
        command.args([
            "conformance",
            "--json",
            "--target",
            &url,
            "--api-key",
            ADMIN_KEY,
        ]);
        command.output().unwrap()
    })
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let results: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!(
            "{error}: {text} {}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    let rows = results["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 26);
    let wrong: Vec<String> = rows
        .iter()
        .filter(|row| match row["outcome"].as_str() {
            Some("passed") => false,
            Some("missing") => !MISSING.contains(&row["row"].as_str().unwrap()),
            _ => true,
        })
        .map(|row| format!("{} {}: {}", row["row"], row["title"], row["detail"]))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(output.status.success());
}
