//! `hookgate db`: the embedded Postgres by hand, beside the gateway or without it.
//!
//! Every command shares the cluster with whoever uses it already; none can take it away from them.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::db_outbox::{self, InstallOutboxArgs};
use crate::config::{ConfigError, Environment, Flags, Settings};
use crate::embedded::{
    self, Cluster, Durability, Embedded, EmbeddedConfig, EmbeddedError, Postmaster, Search,
};
use crate::store::outbox_install::InstallError;

/// Run, look into and stop the embedded Postgres; install an outbox in a database of your own.
#[derive(Debug, clap::Args)]
pub struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, clap::Subcommand)]
enum DbCommand {
    /// Start it, and keep it up until `stop` or the machine's next start.
    Start(Flags),
    /// Stop it, unless a gateway still uses it; then it stops with the last of them.
    Stop(Flags),
    /// Print the address of the database, for psql and other clients.
    Url(Flags),
    /// Open psql on the database; starts it for that time where it is not running.
    Psql {
        #[command(flatten)]
        settings: Flags,
        /// Arguments for psql, after `--`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Let transactions of a database of your own emit events: installs `hookgate.emit` and
    /// `hookgate.watch` there, or brings them up to date.
    InstallOutbox(InstallOutboxArgs),
}

#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error(transparent)]
    Settings(#[from] ConfigError),
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    #[error("DATABASE_URL is set: that database is not Hookgate's to start or stop")]
    NotEmbedded,
    #[error("{} has no database yet; `hookgate serve` or `hookgate db start` makes one", data_dir.display())]
    NoCluster { data_dir: PathBuf },
    #[error("the outbox was left as it was: {0}")]
    Outbox(#[from] InstallError),
    #[error("the cluster's folder cannot be written: {0}")]
    Folder(std::io::Error),
    #[error(
        "psql could not be started: {0}; `apt-get install postgresql-client` or your system's like of it brings it"
    )]
    Psql(std::io::Error),
}

/// `program` is this binary, which is also the supervisor.
///
/// # Errors
/// Each says what to do.
pub async fn run(
    args: DbArgs,
    environment: &Environment,
    program: PathBuf,
) -> Result<ExitCode, DbError> {
    match args.command {
        DbCommand::Start(flags) => start(embedded_config(&flags, environment, program)?).await,
        DbCommand::Stop(flags) => stop(embedded_config(&flags, environment, program)?).await,
        DbCommand::Url(flags) => url(&flags, environment),
        DbCommand::Psql {
            settings,
            arguments,
        } => psql(&settings, environment, program, arguments).await,
        DbCommand::InstallOutbox(args) => Ok(db_outbox::run(args).await?),
    }
}

async fn start(config: EmbeddedConfig) -> Result<ExitCode, DbError> {
    let embedded = Embedded::start(config).await?;
    embedded::keep_running(embedded.cluster()).map_err(DbError::Folder)?;
    println!("{}", embedded.url());
    // Left, not stopped: the mark keeps the server up, and nothing has to be waited for.
    drop(embedded);
    Ok(ExitCode::SUCCESS)
}

async fn stop(config: EmbeddedConfig) -> Result<ExitCode, DbError> {
    let cluster = existing(&config.data_dir)?;
    let stopping = tokio::task::spawn_blocking(move || embedded::stop_keeping(&cluster));
    let has_stopped = stopping
        .await
        .expect("stopping does not panic")
        .map_err(DbError::Folder)?;
    if has_stopped {
        println!("stopped");
    } else {
        println!("a gateway still uses it; it stops when the last one does");
    }
    Ok(ExitCode::SUCCESS)
}

fn url(flags: &Flags, environment: &Environment) -> Result<ExitCode, DbError> {
    let settings = Settings::load(flags, environment)?;
    if let Some(url) = &settings.database.url {
        println!("{}", url.expose());
        return Ok(ExitCode::SUCCESS);
    }
    let cluster = existing(&settings.process.data_dir)?;
    println!("{}", cluster.url());
    if Postmaster::running(&cluster.data()).is_none() {
        eprintln!("it is not running; `hookgate db start` starts it");
    }
    Ok(ExitCode::SUCCESS)
}

async fn psql(
    flags: &Flags,
    environment: &Environment,
    program: PathBuf,
    arguments: Vec<String>,
) -> Result<ExitCode, DbError> {
    let settings = Settings::load(flags, environment)?;
    if let Some(url) = &settings.database.url {
        return run_psql("psql".into(), url.expose(), arguments).await;
    }
    let embedded = Embedded::start(config_of(&settings, environment, program)).await?;
    let beside_server = Search {
        named: settings.database.pg_bin.clone(),
        path: environment.path(),
    }
    .psql(embedded.cluster().major());
    let outcome = run_psql(
        beside_server.unwrap_or_else(|| "psql".into()),
        embedded.url(),
        arguments,
    )
    .await;
    embedded.stop().await;
    outcome
}

async fn run_psql(psql: PathBuf, url: &str, arguments: Vec<String>) -> Result<ExitCode, DbError> {
    let mut command = tokio::process::Command::new(psql);
    let status = command
        .arg(url)
        .args(arguments)
        .status()
        .await
        .map_err(DbError::Psql)?;
    // As shells do: 128 and the signal's number.
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn embedded_config(
    flags: &Flags,
    environment: &Environment,
    program: PathBuf,
) -> Result<EmbeddedConfig, DbError> {
    let settings = Settings::load(flags, environment)?;
    if settings.database.url.is_some() {
        return Err(DbError::NotEmbedded);
    }
    Ok(config_of(&settings, environment, program))
}

fn config_of(settings: &Settings, environment: &Environment, program: PathBuf) -> EmbeddedConfig {
    EmbeddedConfig {
        data_dir: settings.process.data_dir.clone(),
        search: Search {
            named: settings.database.pg_bin.clone(),
            path: environment.path(),
        },
        program,
        durability: Durability::Full,
        identity: None,
    }
}

fn existing(data_dir: &std::path::Path) -> Result<Cluster, DbError> {
    Cluster::existing(data_dir).ok_or_else(|| DbError::NoCluster {
        data_dir: data_dir.to_owned(),
    })
}
