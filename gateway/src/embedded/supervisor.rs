//! A tiny process between the gateways and Postgres: it revives a killed server and stops one that
//! nobody uses any more.
//!
//! It knows its users by one thing only, their shared lock on a file, which the kernel releases
//! however a user ends. It ignores the signals that stop a gateway, so that a gateway can drain
//! while its database is still there; where it is killed itself, the server stops with it, and the
//! users start the next supervisor.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::cluster::{Cluster, PORT, server_command};
use super::identity::Identity;
use super::postmaster::Postmaster;
use super::settings::Durability;
use super::sys::{self, StopSignal};

/// Name of the hidden command that runs [`run`].
pub const COMMAND: &str = "postgres-supervisor";

/// How soon a death or the last user's end is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Time in which a server that never came up is tried again: orphans of a killed one may still
/// hold its shared memory or its socket.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// A fast stop writes a checkpoint, which takes as long as the disk wants.
const FAST_STOP_WITHIN: Duration = Duration::from_secs(60);
const IMMEDIATE_STOP_WITHIN: Duration = Duration::from_secs(5);

/// What a supervisor is told; [`SupervisorArgs::command`] writes what clap reads.
#[derive(Clone, Debug, clap::Args)]
pub struct SupervisorArgs {
    /// Folder of the cluster.
    #[arg(long)]
    pub cluster: PathBuf,
    /// Folder of the Postgres programs.
    #[arg(long)]
    pub pg_bin: PathBuf,
    /// As whom Postgres runs.
    #[arg(long)]
    pub identity: Identity,
    /// Commits do not wait for the disk.
    #[arg(long)]
    pub without_durability: bool,
}

impl SupervisorArgs {
    pub(super) fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new(program);
        command
            .arg(COMMAND)
            .arg("--cluster")
            .arg(&self.cluster)
            .arg("--pg-bin")
            .arg(&self.pg_bin);
        command.arg("--identity").arg(self.identity.to_string());
        if self.without_durability {
            command.arg("--without-durability");
        }
        command
    }
}

/// Runs until nobody uses the cluster. Standard error is the cluster's log.
#[must_use]
pub fn run(args: SupervisorArgs) -> ExitCode {
    sys::ignore_stop_signals();
    let supervisor = Supervisor {
        cluster: Cluster::at(args.cluster.clone()),
        args,
    };
    match supervisor.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

struct Supervisor {
    cluster: Cluster,
    args: SupervisorArgs,
}

enum Ended {
    Unused,
    Died { status: ExitStatus, was_ready: bool },
}

impl Supervisor {
    fn run(&self) -> io::Result<()> {
        let only_one = self
            .cluster
            .lock_file("supervisor")
            .map_err(io::Error::other)?;
        let users = self.cluster.lock_file("users").map_err(io::Error::other)?;
        if !obtained_soon(&only_one) {
            return Ok(());
        }
        let mut never_ready_since = Some(Instant::now());
        let mut pause = LOOK_EVERY;
        loop {
            self.end_server_of_another();
            match self.watch(self.start()?, &users)? {
                Ended::Unused => break,
                Ended::Died { status, was_ready } => {
                    say(&format!("postgres ended ({status}), starting it again"));
                    if was_ready {
                        never_ready_since = None;
                        pause = LOOK_EVERY;
                    }
                }
            }
            if never_ready_since.is_some_and(|since| since.elapsed() > GIVE_UP_AFTER) {
                return Err(io::Error::other("postgres does not come up"));
            }
            sleep(pause);
            pause = (pause * 2).min(MAX_PAUSE);
            if self.is_unused(&users) {
                break;
            }
        }
        let socket_folder = self.cluster.socket_folder();
        if !socket_folder.starts_with(self.cluster.folder()) {
            // A short name in `/tmp`; where it cannot go, the next start uses it again.
            let _removed = fs::remove_dir(socket_folder);
        }
        // Before the users' lock, so that whoever waits for that one finds no supervisor.
        drop(only_one);
        Ok(())
    }

    fn start(&self) -> io::Result<Child> {
        let durability = if self.args.without_durability {
            Durability::OffForTests
        } else {
            Durability::Full
        };
        let mut postgres = server_command(self.args.identity, &self.args.pg_bin.join("postgres"));
        postgres
            .arg("-D")
            .arg(self.cluster.data())
            .arg("-k")
            .arg(self.cluster.socket_folder());
        postgres.arg("-p").arg(PORT.to_string());
        for setting in [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "logging_collector=off",
        ] {
            postgres.arg("-c").arg(setting);
        }
        for setting in durability.arguments() {
            postgres.arg("-c").arg(setting);
        }
        sys::stop_with_parent(&mut postgres);
        postgres.stdin(Stdio::null()).spawn()
    }

    fn watch(&self, mut postgres: Child, users: &File) -> io::Result<Ended> {
        let mut was_ready = false;
        loop {
            if let Some(status) = postgres.try_wait()? {
                return Ok(Ended::Died { status, was_ready });
            }
            if self.is_unused(users) {
                stop(&mut postgres)?;
                return Ok(Ended::Unused);
            }
            was_ready = was_ready
                || Postmaster::running(&self.cluster.data()).is_some_and(|found| found.is_ready);
            sleep(LOOK_EVERY);
        }
    }

    /// Where this is true the lock is kept: a new user waits until the server has stopped.
    fn is_unused(&self, users: &File) -> bool {
        if users.try_lock().is_err() {
            return false;
        }
        let is_kept =
            fs::read_to_string(self.cluster.keep_mark()).is_ok_and(|boot| boot == boot_id());
        // Unlocking a lock that is held cannot fail; if it did, the cluster would stop early.
        !(is_kept && users.unlock().is_ok())
    }

    /// A server outlives its supervisor only where the kernel could not tell it; it has no user.
    fn end_server_of_another(&self) {
        let data = self.cluster.data();
        for (signal, within) in [
            (StopSignal::Fast, FAST_STOP_WITHIN),
            (StopSignal::Immediate, IMMEDIATE_STOP_WITHIN),
            (StopSignal::Kill, IMMEDIATE_STOP_WITHIN),
        ] {
            let Some(server) = Postmaster::running(&data) else {
                return;
            };
            // It may have ended in between, which is what is wanted.
            let _ended_by_itself = sys::send(server.pid, signal);
            let asked_at = Instant::now();
            while asked_at.elapsed() < within && Postmaster::running(&data).is_some() {
                sleep(LOOK_EVERY);
            }
        }
    }
}

/// Which start of the machine this is; a mark from an earlier one means nothing.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// Somebody who looks whether a supervisor is there holds the lock for a moment.
fn obtained_soon(lock: &File) -> bool {
    const TRIES: u32 = 10;
    (0..TRIES).any(|try_number| {
        if try_number > 0 {
            sleep(LOOK_EVERY / TRIES);
        }
        lock.try_lock().is_ok()
    })
}

fn stop(postgres: &mut Child) -> io::Result<()> {
    for (signal, within) in [
        (StopSignal::Fast, FAST_STOP_WITHIN),
        (StopSignal::Immediate, IMMEDIATE_STOP_WITHIN),
    ] {
        sys::send(postgres.id(), signal)?;
        let asked_at = Instant::now();
        while asked_at.elapsed() < within {
            if postgres.try_wait()?.is_some() {
                return Ok(());
            }
            sleep(LOOK_EVERY / 5);
        }
    }
    postgres.kill()?;
    postgres.wait().map(|_status| ())
}

fn say(message: &str) {
    eprintln!("hookgate supervisor: {message}");
}
