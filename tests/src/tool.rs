//! Programs of others that some tests need: found on the machine, run to their end or until the test
//! is over, and never installed.
//!
//! A test that does without one says so in one line, on the real standard error, where `cargo test`
//! shows it although the test passes.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// Folders that Debian keeps out of the path of people.
const MORE: [&str; 2] = ["/usr/sbin", "/sbin"];

/// The folder of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests lie in it").to_owned()
}

/// Where a program is, or none after one line that says what the test is left out for.
#[must_use]
pub fn found(program: &str, cure: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(MORE.map(PathBuf::from));
    let found = folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    if found.is_none() {
        left_out(&format!("{program} is missing ({cure})"));
    }
    found
}

/// A port that is free now; whoever binds it next is the program that is started.
///
/// # Panics
/// Where none is left.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// Whether this run is one of those that may take long; says so where it is not.
#[must_use]
pub fn is_full(what: &str) -> bool {
    let is_full = std::env::var_os("HOOKGATE_FULL").is_some();
    if !is_full {
        left_out(&format!("{what}: only in `cargo xtask test --full`"));
    }
    is_full
}

/// One line on the standard error that `cargo test` does not catch.
pub fn left_out(why: &str) {
    let test = std::thread::current();
    let name = test.name().unwrap_or("a test").to_owned();
    // Nobody is there to be told where it is closed.
    let _ = writeln!(std::io::stderr(), "LEFT OUT {name}: {why}");
}

/// Runs a program to its end with this on its standard input.
///
/// # Panics
/// Where it cannot be started.
pub async fn fed(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program can be started");
    let mut stdin = child.stdin.take().expect("it is a pipe");
    // A program that ends early has read enough.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    child.wait_with_output().await.expect("it ends")
}

/// All that a program said.
#[must_use]
pub fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A program that runs beside a test and writes into a file; ended when it is dropped, killed after
/// three seconds.
#[derive(Debug)]
pub struct Beside {
    child: Child,
    log: PathBuf,
}

impl Beside {
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = std::fs::File::create(log).expect("the log can be written");
        let twin = file.try_clone().expect("a file has two handles");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(twin)
            .kill_on_drop(true)
            .spawn()
            .expect("the program can be started");
        Self {
            child,
            log: log.to_owned(),
        }
    }

    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

/// Asked to end first: a program that has begun others ends them with itself.
impl Drop for Beside {
    fn drop(&mut self) {
        let Some(pid) = self.pid() else { return };
        let _ = std::process::Command::new("kill")
            .arg(pid.to_string())
            .status();
        for _ in 0..150 {
            if !self.runs() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
