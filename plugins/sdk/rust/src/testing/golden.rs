//! Runs golden files natively: the same `tests/*.json` that `hookgate plugin test` runs over
//! the built component.
//!
//! In a test of the package: `golden::transform::<OnlySmall>("tests")`.
//!
//! Each case gets its config and log anew, as in an instance of its own. A case that expects
//! the plugin to fail by force (`fails`) is for the component alone and is passed over.

mod case;
mod expect;
mod value;

use std::fmt::Write as _;
use std::path::Path;

use crate::{Event, Failure, Filter, Fold, Receiver, Reception, Transform, Verdict};
use crate::{config::ConfigCell, testing};

use case::{Case, Export};

/// What a call came to.
#[derive(Debug)]
enum Answer {
    Verdict(Verdict),
    Accepts(bool),
    Folded(Event),
    Reception(Reception),
}

/// Runs every case for the export `transform` in the JSON files of `dir`, a folder of the package.
///
/// # Panics
/// Where a case comes out otherwise, with all that do; where a file can't be read, or is no
/// golden file, with the place; and where there is no case at all.
pub fn transform<P: Transform>(dir: &str) {
    run(dir, Export::Transform, |case| {
        let event = case.event()?;
        Ok(with_config(|config| {
            P::handle(event, config).map(Answer::Verdict)
        }))
    });
}

/// As [`transform`], for the export `filter`.
///
/// # Panics
/// As [`transform`].
pub fn filter<P: Filter>(dir: &str) {
    run(dir, Export::Filter, |case| {
        let event = case.event()?;
        Ok(with_config(|config| {
            P::accepts(event, config).map(Answer::Accepts)
        }))
    });
}

/// As [`transform`], for the export `fold`.
///
/// # Panics
/// As [`transform`].
pub fn fold<P: Fold>(dir: &str) {
    run(dir, Export::Fold, |case| {
        let (earlier, later) = case.events()?;
        Ok(with_config(|config| {
            P::fold(earlier, later, config).map(Answer::Folded)
        }))
    });
}

/// As [`transform`], for the export `receiver`.
///
/// # Panics
/// As [`transform`].
pub fn receiver<P: Receiver>(dir: &str) {
    run(dir, Export::Receiver, |case| {
        let request = case.request()?;
        Ok(with_config(|config| {
            P::receive(request, config).map(Answer::Reception)
        }))
    });
}

/// As an exported plugin reads it.
fn with_config<C: serde::de::DeserializeOwned>(
    call: impl FnOnce(&C) -> Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    let cell = ConfigCell::<C>::new();
    call(cell.get()?)
}

fn run(dir: &str, export: Export, call: impl Fn(&Case) -> Result<Result<Answer, Failure>, String>) {
    let mut wrong = String::new();
    let mut count = 0;
    for (file, cases) in files(Path::new(dir)) {
        for case in cases.iter().filter(|case| case.is_for(export)) {
            count += 1;
            let compared = case.config().and_then(|config| {
                testing::set_config(config);
                testing::set_data_url(case.data_url());
                let _ = testing::take_log();
                call(case).and_then(|answer| case.compare(&answer, &testing::take_log()))
            });
            if let Err(difference) = compared {
                let _ = writeln!(wrong, "{file}, {}:\n{difference}", case.name);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(count > 0, "{dir} holds no case for this export");
}

fn files(dir: &Path) -> Vec<(String, Vec<Case>)> {
    let entries = std::fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("could not read {}: {error}", dir.display()));
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path)
                .unwrap_or_else(|error| panic!("could not read {}: {error}", path.display()));
            let cases =
                case::read(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.display().to_string(), cases)
        })
        .collect()
}

#[cfg(test)]
mod tests;
