//! A private Postgres, so that the gateway needs nothing set up: real, durable, and gone with its
//! last user.
//!
//! Every user of a cluster holds a shared lock on one of its files. A supervisor process starts
//! the server, revives it when it is killed, and stops it once the lock has no holder left. The
//! kernel releases a lock however its holder ends, so neither a crash nor a SIGKILL of the
//! gateway, the supervisor or the server leaves a server behind; a second gateway on the same
//! folder shares the first one's.
//!
//! ```text
//! gateway ──shared lock──┐
//! gateway ──shared lock──┤ users.lock ◄──asks for it alone── supervisor ──starts, revives, stops──► postgres
//! db psql ──shared lock──┘                                        └─ holds supervisor.lock: one per cluster
//! ```
//!
//! Nothing here speaks SQL, and nothing here listens on a network.

mod binaries;
mod cluster;
mod identity;
mod postmaster;
mod settings;
mod supervisor;
mod sys;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

pub use self::binaries::{Binaries, MIN_MAJOR, Search, install_line};
pub use self::cluster::Cluster;
pub use self::identity::{Account, Identity, UnknownIdentity};
pub use self::postmaster::Postmaster;
pub use self::settings::Durability;
pub use self::supervisor::{COMMAND as SUPERVISOR_COMMAND, SupervisorArgs, run as run_supervisor};
pub use self::sys::{free_disk_bytes, max_open_files};

/// Longest wait for a server that gives no sign of life; one that recovers may take longer.
const MAX_SILENCE: Duration = Duration::from_secs(30);
const MAX_RECOVERY: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often a user looks whether the supervisor is still there.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// The supervisor notices within a fraction of this that its last user has gone.
const STOP_BEGINS_WITHIN: Duration = Duration::from_secs(1);
const STOP_WITHIN: Duration = Duration::from_secs(75);
const MAX_LOG_BYTES: u64 = 10 * 1024 * 1024;

/// What a cluster needs to know of the world.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// The gateway's data folder; the cluster lies in `postgres` below it.
    pub data_dir: PathBuf,
    /// Where the Postgres programs may be.
    pub search: Search,
    /// A program that knows [`SUPERVISOR_COMMAND`]: this one.
    pub program: PathBuf,
    pub durability: Durability,
    /// As whom Postgres runs; found out where it is none.
    pub identity: Option<Identity>,
}

/// A running server, for as long as this value lives.
#[derive(Debug)]
pub struct Embedded {
    url: String,
    cluster: Cluster,
    users: File,
    watch: tokio::task::JoinHandle<()>,
    stop_watch: DropGuard,
}

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("{}", no_postgres(.wanted.as_ref(), .named.as_deref(), .found))]
    NoPostgres {
        wanted: Option<u32>,
        named: Option<PathBuf>,
        found: Vec<String>,
    },
    #[error(
        "Postgres refuses to run as root, user namespaces are forbidden here, and there is no account \
         `postgres` or `nobody` to drop to; run hookgate as an ordinary user, or set \
         DATABASE_URL=postgres://user:password@host/database"
    )]
    Root,
    #[error("{} could not be used: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{} belongs to somebody else or is open to others; remove it, or choose a shorter data folder", path.display())]
    ForeignFolder { path: PathBuf },
    #[error("{program} failed: {message}")]
    Setup {
        program: &'static str,
        message: String,
    },
    #[error("the supervisor {} could not be started: {source}", program.display())]
    Supervisor { program: PathBuf, source: io::Error },
    #[error("Postgres did not come up; the end of {}:\n{tail}", log.display())]
    NotUp { log: PathBuf, tail: String },
}

impl EmbeddedError {
    fn folder(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Folder {
            path: path.clone(),
            source,
        }
    }
}

impl Embedded {
    /// Makes the cluster where there is none, starts its server where none runs, and returns when
    /// it accepts connections: about a second the first time, a tenth of one later.
    ///
    /// # Errors
    /// Where there is no Postgres, or it cannot be set up or started; each says what to do.
    pub async fn start(config: EmbeddedConfig) -> Result<Self, EmbeddedError> {
        let blocking = tokio::task::spawn_blocking(move || Starting::new(config)?.finish());
        let (starting, users) = blocking
            .await
            .expect("starting the cluster does not panic")?;
        let cluster = starting.cluster.clone();
        info!(cluster.folder = %cluster.folder().display(), "embedded postgres is up");
        let stopped = CancellationToken::new();
        let watch = tokio::spawn(keep_supervised(starting, stopped.clone()));
        Ok(Self {
            url: cluster.url(),
            cluster,
            users,
            watch,
            stop_watch: stopped.drop_guard(),
        })
    }

    /// `postgres://…?host=/socket/folder`, as sqlx and psql take it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Lets go of the cluster. Returns when its server has stopped, or at once (within a second)
    /// where somebody else uses it; close all connections before.
    pub async fn stop(self) {
        let Self {
            cluster,
            users,
            watch,
            stop_watch,
            ..
        } = self;
        drop(stop_watch);
        // A watch that panicked has nothing left to stop.
        let _joined = watch.await;
        drop(users);
        let waiting = tokio::task::spawn_blocking(move || wait_for_stop(&cluster));
        let has_stopped = waiting
            .await
            .expect("waiting for the cluster does not panic");
        info!(
            cluster.has_stopped = has_stopped,
            "let go of the embedded postgres"
        );
    }
}

/// Everything that it takes to bring a supervisor up, again if need be.
#[derive(Debug)]
struct Starting {
    cluster: Cluster,
    supervisor: SupervisorArgs,
    program: PathBuf,
    users: Option<File>,
    child: Option<Child>,
}

impl Starting {
    /// Holds the users' lock from here on, so that nobody stops the server any more.
    fn new(config: EmbeddedConfig) -> Result<Self, EmbeddedError> {
        let any = Binaries::find(&config.search, None);
        let identity = match (config.identity, &any) {
            (Some(identity), _) => identity,
            (None, Ok(binaries)) => Identity::choose(&binaries.program("postgres"))?,
            (None, Err(_)) => Identity::choose(Path::new("/bin/true"))?,
        };
        let cluster = Cluster::open(&config.data_dir, identity)?;
        let binaries = match (cluster.major(), any) {
            (Some(major), Ok(newest)) if newest.major == major => newest,
            (Some(major), _) => Binaries::find(&config.search, Some(major))?,
            (None, newest) => newest?,
        };
        if !cluster
            .folder()
            .starts_with(fs::canonicalize(&config.data_dir).unwrap_or_default())
        {
            warn!(cluster.folder = %cluster.folder().display(), "the data folder is closed to the account that runs postgres; its cluster is elsewhere");
        }
        let users = cluster.lock_file("users")?;
        users
            .lock_shared()
            .map_err(EmbeddedError::folder(cluster.folder()))?;
        let setup = cluster.lock_file("setup")?;
        setup
            .lock()
            .map_err(EmbeddedError::folder(cluster.folder()))?;
        if cluster.major().is_none() {
            info!(cluster.folder = %cluster.folder().display(), postgres.version = binaries.version, "making a postgres cluster");
        }
        cluster.prepare(&binaries, identity)?;
        let supervisor = SupervisorArgs {
            cluster: cluster.folder().to_owned(),
            pg_bin: binaries.folder,
            identity,
            without_durability: config.durability == Durability::OffForTests,
        };
        Ok(Self {
            cluster,
            supervisor,
            program: config.program,
            users: Some(users),
            child: None,
        })
    }

    /// Waits until the server is ready, and hands over the users' lock.
    fn finish(mut self) -> Result<(Self, File), EmbeddedError> {
        let started_at = Instant::now();
        loop {
            let server = Postmaster::running(&self.cluster.data());
            if server.is_some_and(|server| server.is_ready) && self.has_supervisor()? {
                let users = self
                    .users
                    .take()
                    .expect("held since the start, handed over once");
                return Ok((self, users));
            }
            let patience = if server.is_some() {
                MAX_RECOVERY
            } else {
                MAX_SILENCE
            };
            if self.ensure_supervisor()? == Supervision::GaveUp || started_at.elapsed() > patience {
                return Err(EmbeddedError::NotUp {
                    log: self.cluster.log(),
                    tail: self.cluster.log_tail(),
                });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn has_supervisor(&self) -> Result<bool, EmbeddedError> {
        Ok(self
            .cluster
            .lock_file("supervisor")?
            .try_lock_shared()
            .is_err())
    }

    /// Starts a supervisor where none is. Cheap where one is.
    fn ensure_supervisor(&mut self) -> Result<Supervision, EmbeddedError> {
        if let Some(child) = &mut self.child {
            match child.try_wait() {
                Ok(None) => return Ok(Supervision::Present),
                Ok(Some(status)) if status.code().is_some_and(|code| code != 0) => {
                    self.child = None;
                    return Ok(Supervision::GaveUp);
                }
                // It left the field to another one, or was killed.
                Ok(Some(_)) | Err(_) => self.child = None,
            }
        }
        if self.has_supervisor()? {
            return Ok(Supervision::Present);
        }
        self.child = Some(self.spawn_supervisor()?);
        Ok(Supervision::Started)
    }

    fn spawn_supervisor(&self) -> Result<Child, EmbeddedError> {
        let log =
            open_log(&self.cluster.log()).map_err(EmbeddedError::folder(&self.cluster.log()))?;
        let mut command = self.supervisor.command(&self.program);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        // Ctrl-C goes to the gateway's process group; the supervisor has one of its own.
        command.process_group(0).current_dir("/");
        command.spawn().map_err(|source| EmbeddedError::Supervisor {
            program: self.program.clone(),
            source,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supervision {
    Present,
    Started,
    GaveUp,
}

/// A supervisor that was killed took its server along; this brings both back.
async fn keep_supervised(mut starting: Starting, stopped: CancellationToken) {
    while stopped
        .run_until_cancelled(tokio::time::sleep(WATCH_EVERY))
        .await
        .is_some()
    {
        match starting.ensure_supervisor() {
            Ok(Supervision::Present) => {}
            Ok(Supervision::Started) => {
                warn!("the supervisor of the embedded postgres was gone, started another")
            }
            Ok(Supervision::GaveUp) => {
                warn!("the supervisor of the embedded postgres gave up, trying again")
            }
            Err(error) => warn!(error = %error, "the embedded postgres has no supervisor"),
        }
    }
}

/// Whether the server has stopped; otherwise somebody else uses it.
fn wait_for_stop(cluster: &Cluster) -> bool {
    let (Ok(supervisor), Ok(users)) = (cluster.lock_file("supervisor"), cluster.lock_file("users"))
    else {
        return false;
    };
    let let_go_at = Instant::now();
    let mut last_seen_stopping = let_go_at;
    while let_go_at.elapsed() < STOP_WITHIN {
        if supervisor.try_lock_shared().is_ok() {
            return true;
        }
        match users.try_lock_shared() {
            Err(_) => last_seen_stopping = Instant::now(),
            // The supervisor does not want it for itself: there are other users.
            Ok(()) if last_seen_stopping.elapsed() > STOP_BEGINS_WITHIN => return false,
            Ok(()) => drop(users.unlock()),
        }
        std::thread::sleep(LOOK_EVERY * 4);
    }
    false
}

/// Asks that the server stay up without a user until [`stop_keeping`] or the next boot.
///
/// # Errors
/// Where the cluster's folder cannot be written.
pub fn keep_running(cluster: &Cluster) -> io::Result<()> {
    fs::write(cluster.keep_mark(), supervisor::boot_id())
}

/// Takes [`keep_running`] back; returns whether the server has stopped, which it does not where a
/// gateway still uses it.
///
/// # Errors
/// Where the cluster's folder cannot be written.
pub fn stop_keeping(cluster: &Cluster) -> io::Result<bool> {
    match fs::remove_file(cluster.keep_mark()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(wait_for_stop(cluster)),
    }
}

/// One older log is kept, so that a server in trouble cannot fill the disk.
fn open_log(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_LOG_BYTES) {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

fn no_postgres(wanted: Option<&u32>, named: Option<&Path>, found: &[String]) -> String {
    let place = named.map_or_else(
        || "on this machine".to_owned(),
        |folder| format!("in {}", folder.display()),
    );
    let what = wanted.map_or_else(
        || format!("no Postgres {MIN_MAJOR} or newer {place}"),
        |major| {
            format!(
                "the data folder was made by Postgres {major}, and there is no such version {place}"
            )
        },
    );
    let found = if found.is_empty() {
        String::new()
    } else {
        format!(" (found {})", found.join(", "))
    };
    format!(
        "{what}{found}; either of these helps:\n  \
         install it:              {}\n  \
         name its folder:         HOOKGATE_PG_BIN=/path/to/postgresql/bin\n  \
         use a server you have:   DATABASE_URL=postgres://user:password@host/database",
        install_line()
    )
}
