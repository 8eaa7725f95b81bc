//! Keeps the shape of the gateway's code: what may import what, and where things are done.
//!
//! Reads the text of the sources, without comments and without their tests. It proves no more than
//! a reader would see, and says in which line.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/src");
const MAX_LINES: usize = 500;

/// Imports only point to layers further down; neighbours do not see each other.
const LAYERS: [&[&str]; 9] = [
    &["main", "lib"],
    // Above `app`: `serve` and `demo` start it.
    &["cli"],
    &["app"],
    &["http", "ui", "delivery", "jobs"],
    &["ingest", "plugin"],
    &["log", "store", "embedded"],
    &["config"],
    &["lifecycle", "telemetry"],
    &["domain"],
];

/// A file without its comments and tests.
struct Source {
    /// Relative to the sources, with `/`.
    path: String,
    first_line: String,
    /// Comments are blank, so that line numbers stay.
    lines: Vec<String>,
}

#[test]
fn imports_point_downward_only() {
    let mut wrong = String::new();
    for source in sources() {
        let from = layer(source.module());
        for (number, target) in source.imports() {
            if target == source.module() {
                continue;
            }
            let is_downward = matches!((from, layer(&target)), (Some(from), Some(to)) if from < to);
            let is_pipeline_to_store =
                source.path.starts_with("plugin/pipeline") && target == "store";
            if !is_downward || is_pipeline_to_store {
                let _ = writeln!(wrong, "{}:{number} imports {target}", source.path);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn each_thing_is_done_in_its_place() {
    let rules: [(&str, &[&str], &[&str]); 6] = [
        (
            "SQL",
            &[
                "sqlx::query",
                "query!(",
                "query_as!(",
                "query_scalar!(",
                "query_file!(",
                "query_file_as!(",
                "query_file_scalar!(",
                "query_unchecked!(",
            ],
            &["store/", "log/"],
        ),
        ("requests to others", &["reqwest"], &["cli/client"]),
        (
            "requests to receivers",
            &["hyper::client"],
            &["delivery/sender/"],
        ),
        ("the engine of plugins", &["wasmtime"], &[]),
        (
            "the environment",
            &["env::var", "env::vars", "env::args", "env::current_dir"],
            &["main.rs", "app.rs", "app/"],
        ),
        (
            "HTTP's status codes as a server",
            &["axum::"],
            &["http/", "ui/", "app.rs", "app/"],
        ),
    ];
    let mut wrong = String::new();
    for source in sources() {
        for (what, marks, places) in &rules {
            if places.iter().any(|place| source.path.starts_with(place)) {
                continue;
            }
            for (number, line) in source.numbered() {
                if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                    let _ = writeln!(
                        wrong,
                        "{}:{number} has {mark}: {what} has another place",
                        source.path
                    );
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn each_module_is_short_and_says_why_it_is_there() {
    let mut wrong = String::new();
    for source in sources() {
        if !source.first_line.starts_with("//!") {
            let _ = writeln!(wrong, "{} does not open with `//!`", source.path);
        }
        if source.lines.len() > MAX_LINES {
            let _ = writeln!(
                wrong,
                "{} has {} lines, {MAX_LINES} are the end",
                source.path,
                source.lines.len()
            );
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A table that names tests which are gone would be a promise without cover.
#[test]
fn the_tests_that_the_protocol_s_table_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../gateway/ARCHITECTURE.md")).unwrap();
    let (_, table) = page
        .split_once("## The protocol, and what shows it")
        .unwrap();
    let named: Vec<(&str, &str)> = table
        .split('`')
        .filter_map(|text| text.split_once("::"))
        .collect();
    assert!(named.len() > 25, "{}", named.len());
    let mut missing = String::new();
    for (module, test) in named {
        let behaviour = root.join(format!("it/{module}.rs"));
        let is_there = if behaviour.is_file() {
            has_test(&behaviour, test)
        } else {
            let units = root.join("../gateway/src").join(module);
            let files = std::fs::read_dir(units).into_iter().flatten().flatten();
            files
                .map(|file| file.path())
                .any(|file| has_test(&file, test))
        };
        if !is_there {
            let _ = writeln!(missing, "{module}::{test}");
        }
    }
    assert!(missing.is_empty(), "\n{missing}");
}

fn has_test(file: &Path, test: &str) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.contains(&format!("fn {test}("))
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path
            .strip_prefix(root)
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/");
        let code = text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]");
        let without_comment = |line: &str| {
            let is_comment = line.trim_start().starts_with("//");
            if is_comment {
                String::new()
            } else {
                line.to_owned()
            }
        };
        Self {
            path: name,
            first_line: text.lines().next().unwrap_or_default().to_owned(),
            lines: code.map(without_comment).collect(),
        }
    }

    /// The top-level module that the file belongs to.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines
            .iter()
            .enumerate()
            .map(|(index, line)| (index + 1, line.as_str()))
    }

    /// The modules that `crate::module` or `crate::{module…}` names, with their lines.
    fn imports(&self) -> Vec<(usize, String)> {
        let text = self.lines.join("\n");
        let mut found = Vec::new();
        for (at, path) in text.match_indices("crate::") {
            let is_macro_word =
                text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
            if is_macro_word {
                continue;
            }
            let number = text[..at].matches('\n').count() + 1;
            for name in heads(&text[at + path.len()..]) {
                found.push((number, name));
            }
        }
        found
    }
}

/// `a::b` gives `a`; `{a::b, c::{d, e}}` gives `a` and `c`. A type or a macro of the root is no module.
fn heads(path: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return Some(word(path))
            .filter(|name| is_module(name))
            .into_iter()
            .collect();
    };
    let mut depth = 0_i32;
    let mut names = vec![word(group)];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(word(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| is_module(name));
    names
}

fn is_module(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn sources() -> Vec<Source> {
    let root = PathBuf::from(SOURCES);
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                sources.push(Source::read(&root, &path));
            }
        }
    }
    assert!(sources.len() > 20, "the sources were not found");
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}
