//! A folder of golden files: read with every mistake told at once, and written back without
//! touching a byte that is not an answer.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use serde_json::value::RawValue;

use crate::case::Case;
use crate::exact::Exact;
use crate::flaw::{Flaw, Source};
use crate::report::CaseReport;

/// The golden files of a plugin.
#[derive(Clone, Debug)]
pub struct GoldenFiles {
    files: Vec<GoldenFile>,
}

#[derive(Clone, Debug)]
struct GoldenFile {
    path: PathBuf,
    text: String,
    cases: Vec<Case>,
}

/// Everything in a folder that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Flaws(pub Vec<Flaw>);

impl GoldenFiles {
    /// Reads every `*.json` of `folder`, by name. None where the folder is not there.
    ///
    /// # Errors
    /// All that is wrong in them, each with its file and line.
    pub fn read(folder: &Path) -> Result<Self, Flaws> {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
        paths.sort();
        let (mut files, mut flaws) = (Vec::new(), Vec::new());
        for path in paths {
            match GoldenFile::read(&path) {
                Ok(file) => files.push(file),
                Err(found) => flaws.extend(found.into_iter().map(|flaw| Flaw {
                    file: Some(path.clone()),
                    ..flaw
                })),
            }
        }
        if flaws.is_empty() {
            Ok(Self { files })
        } else {
            Err(Flaws(flaws))
        }
    }

    /// All cases, in the order of the files.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.files.iter().flat_map(|file| &file.cases)
    }

    /// Writes what came out in place of what was expected, where they differ, and gives the
    /// names of those cases. All else in the files stays byte for byte.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn update(&self, reports: &[CaseReport]) -> io::Result<Vec<String>> {
        let mut changed = Vec::new();
        for file in &self.files {
            let mut edits = Vec::new();
            for case in &file.cases {
                let report = reports
                    .iter()
                    .find(|report| report.file == case.file && report.line == case.line);
                let new = report.map(|report| file.edits(case, report));
                let new = new.unwrap_or_default();
                if !new.is_empty() {
                    changed.push(case.name.clone());
                    edits.extend(new);
                }
            }
            if !edits.is_empty() {
                fs::write(&file.path, applied(&file.text, edits))?;
            }
        }
        Ok(changed)
    }
}

impl GoldenFile {
    fn read(path: &Path) -> Result<Self, Vec<Flaw>> {
        let text = fs::read_to_string(path).map_err(|error| {
            vec![Flaw {
                file: None,
                line: 0,
                member: String::new(),
                reason: format!("cannot be read: {error}"),
            }]
        })?;
        let cases = cases(path, &text)?;
        Ok(Self {
            path: path.to_owned(),
            text,
            cases,
        })
    }

    fn edits(&self, case: &Case, report: &CaseReport) -> Vec<(Range<usize>, String)> {
        let mut edits = Vec::new();
        if report.has_other_answer() {
            let answer = shortest(&report.answer);
            edits.push(match &case.places.expect {
                Some(place) => {
                    let indent = self.indent(place.start);
                    (place.clone(), answer.pretty(indent))
                }
                None => {
                    let end = self.end_of_members(&case.places.whole);
                    let indent = self.indent(end);
                    (end..end, format!(", \"expect\": {}", answer.pretty(indent)))
                }
            });
        }
        if let Some(place) = case.places.logs.clone().filter(|_| report.has_other_logs()) {
            let lines = report.logs.iter().map(|line| Exact::from(line.as_str()));
            let lines = Exact::List(lines.collect());
            edits.push((place.clone(), lines.pretty(self.indent(place.start))));
        }
        edits
    }

    /// Spaces before the line that holds `at`.
    fn indent(&self, at: usize) -> usize {
        let line = self.text[..at].rsplit('\n').next().unwrap_or_default();
        line.len() - line.trim_start_matches(' ').len()
    }

    fn end_of_members(&self, object: &Range<usize>) -> usize {
        let text = &self.text[object.clone()];
        let inside = text.trim_end().strip_suffix('}').unwrap_or(text);
        object.start + inside.trim_end().len()
    }
}

fn cases(path: &Path, text: &str) -> Result<Vec<Case>, Vec<Flaw>> {
    let source = Source::new(text);
    let one = |flaw| vec![flaw];
    let parts: Vec<&RawValue> = if text.trim_start().starts_with('[') {
        source.read(text, "").map_err(one)?
    } else {
        vec![source.read(text, "").map_err(one)?]
    };
    let (mut cases, mut flaws) = (Vec::new(), Vec::new());
    for part in parts {
        match Case::read(path, source, part.get()) {
            Ok(case) => cases.push(case),
            Err(flaw) => flaws.push(flaw),
        }
    }
    if flaws.is_empty() {
        Ok(cases)
    } else {
        Err(flaws)
    }
}

/// `true` rather than `{"accepts": true}`.
fn shortest(answer: &Exact) -> Exact {
    answer.get("accepts").unwrap_or(answer).clone()
}

fn applied(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    let mut text = text.to_owned();
    for (place, new) in edits {
        text.replace_range(place, &new);
    }
    text
}

impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
