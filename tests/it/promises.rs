//! The page of promises is what was recorded, and each test that it names is there.

use std::collections::BTreeSet;

use hookgate_tests::promises::rows::ROWS;
use hookgate_tests::promises::{page, page_path, read};
use hookgate_tests::tool::repository;

#[test]
fn the_page_is_what_was_recorded() {
    let written = std::fs::read_to_string(page_path()).unwrap();
    let wanted = page(&read().unwrap());
    assert_eq!(written, wanted, "run `cargo xtask promises --page`");
}

#[test]
fn every_promise_has_a_row_and_its_tests_are_there() {
    let ids: BTreeSet<&str> = ROWS.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), ROWS.len(), "an id stands twice");
    for (letter, count) in [('R', 20), ('I', 8), ('E', 12), ('P', 16), ('O', 8)] {
        for number in 1..=count {
            let id = format!("{letter}{number}");
            assert!(ids.contains(id.as_str()), "{id} is missing");
        }
    }
    let mut missing = Vec::new();
    for test in ROWS.iter().flat_map(|row| row.tests) {
        let (target, path) = test.split_once("::").unwrap();
        let folder = match target {
            "it" => "tests/it",
            "gateway" => "gateway/src",
            "host" => "plugins/host/tests/host",
            other => panic!("{test}: {other} is no target"),
        };
        let (module, name) = path.rsplit_once("::").unwrap();
        let file = module.trim_end_matches("::tests").replace("::", "/");
        let places = ["{}.rs", "{}/tests.rs", "{}/mod.rs", "{}_tests.rs"];
        let is_there = places.iter().any(|place| {
            let place = place.replace("{}", &file);
            let text = std::fs::read_to_string(repository().join(folder).join(place));
            text.is_ok_and(|text| text.contains(&format!("fn {name}()")))
        });
        if !is_there {
            missing.push(*test);
        }
    }
    assert_eq!(missing, Vec::<&str>::new());
}
