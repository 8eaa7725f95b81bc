//! Runs tests by their names and reads how each ended.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::Context as _;

use super::Ended;

/// The prefix of a test's name here, and where cargo finds it.
const TARGETS: [(&str, &[&str]); 3] = [
    ("it::", &["--package", "hookgate-tests", "--test", "it"]),
    ("gateway::", &["--package", "hookgate", "--lib"]),
    (
        "host::",
        &["--package", "hookgate-plugin-host", "--test", "host"],
    ),
];

pub(super) fn of(tests: &BTreeSet<&str>) -> anyhow::Result<BTreeMap<String, Ended>> {
    let mut ended = BTreeMap::new();
    for (prefix, target) in TARGETS {
        let names: Vec<&str> = tests
            .iter()
            .filter_map(|test| test.strip_prefix(prefix))
            .collect();
        if names.is_empty() {
            continue;
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["test", "--locked"]).args(target);
        cargo.args(["--", "--exact"]).args(&names);
        let output = cargo.output().context("cargo could not be run")?;
        let (said, told) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        eprintln!("{told}");
        println!("{said}");
        for (name, how) in read(&said, &told) {
            ended.insert(format!("{prefix}{name}"), how);
        }
        for name in names {
            let test = format!("{prefix}{name}");
            anyhow::ensure!(ended.contains_key(&test), "{test} did not run:\n{told}");
        }
    }
    Ok(ended)
}

/// From libtest's own lines, and from what tests tell of what they leave out.
fn read(said: &str, told: &str) -> BTreeMap<String, Ended> {
    let left_out: BTreeSet<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("LEFT OUT ")?.split(": ").next())
        .collect();
    let ended = said.lines().filter_map(|line| {
        let (name, how) = line.strip_prefix("test ")?.split_once(" ... ")?;
        let name = name.split(" - ").next().unwrap_or(name);
        let how = match how {
            "ok" if left_out.contains(name) => Ended::LeftOut,
            "ok" => Ended::Passed,
            "FAILED" => Ended::Failed,
            _ => return None,
        };
        Some((name.to_owned(), how))
    });
    ended.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_ended_as_libtest_says() {
        let said = "running 3 tests\ntest a::b ... ok\ntest a::c ... FAILED\ntest a::d ... ok\n\
                    test result: FAILED. 2 passed; 1 failed;\n";
        let ended = read(said, "LEFT OUT a::d: needs root\n");
        assert_eq!(ended["a::b"], Ended::Passed);
        assert_eq!(ended["a::c"], Ended::Failed);
        assert_eq!(ended["a::d"], Ended::LeftOut);
        assert_eq!(ended.len(), 3);
    }
}
