//! The page of promises: one table of what is promised and what was seen, written from what tests and
//! rigs recorded, never by hand.
//!
//! `docs/promises.json` keeps what was recorded last; the page is made from it and from [`rows`].

mod outcomes;
mod page;
pub mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::figures::{self, Figure};
use crate::tool::repository;
use rows::{ROWS, Row};

/// All that was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// How each test ended when it ran last.
    pub tests: BTreeMap<String, Ended>,
    pub figures: BTreeSet<Figure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Passed,
    Failed,
    /// It said that something of it was left out on this machine.
    LeftOut,
}

#[must_use]
pub fn page_path() -> PathBuf {
    repository().join("docs/promises.md")
}

fn record_path() -> PathBuf {
    repository().join("docs/promises.json")
}

/// What was recorded last.
///
/// # Errors
/// Where the record is there and cannot be read.
pub fn read() -> anyhow::Result<Record> {
    let path = record_path();
    if !path.exists() {
        return Ok(Record::default());
    }
    let text = std::fs::read_to_string(&path)?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// The page as it must be.
#[must_use]
pub fn page(record: &Record) -> String {
    page::of(record)
}

/// Runs the tests of these promises, or of all, and writes the record and the page.
///
/// # Errors
/// Where an id is unknown, or something cannot be run or written. A test that fails is recorded.
pub fn run(ids: &[String]) -> anyhow::Result<Record> {
    let rows = chosen(ids)?;
    let mut record = read()?;
    let tests: BTreeSet<&str> = rows.iter().flat_map(|row| row.tests).copied().collect();
    record.tests.extend(outcomes::of(&tests)?);
    write(record)
}

/// Writes the record and the page anew with the figures that are kept beside the build.
///
/// # Errors
/// Where something cannot be read or written.
pub fn write(mut record: Record) -> anyhow::Result<Record> {
    let fresh = fresh_figures()?;
    let seen: BTreeSet<(&str, &str)> = fresh
        .iter()
        .map(|figure| (figure.promise.as_str(), figure.command.as_str()))
        .collect();
    // A newer figure by the same command takes the place of the older one.
    record
        .figures
        .retain(|old| !seen.contains(&(old.promise.as_str(), old.command.as_str())));
    record.figures.extend(fresh.clone());
    let known: BTreeSet<&str> = ROWS.iter().flat_map(|row| row.tests).copied().collect();
    record.tests.retain(|test, _| known.contains(test.as_str()));
    let text = serde_json::to_string_pretty(&record)? + "\n";
    std::fs::write(record_path(), text)?;
    std::fs::write(page_path(), page(&record))?;
    Ok(record)
}

fn chosen(ids: &[String]) -> anyhow::Result<Vec<&'static Row>> {
    for id in ids {
        let is_known = ROWS.iter().any(|row| row.id == id);
        anyhow::ensure!(is_known, "there is no promise {id}: see docs/promises.md");
    }
    let rows = ROWS.iter();
    Ok(rows
        .filter(|row| ids.is_empty() || ids.iter().any(|id| id == row.id))
        .collect())
}

fn fresh_figures() -> anyhow::Result<BTreeSet<Figure>> {
    let mut found = BTreeSet::new();
    let Ok(entries) = std::fs::read_dir(figures::folder()) else {
        return Ok(found);
    };
    for entry in entries {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        found.insert(serde_json::from_str(&text).with_context(|| path.display().to_string())?);
    }
    Ok(found)
}
