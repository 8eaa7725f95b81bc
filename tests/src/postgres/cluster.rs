//! A private Postgres in a temporary folder, which outlives neither its owner nor its owner's panic.
//!
//! A watcher (a few lines of shell) starts the server and reads commands from a pipe whose other
//! end only this process holds. When the pipe closes, for whatever reason, it stops the server by
//! its id and removes the folder. Nothing here ever signals a process that it did not start.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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

/// The part of a cluster that lies on a disk of its own, which can be made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Tables,
    /// The write-ahead log.
    Wal,
}

impl Part {
    fn folder(self) -> &'static str {
        match self {
            Self::Tables => "base",
            Self::Wal => "pg_wal",
        }
    }
}

/// What the folder of a cluster is like.
#[derive(Clone, Debug, Default)]
struct Layout {
    /// On a disk of its own, in memory.
    apart: Option<Part>,
    /// The program that keeps what is not synced in memory; all of the cluster lies on it.
    lossy: Option<PathBuf>,
}

/// How long a revived server is waited for before it is looked at again.
const REVIVAL_LOOK: Duration = Duration::from_secs(2);

/// Disks are mounted where only the watcher and the server see them, so that nothing is left of them
/// when they have ended.
const WATCHER: &str = r#"
folder=$1; apart=$2; lossy=$3; shift 3
disk=$folder/disk
end() {
  orphans=$(pgrep -P "$server")
  kill -KILL "$server"; wait "$server"
  # Each ends by itself once it sees that its parent is gone; until then no new server can start.
  for orphan in $orphans; do while kill -0 "$orphan" 2>/dev/null; do sleep 0.01; done; done
}
attach() {
  "$lossy" "$folder/backing" "$folder/data" "$1" >>"$folder/log" 2>&1 & attached=$!
  until mountpoint -q "$folder/data"; do kill -0 "$attached" || exit 1; sleep 0.01; done
}
if [ "$lossy" != none ]; then
  mv "$folder/data" "$folder/backing" && mkdir -m 700 "$folder/data" || exit 1
  attach 1
fi
serve() { "$@" >>"$folder/log" 2>&1 & server=$!; }
resize() { mount -o "remount,size=$1" "$disk"; }
if [ "$apart" != none ]; then
  mkdir "$disk" && mount -t tmpfs -o size=1g,mode=700 tmpfs "$disk" || exit 1
  cp -a "$folder/data/$apart/." "$disk" && rm -r "$folder/data/$apart" || exit 1
  ln -s "$disk" "$folder/data/$apart"
fi
serve "$@"
while read -r command; do
  case $command in
    kill) end;;
    cut*)
      # The disk first: from now on nothing that was not synced can become durable.
      kill -KILL "$attached"; wait "$attached"
      # Some of its processes would try on for ever rather than see that all is gone.
      all=$(pgrep -P "$server")
      kill -KILL "$server" $all; wait "$server"
      for one in $all; do while kill -0 "$one" 2>/dev/null; do sleep 0.01; done; done
      umount "$folder/data" || umount -l "$folder/data"
      # An empty lock file would only hide what became of the rest.
      [ -s "$folder/backing/postmaster.pid" ] || rm -f "$folder/backing/postmaster.pid"
      attach "${command#cut }";;
    start) serve "$@";;
    revive)
      state=$(ps -o stat= -p "$server")
      case $state in ''|Z*) wait "$server"; serve "$@";; esac;;
    leave*)
      used=$(df --block-size=1 --output=used "$disk" | tail -n 1)
      resize $((used + ${command#leave }));;
    roomy) resize 1g;;
  esac
  echo "$command" >>"$folder/done"
done
kill -QUIT "$server" 2>/dev/null; wait "$server"
[ "$apart" = none ] || umount "$disk"
[ "$lossy" = none ] || { kill "$attached"; umount -l "$folder/data"; }
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
        Self::laid_out(durability, Layout::default(), more).await
    }

    /// A durable cluster with one part of it on a disk of its own; see [`Self::leave`].
    ///
    /// # Panics
    /// Where that cannot be mounted: ask [`can_mount`] before.
    pub async fn with_apart(part: Part) -> Self {
        let layout = Layout {
            apart: Some(part),
            ..Layout::default()
        };
        // Nothing is tidied away that would make room on the quiet.
        let calm = ["max_wal_size=4GB", "autovacuum=off"];
        Self::laid_out(Durability::Full, layout, &calm).await
    }

    /// A cluster whose files lie on a disk that loses what was not synced; see [`Self::cut_power`].
    /// `lossy` is the program, `more` are settings such as `fsync=off`.
    ///
    /// # Panics
    /// Where that cannot be mounted: ask [`can_mount`] before.
    pub async fn on_lossy_disk(lossy: &Path, more: &[&str]) -> Self {
        let layout = Layout {
            lossy: Some(lossy.to_owned()),
            ..Layout::default()
        };
        let mut settings = vec![
            // Only asks the kernel to write sooner, which means nothing on this disk.
            "backend_flush_after=0",
            "bgwriter_flush_after=0",
            "checkpoint_flush_after=0",
            "wal_writer_flush_after=0",
            // Often, so that cuts hit checkpoints too.
            "checkpoint_timeout=30s",
        ];
        settings.extend(more);
        Self::laid_out(Durability::Full, layout, &settings).await
    }

    /// Ends the disk and then the server as if the machine had lost its power: what was not synced is
    /// gone. Start it again after that.
    pub async fn cut_power(&self, seed: u64) {
        self.obeyed(&format!("cut {seed}")).await;
    }

    /// Starts a server that was ended; whether it accepts connections within `patience`.
    pub async fn starts_again(&self, patience: Duration) -> bool {
        self.command("start\n");
        self.is_up_within(patience).await
    }

    async fn laid_out(durability: Durability, layout: Layout, more: &[&str]) -> Self {
        let binaries = binaries();
        let folder = tempfile::Builder::new()
            .prefix("hookgate-pg-")
            .tempdir()
            .expect("a temporary folder can be made")
            .keep();
        let data = folder.join("data");
        initialise(&binaries, &data, layout.apart.is_some());

        let mut watcher = if layout.apart.is_some() || layout.lossy.is_some() {
            let mut unshared = Command::new("unshare");
            unshared.args(["--mount", "sh"]);
            unshared
        } else {
            Command::new("sh")
        };
        watcher.args(["-c", WATCHER, "hookgate-test-postgres"]);
        watcher.arg(&folder);
        watcher.arg(layout.apart.map_or("none", Part::folder));
        watcher.arg(layout.lossy.as_deref().unwrap_or(Path::new("none")));
        watcher.args(unprivileged());
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

    /// Leaves so many bytes of the disk of its own free.
    ///
    /// # Panics
    /// Where it has none.
    pub async fn leave(&self, bytes: usize) {
        self.obeyed(&format!("leave {bytes}")).await;
    }

    /// Gives the disk of its own far more space than is used.
    pub async fn give_space(&self) {
        self.obeyed("roomy").await;
    }

    /// Starts the server again where it has ended by itself, and waits until it accepts connections.
    /// It may be about to end when it is looked at, so it is looked at until it is up.
    pub async fn revive(&self) {
        let started_at = Instant::now();
        while started_at.elapsed() < wait::PATIENCE {
            self.obeyed("revive").await;
            if self.is_up_within(REVIVAL_LOOK).await {
                return;
            }
        }
        self.wait_until_up().await;
    }

    /// Gives a command and waits until it has been carried out.
    async fn obeyed(&self, command: &str) {
        let done = self.socket_folder.join("done");
        let count = || {
            let done = std::fs::read_to_string(&done).unwrap_or_default();
            done.lines().filter(|line| *line == command).count()
        };
        let before = count();
        self.command(&format!("{command}\n"));
        wait::until(command, || async { (count() > before).then_some(()) }).await;
    }

    fn command(&self, command: &str) {
        let mut watcher = self.watcher.lock();
        let commands = watcher.stdin.as_mut().expect("its input is a pipe");
        commands
            .write_all(command.as_bytes())
            .expect("the watcher lives as long as this process");
    }

    async fn wait_until_up(&self) {
        if !self.is_up_within(wait::PATIENCE).await {
            let log = std::fs::read_to_string(self.socket_folder.join("log"));
            panic!("Postgres did not start:\n{}", log.unwrap_or_default());
        }
    }

    async fn is_up_within(&self, patience: Duration) -> bool {
        let options = self.options("postgres");
        let up = wait::within(patience, || async {
            let connection = PgConnection::connect_with(&options).await.ok()?;
            connection.close().await.ok()
        });
        up.await.is_some()
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

fn initialise(binaries: &Path, data: &Path, is_small: bool) {
    let mut words = unprivileged();
    words.push(binaries.join("initdb").display().to_string());
    let output = Command::new(&words[0])
        .args(&words[1..])
        .arg("-D")
        .arg(data)
        .args(["-U", "hookgate", "-A", "trust", "-E", "UTF8", "--locale=C"])
        .args(["--no-sync", "--no-instructions"])
        // Small segments, so that a small disk holds some.
        .args(is_small.then_some("--wal-segsize=2"))
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", words[0]));
    assert!(
        output.status.success(),
        "initdb failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether a disk in memory can be mounted here: as root, where the machine allows it.
#[must_use]
pub fn can_mount() -> bool {
    let mut trial = Command::new("unshare");
    trial.args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
    let tried = trial.stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
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
