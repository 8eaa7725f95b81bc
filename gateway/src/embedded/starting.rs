//! Brings a cluster's supervisor and its server up, and keeps a supervisor there.
//!
//! Several users may do so at the same moment: one makes the cluster, one starts the supervisor,
//! all wait for the same server.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::binaries::Binaries;
use super::cluster::Cluster;
use super::identity::Identity;
use super::postmaster::Postmaster;
use super::settings::Durability;
use super::supervisor::SupervisorArgs;
use super::{EmbeddedConfig, EmbeddedError, LOOK_EVERY};

/// Longest wait for a server that gives no sign of life; one that recovers may take longer.
const MAX_SILENCE: Duration = Duration::from_secs(30);
const MAX_RECOVERY: Duration = Duration::from_secs(600);
/// How often a user looks whether the supervisor is still there.
const WATCH_EVERY: Duration = Duration::from_secs(1);
const MAX_LOG_BYTES: u64 = 10 * 1024 * 1024;

/// Everything that it takes to bring a supervisor up, again if need be.
#[derive(Debug)]
pub(super) struct Starting {
    pub(super) cluster: Cluster,
    supervisor: SupervisorArgs,
    program: PathBuf,
    users: Option<File>,
    child: Option<Child>,
}

impl Starting {
    /// Holds the users' lock from here on, so that nobody stops the server any more.
    pub(super) fn new(config: EmbeddedConfig) -> Result<Self, EmbeddedError> {
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
    pub(super) fn finish(mut self) -> Result<(Self, File), EmbeddedError> {
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
pub(super) async fn keep_supervised(mut starting: Starting, stopped: CancellationToken) {
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

/// One older log is kept, so that a server in trouble cannot fill the disk.
fn open_log(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_LOG_BYTES) {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}
