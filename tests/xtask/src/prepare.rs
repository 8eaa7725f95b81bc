//! Writes what the database says about each query to `.sqlx`, so that a build needs none.
//!
//! The macros describe their queries to a real server and save the answer; this gives them a
//! throw-away one with all migrations applied, and then compiles the gateway anew.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::postgres;
use crate::shell::{Failed, cargo, is_root, root, run, step, target_dir};

/// Renews `.sqlx`, or with `is_check` only tells whether it would change.
pub(crate) fn query_data(is_check: bool) -> Result<(), Failed> {
    let bin = postgres::ensure()?;
    let scratch = target_dir().join("prepare");
    // Left behind only by a run that was killed.
    let _ = fs::remove_dir_all(&scratch);
    let server = Server::start(bin, &scratch)?;
    step("migrations");
    server.migrate(&root().join("gateway/migrations"))?;
    step("describing the queries");
    let described = scratch.join("queries");
    fs::create_dir_all(&described).map_err(failed(&described))?;
    // A macro runs only when its crate is compiled, and its input has not changed for cargo.
    let entry = root().join("gateway/src/lib.rs");
    fs::File::options()
        .append(true)
        .open(&entry)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()))
        .map_err(failed(&entry))?;
    run(cargo(&["check", "--package", "hookgate", "--all-targets"])
        .env("DATABASE_URL", server.url())
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &described))?;
    drop(server);

    let committed = root().join(".sqlx");
    let (new, old) = (queries(&described), queries(&committed));
    if is_check {
        if new != old {
            return Err(Failed::because(
                ".sqlx is not what the database says. Type: cargo xtask prepare",
            ));
        }
        step(".sqlx is what the database says");
        return Ok(());
    }
    fs::create_dir_all(&committed).map_err(failed(&committed))?;
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        fs::remove_file(committed.join(name)).map_err(failed(&committed))?;
    }
    for (name, text) in &new {
        fs::write(committed.join(name), text).map_err(failed(&committed))?;
    }
    step(&format!("{} queries in .sqlx", new.len()));
    Ok(())
}

fn queries(dir: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| name.starts_with("query-"))
        .filter_map(|(name, path)| Some((name, fs::read_to_string(path).ok()?)))
        .collect()
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Failed {
    move |error| Failed::because(format!("{}: {error}", path.display()))
}

/// A cluster without durability in a folder of its own, stopped and removed with this value.
struct Server {
    bin: PathBuf,
    data: PathBuf,
    /// Short, whatever the target folder: a socket's path may have 107 bytes.
    socket: PathBuf,
}

impl Server {
    fn start(bin: PathBuf, scratch: &Path) -> Result<Self, Failed> {
        step("a Postgres to ask");
        let socket = std::env::temp_dir().join(format!("hookgate-prepare-{}", std::process::id()));
        fs::create_dir_all(&socket).map_err(failed(&socket))?;
        fs::create_dir_all(scratch).map_err(failed(scratch))?;
        let server = Self {
            bin,
            data: scratch.join("data"),
            socket,
        };
        let mut initdb = server.program("initdb");
        run(initdb
            .args([
                "-A",
                "trust",
                "-U",
                "hookgate",
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync",
            ])
            .arg("-D")
            .arg(&server.data)
            .stdout(std::process::Stdio::null()))?;
        let options = format!(
            "-c listen_addresses='' -c fsync=off -k '{}'",
            server.socket.display()
        );
        let mut start = server.program("pg_ctl");
        run(start
            .args(["start", "-w", "-s", "-o", &options])
            .arg("-D")
            .arg(&server.data)
            .arg("-l")
            .arg(scratch.join("log")))?;
        Ok(server)
    }

    /// As root in a user namespace, since Postgres refuses to run as root.
    fn program(&self, name: &str) -> Command {
        let path = self.bin.join(name);
        if !is_root() {
            return Command::new(path);
        }
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-user=1000", "--map-group=1000"])
            .arg(path);
        command
    }

    fn url(&self) -> String {
        format!(
            "postgres://hookgate@localhost/postgres?host={}",
            self.socket.display()
        )
    }

    fn psql(&self) -> Command {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-U", "hookgate", "-d", "postgres"])
            .args(["-v", "ON_ERROR_STOP=1", "-h"])
            .arg(&self.socket);
        psql
    }

    /// In the order of their names, each in one transaction, as the gateway does it.
    fn migrate(&self, dir: &Path) -> Result<(), Failed> {
        let entries = fs::read_dir(dir).map_err(failed(dir))?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
        files.sort();
        // Named like the role, so that it comes first in everybody's search path.
        run(self.psql().args(["-c", "create schema hookgate"]))?;
        for file in files {
            let mut psql = self.psql();
            let text = fs::read_to_string(&file).map_err(failed(&file))?;
            if !text.starts_with("-- no-transaction") {
                psql.arg("--single-transaction");
            }
            run(psql.arg("-f").arg(&file))?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = run(self
            .program("pg_ctl")
            .args(["stop", "-s", "-m", "immediate"])
            .arg("-D")
            .arg(&self.data));
        let _ = fs::remove_dir_all(&self.data);
        let _ = fs::remove_dir_all(&self.socket);
    }
}
