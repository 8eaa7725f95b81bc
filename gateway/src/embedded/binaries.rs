//! Finds the Postgres programs of this machine.
//!
//! A named folder is taken or refused, never replaced by a guess. Otherwise the version of an
//! existing data folder decides, since no other one can read it; without one the newest wins.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;

/// Oldest major version that Hookgate runs on.
pub const MIN_MAJOR: u32 = 14;

/// A folder with `postgres` and `initdb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    pub folder: PathBuf,
    pub major: u32,
    /// As the server prints it, such as `15.18`.
    pub version: String,
}

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The only folder that counts, where it is given.
    pub named: Option<PathBuf>,
    /// The environment's `PATH`.
    pub path: Option<OsString>,
}

impl Binaries {
    /// The programs for a data folder of version `wanted`, or the newest.
    ///
    /// # Errors
    /// Where none fit; the message says what to type.
    pub fn find(search: &Search, wanted: Option<u32>) -> Result<Self, EmbeddedError> {
        let folders = match &search.named {
            Some(folder) => vec![folder.clone()],
            None => search.folders(),
        };
        let found: Vec<Self> = folders
            .iter()
            .filter_map(|folder| Self::inspect(folder))
            .collect();
        found
            .iter()
            .filter(|binaries| {
                wanted.map_or(binaries.major >= MIN_MAJOR, |major| major == binaries.major)
            })
            .max_by_key(|binaries| binaries.major)
            .cloned()
            .ok_or_else(|| EmbeddedError::NoPostgres {
                wanted,
                named: search.named.clone(),
                found: found.into_iter().map(|binaries| binaries.version).collect(),
            })
    }

    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn inspect(folder: &Path) -> Option<Self> {
        if !folder.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(folder.join("postgres"))
            .arg("--version")
            .output()
            .ok()?;
        let version = version_of(&String::from_utf8_lossy(&output.stdout))?;
        let major = version
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()?;
        Some(Self {
            folder: folder.to_owned(),
            major,
            version,
        })
    }
}

impl Search {
    /// psql beside the server of version `major`, where it is installed.
    #[must_use]
    pub fn psql(&self, major: Option<u32>) -> Option<PathBuf> {
        let psql = Binaries::find(self, major).ok()?.program("psql");
        psql.is_file().then_some(psql)
    }

    /// `PATH` first, then the folders in which distributions hide the server.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = self.path.iter().flat_map(std::env::split_paths).collect();
        for (parent, prefix) in [
            ("/usr/lib/postgresql", ""),
            ("/usr", "pgsql-"),
            ("/opt/homebrew/opt", "postgresql@"),
            ("/usr/local/opt", "postgresql@"),
        ] {
            folders.extend(children(Path::new(parent), prefix).map(|folder| folder.join("bin")));
        }
        folders.dedup();
        folders
    }
}

fn children(parent: &Path, prefix: &'static str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` is 15.18.
fn version_of(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("(PostgreSQL)")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// The line to type on this machine, told by its `/etc/os-release`.
#[must_use]
pub fn install_line() -> &'static str {
    install_line_for(&fs::read_to_string("/etc/os-release").unwrap_or_default())
}

fn install_line_for(os_release: &str) -> &'static str {
    let names: Vec<&str> = os_release
        .lines()
        .filter_map(|line| {
            line.strip_prefix("ID=")
                .or_else(|| line.strip_prefix("ID_LIKE="))
        })
        .flat_map(|value| value.trim_matches('"').split_whitespace())
        .collect();
    let is = |name| names.contains(&name);
    if is("debian") || is("ubuntu") {
        "apt-get install postgresql"
    } else if is("fedora") || is("rhel") || is("centos") {
        "dnf install postgresql-server"
    } else if is("alpine") {
        "apk add postgresql"
    } else if is("arch") {
        "pacman -S postgresql"
    } else if is("suse") || is("opensuse") {
        "zypper install postgresql-server"
    } else {
        "brew install postgresql@17"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_server_prints_them() {
        assert_eq!(
            version_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)").unwrap(),
            "15.18"
        );
        assert_eq!(
            version_of("postgres (PostgreSQL) 18beta2\n").unwrap(),
            "18beta2"
        );
        assert_eq!(version_of("something else"), None);
    }

    #[test]
    fn the_line_to_type_is_the_one_of_the_distribution() {
        for (os_release, line) in [
            ("ID=debian\n", "apt-get install postgresql"),
            (
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
                "apt-get install postgresql",
            ),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                "dnf install postgresql-server",
            ),
            ("ID=alpine\n", "apk add postgresql"),
        ] {
            assert_eq!(install_line_for(os_release), line);
        }
    }

    #[test]
    fn a_named_folder_without_postgres_is_refused_and_not_replaced_by_a_guess() {
        let empty = tempfile::tempdir().unwrap();
        let search = Search {
            named: Some(empty.path().to_owned()),
            path: None,
        };
        let message = Binaries::find(&search, None).unwrap_err().to_string();
        assert!(
            message.contains(&empty.path().display().to_string()),
            "{message}"
        );
        assert!(message.contains("DATABASE_URL"), "{message}");
    }
}
