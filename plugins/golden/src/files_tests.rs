//! Golden files that are right, and those that are wrong in every way that an author can think of.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::report::{Cost, Fault};
use hookgate_plugin_host::Export;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn flaws(text: &str) -> String {
    let folder = folder(&[("a.json", text)]);
    let flaws = GoldenFiles::read(folder.path()).unwrap_err().to_string();
    let prefix = folder.path().join("a.json").display().to_string();
    flaws.replace(&prefix, "a.json")
}

#[test]
fn a_file_holds_one_case_or_many() {
    let one = r#"{"name": "one", "event": {"type": "a", "data": {"n": 1.50}}, "expect": "pass"}"#;
    let many = format!("[\n  {one},\n  {}\n]", one.replace("one", "two"));
    let folder = folder(&[("b.json", one), ("a.json", &many), ("notes.txt", "no")]);
    let files = GoldenFiles::read(folder.path()).unwrap();
    let found: Vec<(&str, usize)> = files
        .cases()
        .map(|case| (case.name.as_str(), case.line))
        .collect();
    assert_eq!(found, [("one", 2), ("two", 3), ("one", 1)]);
    let case = files.cases().next().unwrap();
    let call = case.setting.call(Export::Transform);
    let hookgate_plugin_host::Question::Transform(event) = call.question else {
        panic!("{call:?}");
    };
    assert_eq!(&event.data[..], b"{\"n\": 1.50}", "byte for byte");
    assert_eq!((&*event.id, event.time_ms), ("evt_test", 1_767_225_600_000));
    assert_eq!(&*call.config, "{}");
    assert_eq!(
        GoldenFiles::read(Path::new("/no/such"))
            .unwrap()
            .cases()
            .count(),
        0
    );
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let case = |rest: &str| {
        format!("[\n{{\"name\": \"x\",\n \"event\": {{\"type\": \"a\", \"data\": 1}},\n {rest}}}]")
    };
    for (rest, expected) in [
        (
            "\"expects\": 1",
            "a.json:4: expects: unknown field `expects`",
        ),
        (
            "\"expect\": {\"replac\": 1}",
            "a.json:4: expect: unknown variant `replac`",
        ),
        (
            "\"expect\": {\"drop\": 1}",
            "a.json:4: expect.drop: invalid type: integer `1`",
        ),
        (
            "\"expect\":\n {\"deliver\": {\"bdy\": 1}}",
            "a.json:5: expect.deliver",
        ),
        (
            "\"expect\": {\"deliver\": {}}",
            "a.json:4: expect: give one of \"body\"",
        ),
        (
            "\"expect\": {\"drop\": \"a\", \"fails\": \"b\"}",
            "a.json:4: expect: holds drop and fails",
        ),
        (
            "\"expect\": \"passes\"",
            "a.json:4: expect: must be \"pass\"",
        ),
        (
            "\"export\": \"transfrm\"",
            "a.json:4: export: there is no export \"transfrm\"",
        ),
        ("\"later\": {\"type\": \"a\"}", "a.json:2: give \"event\""),
        ("\"logs\": [1]", "a.json:4: logs[0]: invalid type"),
    ] {
        let found = flaws(&case(rest));
        assert!(found.starts_with(expected), "{rest}:\n{found}\n{expected}");
    }
    let event = |members: &str| flaws(&format!("{{\"name\": \"x\", \"event\": {{{members}}}}}"));
    assert!(event("\"type\": \"a\"").contains("event: give one of \"data\""));
    assert!(event("\"type\": \"a\", \"dta\": 1").contains("a.json:1: event.dta: unknown field"));
    assert!(event("\"type\": \"a\", \"data_base64\": \"?\"").contains("is not base64"));
    assert!(
        event("\"type\": \"a\", \"data\": 1, \"time\": \"now\"").contains("2026-01-31T12:00:00Z")
    );
    assert!(flaws("[").contains("a.json:1: EOF"));
    assert!(flaws("{}\n{}").contains("a.json:2: trailing characters"));
    let two = flaws("[{\"name\": 1},\n{\"nam\": 1}]");
    assert_eq!(two.lines().count(), 2, "{two}");
}

fn report(case: &Case, answer: &str, fault: Fault) -> CaseReport {
    CaseReport {
        name: case.name.clone(),
        file: case.file.clone(),
        line: case.line,
        export: Some("transform"),
        faults: vec![fault],
        answer: Exact::parse(answer.as_bytes()).unwrap(),
        failure: None,
        logs: vec!["info: new".to_owned()],
        cost: Cost::default(),
    }
}

#[test]
fn an_update_changes_answers_and_not_another_byte() {
    let text = r#"[
  {"name": "a",   "event": {"type": "t", "data": {"n":1.50 }},
   "expect": {"replace":   1},  "logs": ["info: old"]},
  {"name": "b", "event": {"type": "t", "data": 1}}
]
"#;
    let folder = folder(&[("a.json", text)]);
    let files = GoldenFiles::read(folder.path()).unwrap();
    let cases: Vec<&Case> = files.cases().collect();
    let differences = Vec::new();
    let mut first = report(
        cases[0],
        r#"{"replace":{"n":1.50}}"#,
        Fault::Logs { differences },
    );
    first.faults.push(Fault::Answer {
        differences: Vec::new(),
    });
    let second = report(cases[1], r#"{"accepts":true}"#, Fault::NothingExpected);
    assert_eq!(files.update(&[first, second]).unwrap(), ["a", "b"]);
    assert_eq!(
        fs::read_to_string(folder.path().join("a.json")).unwrap(),
        text.replace(r#"{"replace":   1}"#, r#"{"replace": {"n": 1.50}}"#)
            .replace("info: old", "info: new")
            .replace("\"data\": 1}}", "\"data\": 1}, \"expect\": true}")
    );
    assert!(GoldenFiles::read(folder.path()).is_ok());
}
