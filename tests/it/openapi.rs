//! The document at `/openapi.json` is the complete truth about the API, and changes only on purpose.
//!
//! `UPDATE_SNAPSHOTS=1` writes the snapshot anew.

use hookgate_tests::{Gateway, tool};
use serde_json::Value;
use tokio::process::Command;

use crate::fetched::from_npm;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/openapi.json");

#[tokio::test]
async fn the_document_is_as_it_was_agreed() {
    let gateway = Gateway::fresh().await;
    let document = gateway
        .api()
        .with_key(None)
        .get("/openapi.json")
        .await
        .expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut document = document;
    // Grows with each release; the rest is the contract.
    document["info"].as_object_mut().unwrap().remove("version");
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(SNAPSHOT, &text).unwrap();
    }
    let agreed = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
    let first_change = text
        .lines()
        .zip(agreed.lines())
        .find(|(now, then)| now != then);
    assert!(
        text == agreed,
        "UPDATE_SNAPSHOTS=1 takes the change over: {first_change:?}"
    );
}

#[tokio::test]
async fn every_route_says_what_it_answers_and_with_which_problem() {
    let gateway = Gateway::fresh().await;
    let document = gateway.api().get("/openapi.json").await.expect(200);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 15);
    let mut names = std::collections::HashSet::new();
    for (path, methods) in paths.iter().filter(|(path, _)| path.starts_with("/v1/")) {
        for (method, operation) in methods.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} names two operations");
            let responses = operation["responses"].as_object().unwrap();
            let has_problem = responses.values().any(|response| {
                !matches!(response["content"]["application/problem+json"], Value::Null)
            });
            assert!(has_problem, "{method} {path}");
        }
    }
}

/// Spectral's own rules for OpenAPI, without an exception.
#[tokio::test]
async fn a_linter_finds_nothing_in_the_document() {
    if !tool::is_full("Spectral, from npm") {
        return;
    }
    let Some(_node) = tool::found("node", "apt-get install nodejs npm") else {
        return;
    };
    let program = "node_modules/.bin/spectral";
    let wanted = (&["@stoplight/spectral-cli@6.16.3"][..], program);
    let Some(folder) = from_npm("spectral", wanted).await else {
        return;
    };
    let gateway = Gateway::fresh().await;
    let document = gateway.api().get("/openapi.json").await.body;
    std::fs::write(folder.join("rules.yaml"), "extends: [\"spectral:oas\"]\n").unwrap();
    std::fs::write(folder.join("openapi.json"), &document).unwrap();
    let output = Command::new(folder.join(program))
        .args([
            "lint",
            "--fail-severity=hint",
            "-r",
            "rules.yaml",
            "openapi.json",
        ])
        .current_dir(&folder)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", tool::said(&output));
}
