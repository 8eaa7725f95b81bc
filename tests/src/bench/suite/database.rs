//! The gateway's database, as the suite looks into it: its postmaster, the statements that were asked,
//! and connections to put data sets into it.

use std::str::FromStr as _;

use anyhow::Context as _;
use sqlx::ConnectOptions as _;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::super::idle;

#[derive(Clone, Debug)]
pub(super) struct Database {
    /// Sees the gateway's tables first.
    pub(super) pool: PgPool,
    /// Another database of the same server, so that questions here are not counted.
    beside: PgPool,
    name: String,
    counts: bool,
}

impl Database {
    pub(super) async fn of(url: &str) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url)?.disable_statement_logging();
        let name = options
            .get_database()
            .context("the URL names no database")?
            .to_owned();
        let pool = |options: PgConnectOptions| {
            PgPoolOptions::new()
                .max_connections(8)
                .connect_with(options)
        };
        let beside = pool(options.clone().database("postgres")).await?;
        let pool = pool(options.options([
            ("search_path", "hookgate"),
            ("idle_in_transaction_session_timeout", "0"),
        ]))
        .await?;
        let mut database = Self {
            pool,
            beside,
            name,
            counts: false,
        };
        database.counts = database.can_count().await?;
        Ok(database)
    }

    /// The first process of the server.
    pub(super) async fn postmaster(&self) -> anyhow::Result<u32> {
        idle::postmaster(&self.beside).await
    }

    /// Asks for the counter of statements at the server's next start; false where it is not installed.
    pub(super) async fn ask_for_counter(&self) -> anyhow::Result<bool> {
        let is_there: bool = sqlx::query_scalar(
            "select exists (select from pg_available_extensions where name = 'pg_stat_statements')",
        )
        .fetch_one(&self.beside)
        .await?;
        if is_there {
            sqlx::raw_sql("alter system set shared_preload_libraries = 'pg_stat_statements'")
                .execute(&self.beside)
                .await?;
        }
        Ok(is_there)
    }

    async fn can_count(&self) -> anyhow::Result<bool> {
        let loaded: String = sqlx::query_scalar("show shared_preload_libraries")
            .fetch_one(&self.beside)
            .await?;
        if !loaded.contains("pg_stat_statements") {
            return Ok(false);
        }
        sqlx::raw_sql("create extension if not exists pg_stat_statements")
            .execute(&self.beside)
            .await?;
        Ok(true)
    }

    /// Statements that the gateway's database was asked so far.
    pub(super) async fn statements(&self) -> anyhow::Result<Option<i64>> {
        if !self.counts {
            return Ok(None);
        }
        let count = sqlx::query_scalar(
            "select coalesce(sum(calls), 0)::bigint from pg_stat_statements
             where dbid = (select oid from pg_database where datname = $1)",
        )
        .bind(&self.name)
        .fetch_one(&self.beside)
        .await?;
        Ok(Some(count))
    }

    /// Rows that statements with this text have returned so far.
    pub(super) async fn rows_of(&self, text: &str) -> anyhow::Result<Option<i64>> {
        if !self.counts {
            return Ok(None);
        }
        let rows = sqlx::query_scalar(
            "select coalesce(sum(rows), 0)::bigint from pg_stat_statements
             where dbid = (select oid from pg_database where datname = $1) and position($2 in query) > 0",
        )
        .bind(&self.name)
        .bind(text)
        .fetch_one(&self.beside)
        .await?;
        Ok(Some(rows))
    }

    /// So that no figure pays for the data set before it.
    pub(super) async fn vacuum(&self) -> anyhow::Result<()> {
        sqlx::raw_sql("vacuum analyze event")
            .execute(&self.pool)
            .await?;
        sqlx::raw_sql("vacuum analyze parked")
            .execute(&self.pool)
            .await?;
        sqlx::raw_sql("checkpoint").execute(&self.pool).await?;
        Ok(())
    }

    /// Lets go of all connections, so that the server can stop.
    pub(super) async fn close(&self) {
        self.pool.close().await;
        self.beside.close().await;
    }
}
