//! The cluster's folder: what lies in it, how it is made, and where its socket is.
//!
//! A cluster is made aside and renamed into place, so a half-made one is never taken as whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sha2::{Digest, Sha256};

use super::binaries::Binaries;
use super::identity::Identity;
use super::{EmbeddedError, settings, sys};

/// Superuser and database of the cluster.
pub(super) const NAME: &str = "hookgate";
/// Names the socket's file; nothing listens on a port.
pub(super) const PORT: u16 = 5432;
/// Holds the clusters of data folders that only root can enter, where Postgres runs as another.
const STATE_FOLDER: &str = "/var/lib/hookgate";
/// A Unix socket's address holds 107 bytes and a closing zero.
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// The folder of one cluster, with its real path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    folder: PathBuf,
}

impl Cluster {
    /// The cluster of `data_dir`, or the one in the state folder where `identity` cannot get there.
    pub(super) fn open(data_dir: &Path, identity: Identity) -> Result<Self, EmbeddedError> {
        make_folders(data_dir)?;
        let data_dir = fs::canonicalize(data_dir).map_err(EmbeddedError::folder(data_dir))?;
        let folder = if identity.can_reach(&data_dir) {
            data_dir.join("postgres")
        } else {
            make_folders(Path::new(STATE_FOLDER))?;
            in_state_folder(&data_dir)
        };
        make_private_folder(&folder)?;
        identity
            .take_over(&folder)
            .map_err(EmbeddedError::folder(&folder))?;
        Ok(Self { folder })
    }

    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The cluster that `data_dir` already has, if it has one there.
    #[must_use]
    pub fn existing(data_dir: &Path) -> Option<Self> {
        let folder = fs::canonicalize(data_dir.join("postgres")).ok()?;
        folder
            .join("data/PG_VERSION")
            .is_file()
            .then_some(Self { folder })
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What the supervisor and Postgres have to say.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("postgres.log")
    }

    /// Exists while somebody asked that the server stay up without a user; holds the boot's id.
    pub(super) fn keep_mark(&self) -> PathBuf {
        self.folder.join("keep-running")
    }

    /// Opens one of the lock files: `users`, `supervisor` or `setup`.
    pub(super) fn lock_file(&self, name: &str) -> Result<File, EmbeddedError> {
        let path = self.folder.join(format!("{name}.lock"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path);
        file.map_err(EmbeddedError::folder(&path))
    }

    /// The major version that wrote the data folder.
    #[must_use]
    pub fn major(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION"))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Where the socket is: in the cluster's folder, or under a short name where that is too long.
    #[must_use]
    pub fn socket_folder(&self) -> PathBuf {
        let own = self.folder.join("run");
        let socket_bytes = own.as_os_str().len() + format!("/.s.PGSQL.{PORT}").len();
        if socket_bytes <= MAX_SOCKET_PATH_BYTES {
            return own;
        }
        Path::new("/tmp").join(format!(
            "hookgate-{}-{}",
            sys::effective_uid(),
            short_hash(&self.folder)
        ))
    }

    #[must_use]
    pub fn url(&self) -> String {
        let socket_folder = self.socket_folder();
        let host: String =
            url::form_urlencoded::byte_serialize(socket_folder.to_string_lossy().as_bytes())
                .collect();
        let host = host.replace('+', "%20");
        format!("postgres://{NAME}@localhost:{PORT}/{NAME}?host={host}&sslmode=disable")
    }

    /// The end of the log, for a message.
    pub(super) fn log_tail(&self) -> String {
        const LINES: usize = 8;
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Makes the data folder where there is none, and writes the settings of this start.
    pub(super) fn prepare(
        &self,
        binaries: &Binaries,
        identity: Identity,
    ) -> Result<(), EmbeddedError> {
        let socket_folder = self.socket_folder();
        make_private_folder(&socket_folder)?;
        refuse_foreign(&socket_folder)?;
        identity
            .take_over(&socket_folder)
            .map_err(EmbeddedError::folder(&socket_folder))?;
        if self.major().is_none() {
            self.make_data(binaries, identity)?;
        }
        let data = self.data();
        identity
            .take_over(&data)
            .map_err(EmbeddedError::folder(&data))?;
        settings::write(&data, binaries, identity).map_err(EmbeddedError::folder(&data))
    }

    fn make_data(&self, binaries: &Binaries, identity: Identity) -> Result<(), EmbeddedError> {
        let partial = self.folder.join("data.partial");
        let broken = EmbeddedError::folder(&partial);
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(broken(error)),
            _ => {}
        }
        let mut initdb = server_command(identity, &binaries.program("initdb"));
        initdb
            .arg("--pgdata")
            .arg(&partial)
            .arg(format!("--username={NAME}"));
        initdb.args([
            "--encoding=UTF8",
            "--locale=C",
            "--auth=trust",
            "--no-sync",
            "--no-instructions",
        ]);
        succeed("initdb", initdb.stdin(Stdio::null()).output())?;

        settings::write_access(&partial, identity).map_err(EmbeddedError::folder(&partial))?;
        let mut single = server_command(identity, &binaries.program("postgres"));
        single.arg("--single").arg("-D").arg(&partial).args([
            "-F",
            "-c",
            "log_checkpoints=off",
            "postgres",
        ]);
        succeed(
            "postgres --single",
            with_input(&mut single, "create database hookgate\n"),
        )?;

        let data = self.data();
        sys::sync_file_system(&partial)
            .and_then(|()| fs::rename(&partial, &data))
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(EmbeddedError::folder(&data))
    }
}

/// A server program that sees nothing of the caller's Postgres variables.
pub(super) fn server_command(identity: Identity, program: &Path) -> Command {
    let mut command = identity.command(program);
    for name in [
        "PGDATA",
        "PGPORT",
        "PGHOST",
        "PGUSER",
        "PGDATABASE",
        "PGOPTIONS",
        "PGTZ",
        "PGDATESTYLE",
    ] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").current_dir("/");
    command
}

fn with_input(command: &mut Command, input: &str) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child
        .stdin
        .take()
        .expect("the child was started with a pipe");
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    child.wait_with_output()
}

fn succeed(program: &'static str, output: io::Result<Output>) -> Result<(), EmbeddedError> {
    let failed = |message: String| EmbeddedError::Setup { program, message };
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(format!(
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}

fn make_folders(path: &Path) -> Result<(), EmbeddedError> {
    fs::create_dir_all(path).map_err(EmbeddedError::folder(path))
}

/// A folder that nobody else may enter. An existing one is left as it is, apart from its mode.
fn make_private_folder(path: &Path) -> Result<(), EmbeddedError> {
    let made = match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    };
    made.map_err(EmbeddedError::folder(path))
}

/// Somebody else could have put a folder or a link at a guessable place in `/tmp`.
fn refuse_foreign(path: &Path) -> Result<(), EmbeddedError> {
    let metadata = fs::symlink_metadata(path).map_err(EmbeddedError::folder(path))?;
    let uid = sys::effective_uid();
    let is_ours = metadata.is_dir()
        && (metadata.uid() == uid || uid == 0)
        && metadata.permissions().mode() & 0o077 == 0;
    if is_ours {
        Ok(())
    } else {
        Err(EmbeddedError::ForeignFolder {
            path: path.to_owned(),
        })
    }
}

fn in_state_folder(data_dir: &Path) -> PathBuf {
    Path::new(STATE_FOLDER).join(short_hash(data_dir))
}

fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    data_encoding::HEXLOWER.encode(&digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_too_long_for_a_socket_gets_a_short_one() {
        let short = Cluster::at(PathBuf::from("/data/postgres"));
        assert_eq!(short.socket_folder(), Path::new("/data/postgres/run"));

        let long = Cluster::at(Path::new("/").join("x".repeat(90)));
        let socket = long.socket_folder().join(".s.PGSQL.5432");
        assert!(
            socket.as_os_str().len() <= MAX_SOCKET_PATH_BYTES,
            "{}",
            socket.display()
        );
        assert_eq!(long.socket_folder(), long.clone().socket_folder());
    }

    #[test]
    fn the_url_names_the_socket() {
        let cluster = Cluster::at(PathBuf::from("/my data/postgres"));
        assert_eq!(
            cluster.url(),
            "postgres://hookgate@localhost:5432/hookgate?host=%2Fmy%20data%2Fpostgres%2Frun&sslmode=disable"
        );
    }
}
