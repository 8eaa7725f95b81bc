//! Plugins: which languages this machine can build them in, and files in the plugin folder that no
//! gateway would take.
//!
//! Only authors need a compiler, so a missing one is no failure; and a broken file leaves the
//! version before it serving, so it is a warning. Nothing is compiled or fetched here.

use std::path::Path;

use hookgate_plugin_kit::{Component, Language, Options, Readiness, readiness};

use super::finding::Finding;

const LANGUAGES: [(Language, &str); 5] = [
    (Language::Rust, "Rust plugins"),
    (Language::Ts, "JS/TS plugins"),
    (Language::Python, "Python plugins"),
    (Language::Go, "Go plugins"),
    (Language::C, "C plugins"),
];
/// Files that are told one by one.
const MAX_TOLD: usize = 5;

/// One finding for each language.
pub(super) fn toolchains() -> impl Iterator<Item = Finding> {
    let options = Options::from_environment(Path::new("."), |_| {});
    LANGUAGES.into_iter().map(
        move |(language, check)| match readiness(language, &options) {
            Readiness::Ready(what) | Readiness::Fetches(what) => Finding::ok(check, what),
            Readiness::Missing { what, cure } => Finding::warning(check, what, cure),
        },
    )
}

/// What is wrong with the files in `folder`, as far as it shows without compiling them.
pub(super) fn files(folder: &Path) -> Finding {
    const CHECK: &str = "plugin folder";
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Finding::ok(CHECK, format!("{} is not there yet", folder.display()));
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "wasm"));
    paths.sort();
    let broken: Vec<String> = paths
        .iter()
        .filter_map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let trouble = trouble(path)?;
            Some(format!("{name}: {trouble}"))
        })
        .collect();
    let place = folder.display();
    if broken.is_empty() {
        return Finding::ok(CHECK, format!("{place}, with {} of them", paths.len()));
    }
    let told = broken[..broken.len().min(MAX_TOLD)].join("\n");
    let found = format!(
        "{place}: {} of {} cannot be taken\n{told}",
        broken.len(),
        paths.len()
    );
    let cure = "build them again; `hookgate plugin check FILE` makes every check of an upload";
    Finding::warning(CHECK, found, cure)
}

fn trouble(path: &Path) -> Option<String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return Some(error.to_string()),
    };
    let error = Component::from_bytes(bytes).err()?.to_string();
    Some(error.lines().next().unwrap_or_default().to_owned())
}
