//! The gateway's database seen from beside it: who serves it, and how often it is asked.
//!
//! Looks from the database `postgres`, so that its own questions are not counted.

use std::str::FromStr as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgExecutor, Row as _};

/// Servers report what they counted at most this much later.
const SETTLE: Duration = Duration::from_secs(11);
const WINDOW: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Database {
    connection: PgConnection,
    name: String,
}

impl Database {
    pub(super) async fn beside(url: &str) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url)?;
        let name = options
            .get_database()
            .context("the URL names no database")?
            .to_owned();
        let connection = options.database("postgres").connect().await?;
        Ok(Self { connection, name })
    }

    /// The first process of the server.
    pub(super) async fn postmaster(&mut self) -> anyhow::Result<u32> {
        postmaster(&mut self.connection).await
    }

    /// The gateway's own statements per second while nobody uses it. Each of them is a transaction
    /// of its own, and only those are left to count: autovacuum, whose transactions Postgres adds to
    /// the same number, is held off meanwhile.
    pub(super) async fn idle_statements_per_second(&mut self) -> anyhow::Result<f64> {
        self.autovacuum("off").await?;
        tokio::time::sleep(SETTLE).await;
        let started_at = Instant::now();
        let before = self.transactions().await?;
        tokio::time::sleep(WINDOW).await;
        let count = self.transactions().await? - before;
        let per_second = count as f64 / started_at.elapsed().as_secs_f64();
        self.autovacuum("on").await?;
        Ok(per_second)
    }

    async fn autovacuum(&mut self, to: &'static str) -> anyhow::Result<()> {
        let statement = format!("alter system set autovacuum = {to}");
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut self.connection)
            .await?;
        sqlx::query("select pg_reload_conf()")
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn transactions(&mut self) -> anyhow::Result<i64> {
        let row = sqlx::query(
            "select xact_commit + xact_rollback from pg_stat_database where datname = $1",
        )
        .bind(&self.name)
        .fetch_one(&mut self.connection)
        .await?;
        Ok(row.get(0))
    }
}

/// The first process of the server that this leads to.
pub(super) async fn postmaster(server: impl PgExecutor<'_>) -> anyhow::Result<u32> {
    let folder: String = sqlx::query_scalar("show data_directory")
        .fetch_one(server)
        .await?;
    let file = std::fs::read_to_string(format!("{folder}/postmaster.pid"))?;
    let pid = file
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok());
    pid.context("postmaster.pid begins with a number")
}
