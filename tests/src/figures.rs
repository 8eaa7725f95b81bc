//! Figures that tests and rigs saw, kept beside the build, so that the page of promises is written
//! from what was seen and from nothing else.

use std::fmt::Display;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One figure, and what shows it again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Figure {
    /// Which promise it is about: `I4`.
    pub promise: String,
    pub figure: String,
    pub command: String,
}

/// Keeps a figure of the test that calls.
///
/// # Panics
/// Where it cannot be written.
pub fn record(promise: &str, figure: impl Display) {
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test").to_owned();
    let command = format!("cargo xtask test {test}");
    keep(&test.replace("::", "."), promise, figure, command);
}

/// Keeps a figure of a rig, with the command that starts it again.
///
/// # Panics
/// Where it cannot be written.
pub fn record_of_rig(promise: &str, figure: impl Display, command: impl Into<String>) {
    keep("rig", promise, figure, command.into());
}

fn keep(by: &str, promise: &str, figure: impl Display, command: String) {
    let kept = Figure {
        promise: promise.to_owned(),
        figure: figure.to_string(),
        command,
    };
    println!("{promise}: {}", kept.figure);
    let folder = folder();
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let text = serde_json::to_string_pretty(&kept).expect("a figure is plain data");
    let file = folder.join(format!("{promise}.{by}.json"));
    std::fs::write(file, text).expect("the target folder can be written");
}

/// Where figures are kept: `promises/` in the target folder.
///
/// # Panics
/// Where this program lies in no target folder.
#[must_use]
pub fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its own path");
    let target = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target
        .expect("cargo builds into a target folder")
        .join("promises")
}
