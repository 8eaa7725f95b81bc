//! Sees to it that the programs of a Postgres server are there.
//!
//! Hookgate runs private clusters with them. Debian's own default cluster is not wanted, so
//! installing must not create one, let alone leave it running.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{Failed, apt_install, is_root, step};

const CLUSTER_CONFIG: &str = "/etc/postgresql-common/createcluster.conf";

/// Finds Postgres, or installs it where that is apt's and root's to do.
pub(crate) fn ensure() -> Result<PathBuf, Failed> {
    if let Some(bin) = find() {
        return Ok(bin);
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(Failed::because(
            "no Postgres here: install its server, then set HOOKGATE_PG_BIN to the folder of initdb",
        ));
    }
    if !is_root() {
        return Err(Failed::because(
            "no Postgres here. Type: sudo apt-get install postgresql",
        ));
    }
    step("installing Postgres");
    if !Path::new(CLUSTER_CONFIG).exists() {
        let folder = Path::new(CLUSTER_CONFIG)
            .parent()
            .expect("it stands in a folder");
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(CLUSTER_CONFIG, "create_main_cluster = false\n"))
            .map_err(|error| Failed::because(format!("{CLUSTER_CONFIG}: {error}")))?;
    }
    apt_install(&["postgresql"])?;
    find().ok_or_else(|| {
        Failed::because(
            "apt installed postgresql, but initdb is in no folder of /usr/lib/postgresql",
        )
    })
}

/// The folder of `initdb` and `postgres`: the one that was named, else on the path, else the
/// newest of Debian's.
pub(crate) fn find() -> Option<PathBuf> {
    let is_server = |bin: &PathBuf| bin.join("initdb").is_file() && bin.join("postgres").is_file();
    if let Some(named) = env::var_os("HOOKGATE_PG_BIN").filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named)).filter(is_server);
    }
    let on_path = env::var_os("PATH").unwrap_or_default();
    if let Some(bin) = env::split_paths(&on_path).find(is_server) {
        // Links on the path may be fewer than the programs where they point.
        let initdb = bin.join("initdb").canonicalize().ok()?;
        return initdb.parent().map(Path::to_owned);
    }
    let versions = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()));
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<PathBuf> = versions
        .filter(|path| is_server(&path.join("bin")))
        .collect();
    versions.sort_by_key(version);
    versions.pop().map(|newest| newest.join("bin"))
}
