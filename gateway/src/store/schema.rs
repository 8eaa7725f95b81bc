//! How a database stands to this release, for whoever asks before a start: its migrations and its clock.
//!
//! Looks and changes nothing; whoever starts a gateway brings the schema up to date there.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::domain::clock::Clock;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Migrations of this release that the database has; none where it has never seen Hookgate.
    pub applied: usize,
    /// Migrations of this release that it lacks.
    pub missing: usize,
    /// Migrations that it has and this release does not know.
    pub unknown: usize,
    /// How far this machine's clock and the database's are apart.
    pub clocks_apart: Duration,
}

/// # Errors
/// Where the database cannot be asked.
pub async fn look(server: &PgConnectOptions, clock: &Clock) -> Result<Standing, sqlx::Error> {
    let mut connection = server.connect().await?;
    let is_there: bool =
        sqlx::query_scalar("select to_regclass('hookgate._sqlx_migrations') is not null")
            .fetch_one(&mut connection)
            .await?;
    let has: Vec<i64> = if is_there {
        sqlx::query_scalar("select version from hookgate._sqlx_migrations where success")
            .fetch_all(&mut connection)
            .await?
    } else {
        Vec::new()
    };
    let there: time::OffsetDateTime = sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(&mut connection)
        .await?;
    let here = clock.now().as_datetime();
    connection.close().await?;

    let has: BTreeSet<i64> = has.into_iter().collect();
    let wanted: BTreeSet<i64> = sqlx::migrate!("./migrations")
        .iter()
        .map(|migration| migration.version)
        .collect();
    Ok(Standing {
        applied: has.intersection(&wanted).count(),
        missing: wanted.difference(&has).count(),
        unknown: has.difference(&wanted).count(),
        clocks_apart: (here - there).unsigned_abs(),
    })
}
