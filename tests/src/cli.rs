//! The command line, as a person at a terminal meets it: the real binary in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::gateway::{ADMIN_KEY, Gateway, binary, is_ours};

/// A build of a plugin on a busy machine takes longest.
const LIMIT: Duration = Duration::from_secs(600);

/// A folder to work in, and whom the commands talk to.
#[derive(Debug)]
pub struct Cli {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Cli {
    /// In an empty folder, with no gateway to talk to.
    ///
    /// # Panics
    /// Where no folder can be made.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("hookgate-cli-")
            .tempdir()
            .expect("a temporary folder can be made");
        Self {
            folder,
            environment: Vec::new(),
        }
    }

    /// With the admin key of `gateway`.
    #[must_use]
    pub fn of(gateway: &Gateway) -> Self {
        Self::new()
            .set("HOOKGATE_URL", gateway.url())
            .set("HOOKGATE_API_KEY", ADMIN_KEY)
    }

    /// Any variable of the environment.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders above it.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        let parent = path.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(parent).expect("folders can be made");
        std::fs::write(path, content).expect("files can be written");
    }

    /// # Panics
    /// Where there is no such file.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs `hookgate` with these words, in the folder.
    pub async fn run(&self, words: &[&str]) -> Ran {
        self.run_in(".", words).await
    }

    /// Runs `hookgate` with these words, in a folder below.
    ///
    /// # Panics
    /// Where it does not end in time.
    pub async fn run_in(&self, folder: &str, words: &[&str]) -> Ran {
        let output = self.command(&self.path(folder), words).output();
        let output = tokio::time::timeout(LIMIT, output).await;
        let output = output
            .unwrap_or_else(|_| panic!("hookgate {words:?} did not end"))
            .expect("the binary can be started");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// A command that goes on by itself; it ends when it is dropped.
    #[must_use]
    pub fn command(&self, folder: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(words)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| !is_ours(name)))
            .envs(self.environment.iter().cloned())
            .current_dir(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

impl Default for Cli {
    fn default() -> Self {
        Self::new()
    }
}

impl Ran {
    /// Its output, where it went well.
    ///
    /// # Panics
    /// Where it failed, with all that it said.
    #[must_use]
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self}");
        self.out
    }

    /// All that it said, where it failed.
    ///
    /// # Panics
    /// Where it went well.
    #[must_use]
    #[track_caller]
    pub fn refused(self) -> String {
        assert!(self.code.is_some_and(|code| code != 0), "{self}");
        format!("{}{}", self.out, self.err)
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {:?}\n{}\n{}", self.code, self.out, self.err)
    }
}
