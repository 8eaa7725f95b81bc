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
mod error;
mod identity;
mod postmaster;
mod settings;
mod starting;
mod supervisor;
mod sys;

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::info;

use self::starting::{Starting, keep_supervised};

pub use self::binaries::{Binaries, MIN_MAJOR, Search, install_line};
pub use self::cluster::Cluster;
pub use self::error::EmbeddedError;
pub use self::identity::{Account, Identity, UnknownIdentity};
pub use self::postmaster::Postmaster;
pub use self::settings::Durability;
pub use self::supervisor::{COMMAND as SUPERVISOR_COMMAND, SupervisorArgs, run as run_supervisor};
pub use self::sys::{free_disk_bytes, max_open_files};

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The supervisor notices within a fraction of this that its last user has gone.
const STOP_BEGINS_WITHIN: Duration = Duration::from_secs(1);
const STOP_WITHIN: Duration = Duration::from_secs(75);

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
