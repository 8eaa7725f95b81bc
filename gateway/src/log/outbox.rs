//! The outbox: rows that transactions of users left for us, read by the one session that holds its
//! lock, in an order that is right for every key.
//!
//! A row is never looked for behind the last one that was seen: transactions commit in another order
//! than they take their numbers. Each look is one snapshot from a mark below which nothing can come
//! any more, which is known from the numbers of open transactions (`queries/outbox_newest.sql`).
//!
//! The same serves an outbox in a database of the user's own. What this module refuses to do: turn
//! rows into events, or decide which of them can become none.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection, PgConnection};

use crate::domain::clock::Timestamp;

use super::Log;
use super::error::LogError;
use super::session::in_time;

/// Rows of one look; what is beyond them is found by the next one.
const MAX_WAITING: i64 = 10_000;
/// On which `hookgate.emit` notifies.
const CHANNEL: &str = "hookgate_outbox";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where an outbox is. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OutboxAt {
    options: PgConnectOptions,
    name: String,
    is_elsewhere: bool,
}

/// Hears `hookgate.emit` notify.
#[derive(Debug)]
pub struct Ear(PgListener);

/// An outbox whose lock is held.
#[derive(Debug)]
pub struct Outbox {
    connection: PgConnection,
    /// What the database's outbox calls itself, where it is another one than the gateway's.
    home: Option<String>,
    /// Nothing at or below it will ever come.
    done: i64,
    /// Once every transaction below the second number has ended, everything up to the first row is
    /// there to be seen.
    mark: Option<(i64, i64)>,
    newest: i64,
}

/// A row that waits, without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub row: i64,
    pub data_bytes: usize,
}

/// A row as `hookgate.emit` left it.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    pub id: i64,
    pub tenant: String,
    pub event_type: String,
    pub source: Option<String>,
    pub key: Option<String>,
    /// JSON, as its author wrote it.
    pub data: String,
    pub emitted_at: Timestamp,
}

impl Log {
    /// The outbox in the gateway's own database.
    #[must_use]
    pub fn outbox(&self) -> OutboxAt {
        OutboxAt {
            options: self.shared.ctx.sessions.options().clone(),
            name: "own".to_owned(),
            is_elsewhere: false,
        }
    }
}

impl OutboxAt {
    /// An outbox in a database of a user's own, at the address of that database.
    ///
    /// # Errors
    /// Where it is no address of a Postgres database.
    pub fn elsewhere(url: &str) -> Result<Self, LogError> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("hookgate outbox")
            .options([
                ("statement_timeout", "10000"),
                ("enable_seqscan", "off"),
                ("jit", "off"),
                ("tcp_keepalives_idle", "5"),
                ("tcp_keepalives_interval", "2"),
                ("tcp_keepalives_count", "3"),
            ]);
        let database = options.get_database().unwrap_or_default();
        Ok(Self {
            name: format!("{}/{database}", options.get_host()),
            options,
            is_elsewhere: true,
        })
    }

    /// Without user and password: `own`, or `host/database`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// Takes the outbox's lock; None where another node holds it.
    ///
    /// # Errors
    /// Where the database cannot be reached, or has no outbox.
    pub async fn take(&self) -> Result<Option<Outbox>, LogError> {
        let connecting = PgConnection::connect_with(&self.options);
        let mut connection = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| LogError::Silent)??;
        let query = sqlx::query_scalar!(
            r#"select pg_try_advisory_lock(hashtextextended('hookgate.outbox drainer', 0)) as "held!""#
        );
        if in_time(query.fetch_one(&mut connection)).await? {
            let home = if self.is_elsewhere {
                let query = sqlx::query_scalar("select id::text from hookgate.outbox_home");
                Some(in_time(query.fetch_one(&mut connection)).await?)
            } else {
                None
            };
            return Ok(Some(Outbox {
                connection,
                home,
                done: 0,
                mark: None,
                newest: 0,
            }));
        }
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, connection.close()).await;
        Ok(None)
    }

    /// Opens an ear; what was notified before is not heard.
    ///
    /// # Errors
    /// Where the database cannot be reached.
    pub async fn listen(&self) -> Result<Ear, LogError> {
        let pool = PgPoolOptions::new().max_connections(1);
        let pool = pool.connect_lazy_with(self.options.clone());
        let mut listener = in_time(PgListener::connect_with(&pool)).await?;
        in_time(listener.listen(CHANNEL)).await?;
        Ok(Ear(listener))
    }
}

impl Ear {
    /// Waits for the next notice, and forgets those that came with it.
    ///
    /// # Errors
    /// Where the line was cut: something may have been missed.
    pub async fn heard(&mut self) -> Result<(), LogError> {
        if self.0.try_recv().await?.is_none() {
            return Err(LogError::Silent);
        }
        while self.0.next_buffered().is_some() {}
        Ok(())
    }
}

impl Outbox {
    /// What waits, in the order in which it may be moved; all that the last look returned must have
    /// been moved or set aside, or comes again.
    ///
    /// # Errors
    /// Where the session is lost: then the outbox is not ours any more.
    pub async fn look(&mut self) -> Result<Vec<Waiting>, LogError> {
        let query = sqlx::query_file!("queries/outbox_newest.sql", self.done);
        let seen = in_time(query.fetch_one(&mut self.connection)).await?;
        self.newest = seen.newest;
        // Counting begins anew where somebody restored the table.
        self.done = self.done.min(seen.newest);
        if self.is_done() {
            return Ok(Vec::new());
        }
        let query = sqlx::query_file!("queries/outbox_waiting.sql", self.done, MAX_WAITING);
        let rows = in_time(query.fetch_all(&mut self.connection)).await?;
        if let Some((row, transaction)) = self.mark
            && seen.oldest_open > transaction
        {
            let first = rows.first().map_or(i64::MAX, |row| row.id);
            self.done = row.min(first - 1);
            self.mark = None;
        }
        if self.mark.is_none() {
            self.mark = seen.ours.map(|transaction| (seen.newest, transaction));
        }
        Ok(rows
            .into_iter()
            .map(|row| Waiting {
                row: row.id,
                data_bytes: usize::try_from(row.data_bytes).unwrap_or_default(),
            })
            .collect())
    }

    /// What tells this outbox from all others, where it is in a database of a user's own.
    #[must_use]
    pub fn home(&self) -> Option<&str> {
        self.home.as_deref()
    }

    /// Whether the last look found that every row that was ever made is dealt with. While it is not,
    /// a transaction is open that may still bring one.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done >= self.newest
    }

    /// Whether there may be a row that the last look could not know of.
    #[must_use]
    pub fn is_news(&self, newest: i64) -> bool {
        newest > self.done
    }

    /// These rows with their data, those that are still there.
    ///
    /// # Errors
    /// Where the session is lost.
    pub async fn rows(&mut self, waiting: &[Waiting]) -> Result<Vec<OutboxRow>, LogError> {
        let ids: Vec<i64> = waiting.iter().map(|waiting| waiting.row).collect();
        let query = sqlx::query_file!("queries/outbox_rows.sql", &ids);
        let rows = in_time(query.fetch_all(&mut self.connection)).await?;
        Ok(rows
            .into_iter()
            .map(|row| OutboxRow {
                id: row.id,
                tenant: row.tenant,
                event_type: row.event_type,
                source: row.source,
                key: row.key,
                data: row.data,
                emitted_at: row.emitted_at.into(),
            })
            .collect())
    }

    /// Puts a row that can become no event where people find it.
    ///
    /// # Errors
    /// Where the session is lost; the row is then where it was.
    pub async fn set_aside(&mut self, row: i64, reason: &str) -> Result<(), LogError> {
        let query = sqlx::query!(
            "with gone as (
               delete from hookgate.outbox where id = $1
               returning id, tenant, event_type, source, key, data, emitted_at)
             insert into hookgate.outbox_refused (id, tenant, event_type, source, key, data, emitted_at, reason)
             select id, tenant, event_type, source, key, data, emitted_at, $2 from gone",
            row,
            reason
        );
        in_time(query.execute(&mut self.connection)).await.map(drop)
    }

    /// Deletes rows that are events already, of an outbox in another database than the events.
    ///
    /// # Errors
    /// Where the session is lost; what is not deleted comes again and is known by its number.
    pub async fn forget(&mut self, rows: &[i64]) -> Result<(), LogError> {
        let query = sqlx::query!("delete from hookgate.outbox where id = any ($1)", rows);
        in_time(query.execute(&mut self.connection)).await.map(drop)
    }

    /// Asks `hookgate.emit` to notify, or not to.
    ///
    /// # Errors
    /// Where the session is lost.
    pub async fn wants_notice(&mut self, wants: bool) -> Result<(), LogError> {
        let query = sqlx::query!(
            "update hookgate.outbox_drainer set sleeps = $1 where sleeps <> $1",
            wants
        );
        in_time(query.execute(&mut self.connection)).await.map(drop)
    }

    /// Gives the lock back.
    pub async fn close(self) {
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, self.connection.close()).await;
    }
}
