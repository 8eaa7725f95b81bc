//! A private Postgres in a temporary folder, which outlives neither its owner nor its owner's panic.
//!
//! A watcher (a few lines of shell) starts the server and reads commands from a pipe whose other
//! end only this process holds. When the pipe closes, for whatever reason, it stops the server by
//! its id and removes the folder. Nothing here ever signals a process that it did not start.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::wait;

/// What a cluster keeps through a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: fast, and gone after the run.
    None,
    /// Everything that was committed, as a real server would.
    Full,
}

/// A running server of the test's own.
#[derive(Debug)]
pub struct Cluster {
    socket_folder: PathBuf,
    watcher: Mutex<Child>,
    /// Whether the migrated template exists.
    pub(super) template: tokio::sync::Mutex<bool>,
}

const WATCHER: &str = r#"
folder=$1; shift
serve() { "$@" >>"$folder/log" 2>&1 & server=$!; }
serve "$@"
while read -r command; do
  case $command in
    kill)
      orphans=$(pgrep -P "$server")
      kill -KILL "$server"; wait "$server"
      # Each ends by itself once it sees that its parent is gone; until then no new server can start.
      for orphan in $orphans; do while kill -0 "$orphan" 2>/dev/null; do sleep 0.01; done; done;;
    start) serve "$@";;
  esac
done
kill -QUIT "$server" 2>/dev/null; wait "$server"
rm -rf "$folder"
"#;

impl Cluster {
    /// Makes a cluster and waits until it accepts connections.
    ///
    /// # Panics
    /// Where Postgres is missing or refuses; the message says what to do.
    pub async fn start(durability: Durability) -> Self {
        Self::start_with(durability, &[]).await
    }

    /// The same with more settings, as in `log_lock_waits=on`.
    ///
    /// # Panics
    /// Where Postgres is missing or refuses; the message says what to do.
    pub async fn start_with(durability: Durability, more: &[&str]) -> Self {
        let binaries = binaries();
        let folder = tempfile::Builder::new()
            .prefix("hookgate-pg-")
            .tempdir()
            .expect("a temporary folder can be made")
            .keep();
        let data = folder.join("data");
        initialise(&binaries, &data);

        let mut watcher = Command::new("sh");
        watcher.args(["-c", WATCHER, "hookgate-test-postgres"]);
        watcher.arg(&folder).args(unprivileged());
        watcher.arg(binaries.join("postgres"));
        watcher.arg("-D").arg(&data).arg("-k").arg(&folder);
        for setting in settings(durability).iter().chain(more) {
            watcher.args(["-c", setting]);
        }
        // A group of its own: Ctrl-C ends the tests, and the closed pipe ends the server.
        let child = watcher
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        let cluster = Self {
            socket_folder: folder,
            watcher: Mutex::new(child),
            template: tokio::sync::Mutex::new(false),
        };
        cluster.wait_until_up().await;
        cluster
    }

    /// Ends the server as a power button would end its machine; its data stays.
    pub async fn kill_9(&self) {
        self.command("kill\n");
        let options = self.options("postgres");
        // The watcher works beside us: without this, what comes next could meet the old server.
        wait::within(wait::PATIENCE, || async {
            PgConnection::connect_with(&options)
                .await
                .is_err()
                .then_some(())
        })
        .await
        .expect("a killed server answers nobody");
    }

    /// Starts a killed server again and waits until it accepts connections.
    pub async fn start_again(&self) {
        self.command("start\n");
        self.wait_until_up().await;
    }

    fn command(&self, command: &str) {
        let mut watcher = self.watcher.lock();
        let commands = watcher.stdin.as_mut().expect("its input is a pipe");
        commands
            .write_all(command.as_bytes())
            .expect("the watcher lives as long as this process");
    }

    async fn wait_until_up(&self) {
        let options = self.options("postgres");
        let up = wait::within(wait::PATIENCE, || async {
            let connection = PgConnection::connect_with(&options).await.ok()?;
            connection.close().await.ok()
        })
        .await;
        if up.is_none() {
            let log = std::fs::read_to_string(self.socket_folder.join("log"));
            panic!("Postgres did not start:\n{}", log.unwrap_or_default());
        }
    }

    pub(super) fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_folder)
            .username("hookgate")
            .database(database)
            .disable_statement_logging()
    }

    pub(super) fn url(&self, database: &str) -> String {
        let folder = self.socket_folder.display().to_string();
        format!(
            "postgres://hookgate@localhost/{database}?host={}",
            folder.replace('/', "%2F")
        )
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let watcher = self.watcher.get_mut();
        drop(watcher.stdin.take());
        // It ends by itself once the server has; nobody is left to hear about a failure.
        let _ = watcher.wait();
    }
}

fn settings(durability: Durability) -> &'static [&'static str] {
    match durability {
        Durability::None => &[
            "listen_addresses=",
            "max_connections=300",
            "shared_buffers=64MB",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "autovacuum_naptime=5s",
            "jit=off",
        ],
        Durability::Full => &[
            "listen_addresses=",
            "max_connections=100",
            "autovacuum_naptime=5s",
            "jit=off",
            // A killed server restarts without visiting every file one by one.
            "recovery_init_sync_method=syncfs",
        ],
    }
}

fn initialise(binaries: &Path, data: &Path) {
    let mut words = unprivileged();
    words.push(binaries.join("initdb").display().to_string());
    let output = Command::new(&words[0])
        .args(&words[1..])
        .arg("-D")
        .arg(data)
        .args(["-U", "hookgate", "-A", "trust", "-E", "UTF8", "--locale=C"])
        .args(["--no-sync", "--no-instructions"])
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", words[0]));
    assert!(
        output.status.success(),
        "initdb failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Postgres refuses to run as root; in a user namespace of its own it is somebody else.
fn unprivileged() -> Vec<String> {
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if is_root {
        ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
            .map(str::to_owned)
            .to_vec()
    } else {
        Vec::new()
    }
}

/// One of Postgres' own programs, of the version that the tests run where it lies beside the server.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(binaries())
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: `apt install postgresql`"))
}

/// The folder of `initdb` and `postgres`: named by `HOOKGATE_PG_BIN`, on the path, or Debian's newest.
fn binaries() -> PathBuf {
    let named = std::env::var_os("HOOKGATE_PG_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    named
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(versions)
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .unwrap_or_else(|| {
            panic!(
                "the tests need Postgres 14 or newer: `apt install postgresql` (or `cargo xtask \
                 test`, which does it), or name its folder in HOOKGATE_PG_BIN"
            )
        })
}

fn version(binaries: &Path) -> u32 {
    let folder = binaries.parent().and_then(Path::file_name);
    folder
        .and_then(|name| name.to_str()?.parse().ok())
        .unwrap_or(0)
}
