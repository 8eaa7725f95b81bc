//! Packages of PyPI and npm that tests of a full run need: fetched once, into the target folder. Where
//! they cannot be had the test says so and does without them.

use std::path::{Path, PathBuf};

use hookgate_tests::tool;
use tokio::process::Command;

/// The folder for `PYTHONPATH` that holds these packages; `mark` is what one of them lays into it.
pub(crate) async fn from_pypi(
    python: &Path,
    name: &str,
    (packages, mark): (&[&str], &str),
) -> Option<PathBuf> {
    let folder = folder(name);
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--target"])
        .arg(&folder);
    fetched((pip, packages), folder, mark).await
}

/// The folder whose `node_modules` holds these packages; `mark` is what one of them lays into it.
pub(crate) async fn from_npm(name: &str, (packages, mark): (&[&str], &str)) -> Option<PathBuf> {
    let folder = folder(name);
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--ignore-scripts"])
        .args(["--no-audit", "--no-fund", "--prefix"])
        .arg(&folder);
    fetched((npm, packages), folder, mark).await
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

async fn fetched(
    (mut fetches, packages): (Command, &[&str]),
    folder: PathBuf,
    mark: &str,
) -> Option<PathBuf> {
    if folder.join(mark).exists() {
        return Some(folder);
    }
    let output = fetches.args(packages).output().await;
    if output.is_ok_and(|output| output.status.success()) {
        return Some(folder);
    }
    tool::left_out(&format!("{} could not be fetched", packages.join(", ")));
    None
}
