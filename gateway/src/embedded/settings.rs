//! The server's settings, in a file of their own that `postgresql.conf` includes.
//!
//! What safety rests on (the socket, no network, durability) is not in the file but on the command
//! line of each start, where `alter system` cannot reach it.

use std::fs;
use std::io;
use std::path::Path;

use super::binaries::Binaries;
use super::cluster::{NAME, server_command};
use super::identity::Identity;
use super::sys;

const FILE: &str = "hookgate.conf";
const MEBIBYTE: u64 = 1024 * 1024;

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    #[default]
    Full,
    /// Data does not outlive the machine. For tests, which do not outlive it either.
    OffForTests,
}

impl Durability {
    /// Settings that win over every file.
    pub(super) const fn arguments(self) -> [&'static str; 3] {
        match self {
            Self::Full => ["fsync=on", "full_page_writes=on", "synchronous_commit=on"],
            Self::OffForTests => [
                "fsync=off",
                "full_page_writes=off",
                "synchronous_commit=off",
            ],
        }
    }
}

/// Only the superuser, and only over the socket that nobody else can reach.
pub(super) fn write_access(data: &Path, identity: Identity) -> io::Result<()> {
    let access = format!("local all {NAME} trust\nlocal replication {NAME} trust\n");
    rewrite(&data.join("pg_hba.conf"), &access)?;
    let conf = data.join("postgresql.conf");
    let stock = fs::read_to_string(&conf)?;
    rewrite(&conf, &format!("{stock}\ninclude_if_exists '{FILE}'\n"))?;
    identity.take_over(data)
}

/// Writes this start's settings; asks the server about compression only once per version.
pub(super) fn write(data: &Path, binaries: &Binaries, identity: Identity) -> io::Result<()> {
    let path = data.join(FILE);
    let written_by = format!("# for postgres {}", binaries.version);
    let before = fs::read_to_string(&path).ok();
    let has_lz4 = match before.as_deref() {
        Some(settings) if settings.starts_with(&written_by) => settings.contains("lz4"),
        _ => knows_lz4(data, binaries, identity),
    };
    let settings = format!(
        "{written_by}\n{}",
        text(sys::free_disk_bytes(data)?, has_lz4, binaries.major)
    );
    if before.as_deref() == Some(&settings) {
        return Ok(());
    }
    rewrite(&path, &settings)?;
    if let Identity::Account(account) = identity {
        std::os::unix::fs::chown(&path, Some(account.uid), Some(account.gid))?;
    }
    Ok(())
}

fn text(free_bytes: u64, has_lz4: bool, major: u32) -> String {
    // Rounded, so that the file stays the same from start to start.
    let max_wal_mebibytes = (free_bytes / 10 / MEBIBYTE / 64 * 64).clamp(64, 8 * 1024);
    let mut lines = vec![
        "max_connections = 100".to_owned(),
        "shared_buffers = 128MB".to_owned(),
        "jit = off".to_owned(),
        "timezone = 'UTC'".to_owned(),
        "log_timezone = 'UTC'".to_owned(),
        "log_checkpoints = off".to_owned(),
        "autovacuum_naptime = 2s".to_owned(),
        "checkpoint_timeout = 15min".to_owned(),
        format!("max_wal_size = {max_wal_mebibytes}MB"),
        "recovery_init_sync_method = syncfs".to_owned(),
        "idle_in_transaction_session_timeout = 10s".to_owned(),
    ];
    if has_lz4 {
        lines.push("default_toast_compression = lz4".to_owned());
    }
    if has_lz4 && major >= 15 {
        lines.push("wal_compression = lz4".to_owned());
    }
    lines.join("\n") + "\n"
}

fn knows_lz4(data: &Path, binaries: &Binaries, identity: Identity) -> bool {
    let mut ask = server_command(identity, &binaries.program("postgres"));
    ask.args([
        "-C",
        "default_toast_compression",
        "-c",
        "default_toast_compression=lz4",
        "-D",
    ])
    .arg(data);
    ask.output().is_ok_and(|output| output.status.success())
}

fn rewrite(path: &Path, text: &str) -> io::Result<()> {
    let aside = path.with_extension("new");
    fs::write(&aside, text)?;
    fs::rename(aside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_write_ahead_log_takes_a_tenth_of_the_free_disk_and_at_most_8_gib() {
        for (free_mebibytes, line) in [
            (100, "max_wal_size = 64MB"),
            (10_240, "max_wal_size = 1024MB"),
            (1_000_000, "max_wal_size = 8192MB"),
        ] {
            assert!(
                text(free_mebibytes * MEBIBYTE, true, 15)
                    .lines()
                    .any(|found| found == line),
                "{line}"
            );
        }
    }

    #[test]
    fn compression_is_asked_for_only_where_the_server_knows_it() {
        assert!(!text(0, false, 17).contains("lz4"));
        assert!(!text(0, true, 14).contains("wal_compression"));
        assert!(text(0, true, 15).contains("wal_compression = lz4"));
    }
}
