//! The tools that compile plugins: which versions, where they are kept, how they get there.
//!
//! A tool is looked for on `PATH` where any version will do, else in the cache, else fetched
//! into the cache by its own package manager. Nothing is installed into the system, and no
//! package's scripts are run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{BuildError, Options};

/// Packages of a package manager, pinned, that make up one tool.
pub(crate) struct Pinned {
    /// What it is for, as an error says it.
    pub(crate) tool: &'static str,
    /// Each with its version, in the package manager's spelling.
    pub(crate) packages: &'static [&'static str],
    /// What is downloaded, roughly.
    pub(crate) megabytes: u32,
}

/// `QuickJS` with its componentizer, and the bundler.
pub(crate) const JAVASCRIPT: Pinned = Pinned {
    tool: "the JavaScript compiler",
    packages: &["componentize-qjs@0.4.5", "esbuild@0.28.2"],
    megabytes: 20,
};

/// Its folder in the cache.
pub(crate) fn npm_folder(pinned: &Pinned) -> String {
    format!("npm-{}", pinned.packages.join("-").replace('@', "-"))
}

/// The folder whose `node_modules` holds `pinned`, fetched by npm at first.
pub(crate) fn npm(pinned: &Pinned, options: &Options) -> Result<PathBuf, BuildError> {
    let name = npm_folder(pinned);
    cached(options, &name, |dir| {
        if on_path("npm").is_none() {
            return Err(BuildError::MissingTool {
                tool: "npm, which fetches the JavaScript compiler,".into(),
                cure: "apt-get install npm, or install Node.js 18 or newer from nodejs.org".into(),
            });
        }
        (options.progress)(&format!(
            "fetching {} from npm: {} MB, once",
            pinned.tool, pinned.megabytes
        ));
        let flags = [
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
            "--loglevel=error",
            "--fetch-retries=1",
            "--prefix",
        ];
        let mut npm = Command::new("npm");
        npm.args(flags).arg(dir).args(pinned.packages);
        quiet(&mut npm).map_err(|said| BuildError::Fetch {
            tool: pinned.tool.into(),
            reason: npm_reason(&said),
            cure: format!(
                "hookgate plugin build (once with a network, or copy {} from a machine that has it)",
                options.cache_dir.join(&name).display()
            ),
        })
    })
}

/// The line of npm's complaint that tells something.
fn npm_reason(said: &str) -> String {
    let lines: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("npm error "))
        .collect();
    let telling = lines
        .iter()
        .find(|line| line.contains("reason:") || line.starts_with("notarget"))
        .or_else(|| lines.iter().find(|line| !line.starts_with("code")));
    match telling {
        Some(line) => line.trim_start_matches("network ").trim().to_owned(),
        None => last_line(said),
    }
}

/// The folder `name` of the cache, filled by `fill` at first. It appears whole or not at
/// all, so two builds at once do no harm. Remove it to have it made anew.
pub(crate) fn cached(
    options: &Options,
    name: &str,
    fill: impl FnOnce(&Path) -> Result<(), BuildError>,
) -> Result<PathBuf, BuildError> {
    let folder = options.cache_dir.join(name);
    if !folder.is_dir() {
        let unfinished = unfinished(options)?;
        fill(unfinished.path())?;
        finish(unfinished, &folder)?;
    }
    Ok(folder)
}

/// A folder in the cache that is gone again unless it is finished.
pub(crate) fn unfinished(options: &Options) -> Result<tempfile::TempDir, BuildError> {
    let cache_dir = &options.cache_dir;
    std::fs::create_dir_all(cache_dir).map_err(BuildError::io("create", cache_dir))?;
    tempfile::Builder::new()
        .prefix(".unfinished-")
        .tempdir_in(cache_dir)
        .map_err(BuildError::io("create a folder in", cache_dir))
}

pub(crate) fn finish(unfinished: tempfile::TempDir, folder: &Path) -> Result<(), BuildError> {
    let unfinished = unfinished.keep();
    match std::fs::rename(&unfinished, folder) {
        // Another build was faster.
        Err(_) if folder.is_dir() => {
            std::fs::remove_dir_all(&unfinished).map_err(BuildError::io("remove", &unfinished))
        }
        result => result.map_err(BuildError::io("rename", &unfinished)),
    }
}

/// The program `name` of `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Runs it to its end and shows nothing; gives what it said where it failed.
pub(crate) fn quiet(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).into_owned())
}

/// The last line that says something.
pub(crate) fn last_line(said: &str) -> String {
    said.lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("it failed silently")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npm_s_complaint_becomes_the_line_that_tells_something() {
        let offline = "npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error network request to https://r/esbuild failed, reason: getaddrinfo ENOTFOUND r\nnpm error network This is a problem related to network connectivity.\n";
        assert_eq!(
            npm_reason(offline),
            "request to https://r/esbuild failed, reason: getaddrinfo ENOTFOUND r"
        );
        let absent = "npm error code ETARGET\nnpm error notarget No matching version found for esbuild@9.9.9.\n";
        assert_eq!(
            npm_reason(absent),
            "notarget No matching version found for esbuild@9.9.9."
        );
        assert_eq!(npm_reason("\n\n"), "it failed silently");
    }
}
