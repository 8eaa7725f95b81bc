//! The documentation is held against the program: links lead somewhere, and the reference names what
//! there is and nothing else.
//!
//! `UPDATE_SNAPSHOTS=1` writes the tables of settings and commands anew; causes and cures of problems
//! are a person's to write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hookgate_tests::Cli;
use hookgate_tests::tool;

fn page(name: &str) -> String {
    let path = tool::repository().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Pages for people: beside the code, and the book.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.')
                && !["target", "node_modules", "hookgate-data"].contains(&&*name)
            {
                pages(&path, found);
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// Without what is code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let even = line.split('`').enumerate().filter(|(n, _)| n % 2 == 0);
            // A link's text may be code; its target is not.
            prose.push_str(&even.map(|(_, part)| part).collect::<String>());
            prose.push('\n');
        }
    }
    prose
}

fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let text = prose(text);
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("](") {
        let (target, after) = after.split_once(')').unwrap_or((after, ""));
        links.push(target.split(' ').next().unwrap_or_default().to_owned());
        rest = after;
    }
    links
}

/// As the hosts of repositories make them of a title.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let titles = text.lines().filter(|line| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code && line.starts_with('#')
    });
    let anchor = |title: &str| {
        let title = title.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    titles.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let root = tool::repository();
    let mut found = Vec::new();
    pages(&root, &mut found);
    let mut broken = Vec::new();
    let mut checked = 0;
    for path in &found {
        let text = std::fs::read_to_string(path).unwrap();
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") || link.is_empty() {
                continue;
            }
            checked += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            let is_there = target.exists()
                && (anchor.is_empty()
                    || std::fs::read_to_string(&target)
                        .is_ok_and(|text| anchors(&text).contains(anchor)));
            if !is_there {
                broken.push(format!(
                    "{}: {link}",
                    path.strip_prefix(&root).unwrap().display()
                ));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    assert!(
        found.len() > 20 && checked > 60,
        "{} pages, {checked} links",
        found.len()
    );
}

/// The table of a page, as its rows.
fn rows(page: &str) -> Vec<&str> {
    let rows = page.lines().skip_while(|line| !line.starts_with("|---"));
    rows.skip(1)
        .take_while(|line| line.starts_with('|'))
        .collect()
}

/// Compares the only table of a page with what it should be, or writes it.
fn hold(name: &str, expected: &[String]) {
    let text = page(name);
    let is = rows(&text);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let table = is.join("\n");
        let text = text.replace(&table, &expected.join("\n"));
        std::fs::write(tool::repository().join(name), text).unwrap();
        return;
    }
    let is: BTreeSet<&str> = is.into_iter().collect();
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    let missing: Vec<_> = expected.difference(&is).collect();
    let gone: Vec<_> = is.difference(&expected).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "{name}: UPDATE_SNAPSHOTS=1 writes it anew\nmissing: {missing:#?}\ngone: {gone:#?}"
    );
}

/// Each setting of the file that `hookgate init` writes.
fn settings(file: &str) -> Vec<String> {
    let mut section = String::new();
    let mut lines = file.lines();
    let mut rows = Vec::new();
    let mut help = "";
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((variable, flag)) = line
            .strip_prefix("# ")
            .and_then(|line| line.split_once(" or --"))
            .filter(|(variable, _)| !variable.contains(' '))
        {
            let setting = lines.next().unwrap().strip_prefix('#').unwrap();
            let (name, default) = setting.split_once(" = ").unwrap();
            let default = match default.trim_matches('"') {
                "" => "–".to_owned(),
                default => format!("`{default}`"),
            };
            let help = help.trim_start_matches("# ").replace('|', "\\|");
            rows.push(format!(
                "| `{section}{name}` | `{variable}` | `--{flag}` | {default} | {help} |"
            ));
        } else {
            help = line;
        }
    }
    rows
}

#[tokio::test]
async fn the_reference_has_every_setting_with_its_default() {
    let cli = Cli::new();
    let _ = cli.run(&["init"]).await.good();
    let expected = settings(&cli.read("hookgate.toml"));
    assert!(expected.len() > 25, "{expected:?}");
    hold("docs/reference/settings.md", &expected);
}

#[test]
fn every_problem_has_its_cause_and_its_cure() {
    let code = page("gateway/src/http/problem.rs");
    let kinds: BTreeMap<&str, &str> = code
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.trim().split_once(" = \"")?;
            let (slug, rest) = rest.split_once("\", ")?;
            let (_, title) = rest.split_once(", \"")?;
            Some((slug, title.strip_suffix("\";")?))
        })
        .collect();
    assert!(kinds.len() > 20, "{kinds:?}");
    let text = page("docs/reference/problems.md");
    let explained: BTreeMap<&str, Vec<&str>> = rows(&text)
        .into_iter()
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            (cells[0].trim_matches('`'), cells)
        })
        .collect();
    let names: BTreeSet<&&str> = kinds.keys().collect();
    assert_eq!(
        names,
        explained.keys().collect(),
        "docs/reference/problems.md"
    );
    for (slug, cells) in explained {
        assert_eq!(cells.len(), 5, "{slug}");
        assert_eq!(cells[2], kinds[slug], "{slug}: its title");
        assert!(
            cells[3].len() > 15 && cells[4].len() > 15,
            "{slug} says too little"
        );
    }
}

#[tokio::test]
async fn the_reference_has_every_command() {
    let commands = super::command_line::leaves().await;
    let expected: Vec<String> = commands
        .iter()
        .map(|(words, help)| {
            let about = help
                .split("\n\n")
                .next()
                .unwrap_or_default()
                .replace('\n', " ");
            format!(
                "| `hookgate {}` | {} |",
                words.join(" "),
                about.trim_end_matches('.')
            )
        })
        .collect();
    hold("docs/reference/command-line.md", &expected);
}
