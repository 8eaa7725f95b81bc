//! Python with the packages of the peers, in an environment of its own in the target folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::super::Book;

const REQUIREMENTS: &str = include_str!("requirements.txt");

#[derive(Clone, Debug)]
pub(in super::super) struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// Makes it where it is not there yet. None, with a note, where Python or its packages are missing.
    pub(in super::super) async fn ready(book: &mut Book) -> anyhow::Result<Option<Self>> {
        let folder = book.setting.folder.join("venv");
        let mark = folder.join("requirements.txt");
        if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == REQUIREMENTS) {
            return Ok(Some(Self { folder }));
        }
        super::super::tell("Python's packages are installed, once");
        let wanted = book.setting.folder.join("requirements.txt");
        std::fs::write(&wanted, REQUIREMENTS)?;
        if let Err(why) = make(&folder, &wanted).await {
            book.note(format!(
                "FastAPI, Tornado and drf-hooks are left out: {why}; with Python 3, venv and pip \
                 (`apt-get install python3-venv`) and a package index in reach they are measured too"
            ));
            return Ok(None);
        }
        std::fs::write(&mark, REQUIREMENTS)?;
        Ok(Some(Self { folder }))
    }

    /// One of its programs, to be run in `folder`.
    pub(super) fn program(&self, name: &str, folder: &Path) -> Command {
        let mut command = Command::new(self.folder.join("bin").join(name));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.current_dir(folder).stdin(Stdio::null());
        command
    }
}

async fn make(folder: &Path, wanted: &Path) -> Result<(), String> {
    quietly(Path::new("python3"), &["-m", "venv", "--clear"], folder).await?;
    let install = ["install", "--quiet", "--disable-pip-version-check", "-r"];
    quietly(&folder.join("bin/pip"), &install, wanted).await
}

/// Runs to the end; where it fails, the last line that it wrote.
async fn quietly(program: &Path, arguments: &[&str], last: &Path) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .arg(last)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().rev().find(|line| !line.trim().is_empty());
    Err(line.unwrap_or("it said nothing").to_owned())
}
