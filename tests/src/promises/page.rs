//! Writes the page: a table a chapter, a row a promise.

use std::fmt::Write as _;

use super::rows::{ROWS, Row, TITLES};
use super::{Ended, Record};

const HEAD: &str = "\
# Promises, and what was seen

Written by `cargo xtask promises` from what tests and rigs recorded last, on the machine of whoever ran it; not by hand. \
`cargo xtask promises R7 I4` runs those rows again and writes this page anew.

*Seen* is a figure where a test or rig took one; else how many of the row's tests passed. What of a bound neither shows is \
said as *open*. *Not measured* means just that. Short forms of long runs say how long they were.
";

pub(super) fn of(record: &Record) -> String {
    let mut page = HEAD.to_owned();
    for (letter, title) in TITLES {
        let _ = write!(
            page,
            "\n## {title}\n\n| | promise | the figure that counts | seen | again | beside it |\n|---|---|---|---|---|---|\n"
        );
        for row in ROWS.iter().filter(|row| row.id.starts_with(letter)) {
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {} | {} |",
                row.id,
                row.promise,
                row.bound,
                seen(row, record),
                again(row, record),
                row.peer
            );
        }
    }
    page
}

fn seen(row: &Row, record: &Record) -> String {
    let mut parts: Vec<String> = record
        .figures
        .iter()
        .filter(|figure| figure.promise == row.id)
        .map(|figure| figure.figure.replace('|', "\\|"))
        .collect();
    let ended: Vec<Ended> = row
        .tests
        .iter()
        .filter_map(|test| record.tests.get(*test).copied())
        .collect();
    let count = |how| ended.iter().filter(|one| **one == how).count();
    if !ended.is_empty() {
        parts.push(format!(
            "{} of {} tests pass",
            count(Ended::Passed),
            row.tests.len()
        ));
    }
    if count(Ended::Failed) > 0 {
        parts.push(format!("**{} fail**", count(Ended::Failed)));
    }
    if count(Ended::LeftOut) > 0 {
        parts.push(format!(
            "{} left something out on this machine",
            count(Ended::LeftOut)
        ));
    }
    if parts.is_empty() {
        parts.push("not measured".to_owned());
    }
    if !row.gap.is_empty() {
        parts.push(format!("open: {}", row.gap));
    }
    parts.join("; ")
}

/// The commands of its figures that are no tests, then the row's own.
fn again(row: &Row, record: &Record) -> String {
    let mut commands: Vec<String> = record
        .figures
        .iter()
        .filter(|figure| figure.promise == row.id)
        .filter(|figure| !figure.command.starts_with("cargo xtask test "))
        .map(|figure| format!("`{}`", figure.command))
        .collect();
    if !row.tests.is_empty() {
        commands.push(format!("`cargo xtask promises {}`", row.id));
    }
    if commands.is_empty() {
        commands.push("–".to_owned());
    }
    commands.join(", ")
}
