//! An outbox in a database of the user's own: installed, brought up to date, taken away.
//!
//! What is installed is what the gateway's own database has, word for word, step by step. Refuses a
//! database that belongs to a gateway, and never drops what has not been drained.

use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Postgres, Transaction};

/// In their order; a step that is out is never changed.
const STEPS: [&str; 3] = [
    include_str!("../../migrations/0130_outbox.sql"),
    include_str!("../../migrations/0131_outbox_watch.sql"),
    include_str!("../../migrations/0160_watch_needs_a_type.sql"),
];

/// What an installation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Steps that were there before; none of them for a new outbox.
    pub before: usize,
    pub now: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Whatever it is, it may hold a password, so it is not told.
    #[error(
        "what was given is no address of a Postgres database, like postgres://user:password@host/database"
    )]
    Url,
    #[error("the database did not do it: {0}")]
    Database(sqlx::Error),
    #[error("this is a gateway's own database, and has its outbox already")]
    Gateway,
    #[error("its outbox has {there} steps, this release knows {known}: use a newer release")]
    Newer { there: usize, known: usize },
    #[error(
        "{0} events wait in its outbox; let a gateway drain them first, or use --force to lose them"
    )]
    NotDrained(i64),
}

// Not by `#[from]`: the database's text would be told twice.
impl From<sqlx::Error> for InstallError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Installs the outbox, or what is missing of it, in one transaction.
///
/// # Errors
/// Nothing has changed then.
pub async fn install(url: &str) -> Result<Installed, InstallError> {
    let mut connection = connect(url).await?;
    let mut tx = begin(&mut connection).await?;
    sqlx::raw_sql(
        "create schema if not exists hookgate;
         create table if not exists hookgate.outbox_step (
           step int primary key, installed_at timestamptz not null default now());
         create table if not exists hookgate.outbox_home (
           only_row boolean primary key default true check (only_row), id uuid not null default gen_random_uuid());
         insert into hookgate.outbox_home default values on conflict do nothing",
    )
    .execute(&mut *tx)
    .await?;
    let there = sqlx::query_scalar::<_, i64>("select count(*) from hookgate.outbox_step")
        .fetch_one(&mut *tx)
        .await?;
    let before = usize::try_from(there).unwrap_or_default();
    if before > STEPS.len() {
        return Err(InstallError::Newer {
            there: before,
            known: STEPS.len(),
        });
    }
    for (step, statements) in STEPS.iter().enumerate().skip(before) {
        sqlx::raw_sql(AssertSqlSafe(*statements))
            .execute(&mut *tx)
            .await?;
        sqlx::query("insert into hookgate.outbox_step (step) values ($1)")
            .bind(i32::try_from(step + 1).expect("there are few"))
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(Installed {
        before,
        now: STEPS.len(),
    })
}

/// Takes the outbox away with all watches, in one transaction. False where there was none.
///
/// # Errors
/// Nothing has changed then. Where rows wait and `force` is not given.
pub async fn uninstall(url: &str, force: bool) -> Result<bool, InstallError> {
    let mut connection = connect(url).await?;
    let mut tx = begin(&mut connection).await?;
    let is_there: bool =
        sqlx::query_scalar("select to_regclass('hookgate.outbox_step') is not null")
            .fetch_one(&mut *tx)
            .await?;
    if !is_there {
        return Ok(false);
    }
    // Nothing is emitted from here on: whoever tries waits, and then finds no outbox.
    sqlx::raw_sql("lock table hookgate.outbox in access exclusive mode")
        .execute(&mut *tx)
        .await?;
    let waiting: i64 = sqlx::query_scalar("select count(*) from hookgate.outbox")
        .fetch_one(&mut *tx)
        .await?;
    if waiting > 0 && !force {
        return Err(InstallError::NotDrained(waiting));
    }
    sqlx::raw_sql(
        "drop function hookgate.watched cascade;
         drop function hookgate.emit, hookgate.enqueue, hookgate.check_event, hookgate.key_of,
           hookgate.columns_of, hookgate.watch, hookgate.unwatch;
         drop table hookgate.outbox, hookgate.outbox_refused, hookgate.outbox_drainer,
           hookgate.outbox_step, hookgate.outbox_home;
         drop schema hookgate",
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

async fn connect(url: &str) -> Result<PgConnection, InstallError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| InstallError::Url)?;
    let options = options.application_name("hookgate db install-outbox");
    Ok(PgConnection::connect_with(&options).await?)
}

async fn begin(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, InstallError> {
    let mut tx = connection.begin().await?;
    sqlx::raw_sql("set local lock_timeout = '10s'; set local client_min_messages = warning")
        .execute(&mut *tx)
        .await?;
    sqlx::raw_sql("select pg_advisory_xact_lock(hashtextextended('hookgate.outbox install', 0))")
        .execute(&mut *tx)
        .await?;
    let is_gateway: bool = sqlx::query_scalar("select to_regclass('hookgate.lane') is not null")
        .fetch_one(&mut *tx)
        .await?;
    if is_gateway {
        return Err(InstallError::Gateway);
    }
    Ok(tx)
}
