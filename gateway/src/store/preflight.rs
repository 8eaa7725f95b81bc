//! Refuses a Postgres on which Hookgate's promises would not hold, before anything is stored.
//!
//! Two things are looked at. The settings: what is confirmed must be on disk. The connection: lanes
//! are owned by session locks, so a connection must be one session for as long as it lives, which
//! it is not behind a transaction pooler. Speaks the simple protocol, since a pooler may not know
//! prepared statements; changes nothing.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

/// Oldest server that Hookgate runs on, as `server_version_num` counts.
const MIN_VERSION_NUMBER: i32 = 140_000;
/// A pool that has only one server connection makes the second client wait.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// `hookgate` in ASCII: a lock that nothing else takes. Both nodes of a start at the same moment
/// share it.
const PROOF_LOCK: i64 = i64::from_be_bytes(*b"hookgate");

/// Whether a server may lose what it confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    Required,
    /// For tests; everything else is checked all the same.
    UnsafeAllowed,
}

/// What the server said about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Such as `15.18`.
    pub version: String,
    /// `fsync`, `full_page_writes` or `synchronous_commit`, where they are off and that was allowed.
    pub unsafe_settings: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    #[error("Postgres could not be asked: {0}")]
    Database(#[from] sqlx::Error),
    #[error("Postgres {version} is too old, 14 or newer is needed")]
    TooOld { version: String },
    #[error("this Postgres is a read-only standby; connect to its primary")]
    Standby,
    #[error(
        "this Postgres may lose what it confirmed: {} off. Turn that on (`alter system set NAME = on; select pg_reload_conf()`; \
         for a role or a database `alter role … reset NAME`), or accept the loss with --allow-unsafe-postgres",
        settings.iter().map(|name| format!("{name} is")).collect::<Vec<_>>().join(", ")
    )]
    UnsafeSettings { settings: Vec<String> },
    #[error(
        "this connection is not one Postgres session ({evidence}): there seems to be a transaction pooler (PgBouncer with \
         pool_mode=transaction or statement, or a provider's pooled address). Hookgate owns its work by session locks; connect \
         to Postgres directly, or let the pooler use pool_mode=session"
    )]
    Pooler { evidence: &'static str },
}

/// # Errors
/// The first thing that is wrong, with its cure.
pub async fn check(
    server: &PgConnectOptions,
    safety: Safety,
) -> Result<ServerFacts, PreflightError> {
    let mut connection = server.connect().await?;
    let facts = check_server(&mut connection, safety).await?;
    prove_session(connection, server).await?;
    Ok(facts)
}

async fn check_server(
    connection: &mut PgConnection,
    safety: Safety,
) -> Result<ServerFacts, PreflightError> {
    let row = one(
        connection,
        "select current_setting('server_version'), current_setting('server_version_num')::int, pg_is_in_recovery(),
                current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')",
    )
    .await?;
    let version: String = row.try_get(0)?;
    if row.try_get::<i32, _>(1)? < MIN_VERSION_NUMBER {
        return Err(PreflightError::TooOld { version });
    }
    if row.try_get::<bool, _>(2)? {
        return Err(PreflightError::Standby);
    }
    let mut unsafe_settings = Vec::new();
    for (column, name) in [
        (3, "fsync"),
        (4, "full_page_writes"),
        (5, "synchronous_commit"),
    ] {
        if row.try_get::<String, _>(column)? == "off" {
            unsafe_settings.push(name.to_owned());
        }
    }
    if safety == Safety::Required && !unsafe_settings.is_empty() {
        return Err(PreflightError::UnsafeSettings {
            settings: unsafe_settings,
        });
    }
    Ok(ServerFacts {
        version,
        unsafe_settings,
    })
}

/// Uses two connections at once, since a pooler that serves only one gives it the same server each
/// time and looks like a session.
async fn prove_session(
    mut first: PgConnection,
    server: &PgConnectOptions,
) -> Result<(), PreflightError> {
    let proof = async {
        let before = backend(&mut first).await?;
        one(
            &mut first,
            &format!("select pg_advisory_lock_shared({PROOF_LOCK})::text"),
        )
        .await?;

        let mut second = server.connect().await?;
        sqlx::raw_sql("begin").execute(&mut second).await?;
        let other = backend(&mut second).await?;
        let after = backend(&mut first).await?;
        let holders = lock_holders(&mut first).await?;
        sqlx::raw_sql("rollback").execute(&mut second).await?;
        second.close().await?;

        one(
            &mut first,
            &format!("select pg_advisory_unlock_shared({PROOF_LOCK})"),
        )
        .await?;
        if other == before || other == after {
            Err(PreflightError::Pooler {
                evidence: "two connections share a backend",
            })
        } else if after != before {
            Err(PreflightError::Pooler {
                evidence: "its backend changes between transactions",
            })
        } else if !holders.contains(&before) {
            Err(PreflightError::Pooler {
                evidence: "its lock is not held by its backend",
            })
        } else {
            Ok(())
        }
    };
    let waited = PreflightError::Pooler {
        evidence: "a connection had to wait for another one's transaction",
    };
    tokio::time::timeout(MAX_WAIT, proof)
        .await
        .unwrap_or(Err(waited))?;
    Ok(first.close().await?)
}

async fn backend(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    one(connection, "select pg_backend_pid()").await?.try_get(0)
}

async fn lock_holders(connection: &mut PgConnection) -> Result<Vec<i32>, sqlx::Error> {
    // A lock of 64 bits shows as two numbers of 32.
    let holders = format!(
        "select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 1
            and (classid::bigint << 32 | objid::bigint) = {PROOF_LOCK}"
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(holders))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// `statement` is built from constants of this file only.
async fn one(connection: &mut PgConnection, statement: &str) -> Result<PgRow, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .fetch_one(connection)
        .await
}
