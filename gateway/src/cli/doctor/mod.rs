//! `hookgate doctor`: what is missing or unsafe on this machine, each with the way to mend it.
//!
//! Looks and says; changes nothing, and never stops at the first trouble.

mod finding;
mod plugins;
mod reach;
mod surroundings;

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

use self::finding::{Finding, State};
use crate::config::{Environment, Flags, Secret, Settings};
use crate::embedded::{Binaries, Cluster, Postmaster, Search, free_disk_bytes, max_open_files};
use crate::store::preflight::{self, Safety};

const GIBIBYTE: u64 = 1024 * 1024 * 1024;
const MIN_FREE_BYTES: u64 = GIBIBYTE;
/// Each receiver and each client takes one; so do Postgres' own files.
const MIN_OPEN_FILES: u64 = 4096;

/// Look over this machine: Postgres, the data folder, the port, limits, plugin files, compilers for
/// plugins.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Flags,
}

/// Fails where a check does.
pub async fn run(args: DoctorArgs, environment: &Environment) -> ExitCode {
    let findings = findings(&args.settings, environment).await;
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&findings).expect("findings are texts")
        );
    } else {
        findings.iter().for_each(|finding| println!("{finding}"));
    }
    let has_failed = findings
        .iter()
        .any(|finding| finding.state == State::Failure);
    if has_failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

async fn findings(flags: &Flags, environment: &Environment) -> Vec<Finding> {
    let settings = match Settings::load(flags, environment) {
        Ok(settings) => settings,
        Err(error) => {
            let cure = "correct them, then run `hookgate doctor` again";
            let mut findings = vec![
                Finding::failure("settings", error.to_string(), cure),
                open_files(),
            ];
            findings.extend(plugins::toolchains());
            return findings;
        }
    };
    let data_dir = &settings.process.data_dir;
    let mut findings = vec![Finding::ok(
        "settings",
        "valid; `hookgate serve --print-config` shows them",
    )];
    match &settings.database.url {
        Some(url) => {
            findings.push(database(url, settings.database.allow_unsafe).await);
            findings.extend(surroundings::schema(url).await);
        }
        None => findings.push(postgres(&settings, environment)),
    }
    findings.extend([
        data_folder(data_dir),
        disk(data_dir),
        port(&settings),
        open_files(),
        plugins::files(&settings.plugins.folder),
    ]);
    findings.extend(plugins::toolchains());
    findings.extend(surroundings::findings(&settings, environment));
    findings.extend(reach::findings(&settings, environment).await);
    findings
}

async fn database(url: &Secret, allow_unsafe: bool) -> Finding {
    const CHECK: &str = "DATABASE_URL";
    let safety = if allow_unsafe {
        Safety::UnsafeAllowed
    } else {
        Safety::Required
    };
    let checked = match PgConnectOptions::from_str(url.expose()) {
        Ok(options) => preflight::check(&options, safety).await,
        Err(error) => Err(error.into()),
    };
    match checked {
        Ok(facts) if facts.unsafe_settings.is_empty() => Finding::ok(
            CHECK,
            format!("Postgres {}, durable, real sessions", facts.version),
        ),
        Ok(facts) => {
            let found = format!(
                "Postgres {} may lose what it confirmed: {} off",
                facts.version,
                facts.unsafe_settings.join(", ")
            );
            Finding::warning(CHECK, found, "turn that on, unless this is a test")
        }
        Err(error) => Finding::failure(
            CHECK,
            error.to_string(),
            "see above, or leave DATABASE_URL out to use the embedded Postgres",
        ),
    }
}

fn postgres(settings: &Settings, environment: &Environment) -> Finding {
    const CHECK: &str = "postgres";
    let search = Search {
        named: settings.database.pg_bin.clone(),
        path: environment.path(),
    };
    let cluster = Cluster::existing(&settings.process.data_dir);
    match Binaries::find(&search, cluster.as_ref().and_then(Cluster::major)) {
        Ok(binaries) => Finding::ok(
            CHECK,
            format!(
                "{} in {}, for the embedded database",
                binaries.version,
                binaries.folder.display()
            ),
        ),
        Err(error) => Finding::failure(CHECK, error.to_string(), "one of the three lines above"),
    }
}

fn data_folder(data_dir: &Path) -> Finding {
    const CHECK: &str = "data folder";
    let place = existing_part(data_dir);
    if let Err(error) = tempfile::tempfile_in(&place) {
        let cure = "make it writable, or name another one with HOOKGATE_DATA_DIR";
        return Finding::failure(
            CHECK,
            format!("{} cannot be written: {error}", place.display()),
            cure,
        );
    }
    let Some(cluster) = Cluster::existing(data_dir) else {
        return Finding::ok(CHECK, format!("{} will be made", data_dir.display()));
    };
    let major = cluster.major().map_or_else(
        || "an unknown version".to_owned(),
        |major| major.to_string(),
    );
    let server = Postmaster::running(&cluster.data());
    let running = server.map_or_else(
        || "not running".to_owned(),
        |server| format!("running as process {}", server.pid),
    );
    Finding::ok(
        CHECK,
        format!(
            "{}, with a cluster of Postgres {major}, {running}",
            data_dir.display()
        ),
    )
}

fn disk(data_dir: &Path) -> Finding {
    const CHECK: &str = "disk";
    let cure = "free some, or name another place with HOOKGATE_DATA_DIR";
    match free_disk_bytes(&existing_part(data_dir)) {
        Ok(free) if free >= MIN_FREE_BYTES => {
            Finding::ok(CHECK, format!("{} GiB free", free / GIBIBYTE))
        }
        Ok(free) => Finding::warning(CHECK, format!("only {} MiB free", free / 1024 / 1024), cure),
        Err(error) => Finding::failure(CHECK, format!("cannot be measured: {error}"), cure),
    }
}

fn port(settings: &Settings) -> Finding {
    const CHECK: &str = "port";
    let listen = settings.server.listen;
    let cure = "stop what listens there, or choose another with HOOKGATE_LISTEN";
    match TcpListener::bind(listen) {
        Ok(_listener) => Finding::ok(CHECK, format!("{listen} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Finding::warning(
            CHECK,
            format!("{listen} is taken, perhaps by a gateway that runs already"),
            cure,
        ),
        Err(error) => Finding::failure(CHECK, format!("{listen} cannot be used: {error}"), cure),
    }
}

fn open_files() -> Finding {
    const CHECK: &str = "open files";
    match max_open_files() {
        Ok(limit) if limit >= MIN_OPEN_FILES => Finding::ok(CHECK, format!("{limit} at once")),
        Ok(limit) => Finding::warning(
            CHECK,
            format!("only {limit} at once"),
            "`ulimit -n 65536` before, or LimitNOFILE= of the service",
        ),
        Err(error) => Finding::warning(
            CHECK,
            format!("the limit is unknown: {error}"),
            "none known",
        ),
    }
}

/// The nearest folder on the way that is there already.
fn existing_part(path: &Path) -> PathBuf {
    let there = path
        .ancestors()
        .find(|folder| fs::metadata(folder).is_ok_and(|metadata| metadata.is_dir()));
    // A relative path ends in the empty one, which is the current folder.
    there
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
        .to_owned()
}
