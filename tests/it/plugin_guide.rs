//! The author's guide names every way in which a plugin can be refused or fail, and the limits that hold.

use std::time::Duration;

use hookgate_plugin_host::{CallFailure, Limits, Refusal};

const GUIDE: &str = include_str!("../../plugins/README.md");

#[test]
fn every_refusal_of_an_upload_stands_in_the_guide() {
    for refusal in Refusal::ALL {
        has_row(refusal.as_str());
    }
}

#[test]
fn every_failure_of_a_call_stands_in_the_guide() {
    for failure in [
        CallFailure::InvalidConfig(String::new()),
        CallFailure::UnusableEvent(String::new()),
        CallFailure::AgainLater(String::new()),
        CallFailure::Trap(String::new()),
        CallFailure::TimedOut {
            limit: Duration::ZERO,
        },
        CallFailure::MemoryLimit { max_bytes: 0 },
        CallFailure::InputTooLarge {
            actual_bytes: 0,
            max_bytes: 0,
        },
        CallFailure::OutputTooLarge { max_bytes: 0 },
        CallFailure::TooManyHeaders { actual: 0, max: 0 },
        CallFailure::TooManyDrafts { actual: 0, max: 0 },
        CallFailure::InvalidStatus { status: 0 },
        CallFailure::NotExported { wanted: "" },
        CallFailure::Overloaded,
        CallFailure::NotReached,
    ] {
        has_row(failure.kind());
    }
}

#[test]
fn the_limits_of_the_guide_are_those_that_hold() {
    let limits = Limits::default();
    let (kib, mib) = (1024, 1024 * 1024);
    let rows = [
        format!(
            "| time for an event, for an instance to start | {} ms, {} ms |",
            limits.time_per_event.as_millis(),
            limits.time_to_instantiate.as_millis()
        ),
        format!(
            "| memory of an instance | {} MiB |",
            limits.max_memory_bytes / mib
        ),
        format!(
            "| data in, data out | {} KiB each |",
            limits.max_output_bytes / kib
        ),
        format!("| headers of a message | {} |", limits.max_headers),
        format!(
            "| log of a call | {} lines, {} KiB a line, {} KiB in all; the rest is cut and counted |",
            limits.max_log_lines,
            limits.max_log_line_bytes / kib,
            limits.max_log_bytes / kib
        ),
        format!(
            "| size of a component | {} MiB |",
            limits.max_component_bytes / mib
        ),
        format!(
            "| compiling it | {} s of CPU, {} s, {} GiB |",
            limits.compile_cpu_time.as_secs(),
            limits.compile_time.as_secs(),
            limits.max_compile_memory_bytes >> 30
        ),
    ];
    for row in rows {
        assert!(GUIDE.contains(&row), "not in plugins/README.md: {row}");
    }
}

fn has_row(kind: &str) {
    let row = format!("\n| `{kind}` | ");
    assert!(
        GUIDE.contains(&row),
        "plugins/README.md has no row for {kind}"
    );
}

/// A page that names tests which are gone would be a promise without cover.
#[test]
fn the_tests_that_the_hosts_page_names_are_there() {
    const PAGE: &str = include_str!("../../plugins/host/README.md");
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [here.join("it"), here.join("../plugins/host/tests/host")];
    let named: Vec<(&str, &str)> = PAGE
        .split('`')
        .filter_map(|text| text.split_once("::"))
        .collect();
    assert!(named.len() > 50, "{}", named.len());
    let missing: Vec<String> = named
        .into_iter()
        .filter(|(module, test)| {
            let is_there = places.iter().any(|place| {
                let file = place.join(module).with_extension("rs");
                let text = std::fs::read_to_string(file).unwrap_or_default();
                text.contains(&format!("fn {test}()"))
            });
            !is_there
        })
        .map(|(module, test)| format!("{module}::{test}"))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
    for number in 1..=16 {
        assert!(PAGE.contains(&format!("| P{number} |")), "P{number}");
    }
}
