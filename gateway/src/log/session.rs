//! One direct connection to Postgres that holds locks: the fence of everything that a node owns.
//!
//! The lock *is* the ownership. Postgres frees it when the backend has ended, hence after its last
//! statement has committed or failed, so whoever gets it next cannot miss a late write. There is no
//! lease in a table, no clock to trust, and a process that dies lets go at once.

use std::future::Future;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::NodeId;

use super::error::LogError;

/// Statements end on the server's side before the client gives up on them.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The first half of an advisory lock's key: what kind of thing is locked, in which schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LockClass(i32);

impl LockClass {
    /// FNV-1a of a name of ours and the schema, so that neither another program on the same
    /// database nor a second gateway in another schema shares our locks by chance.
    pub(super) fn new(kind: &str, schema: &Schema) -> Self {
        let text = ["hookgate ", kind, " ", &schema.0].concat();
        let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Self(hash.cast_signed())
    }

    pub(super) fn key(self) -> i32 {
        self.0
    }

    /// As `pg_locks.classid` shows it.
    pub(super) fn oid(self) -> i64 {
        i64::from(self.0.cast_unsigned())
    }
}

/// Where the tables are.
#[derive(Clone, Debug)]
pub(super) struct Schema(String);

/// How to open sessions, and what they have in common.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    options: PgConnectOptions,
    clock: Clock,
}

impl Sessions {
    pub(super) fn new(options: PgConnectOptions, clock: Clock, node: NodeId) -> Self {
        let statement_timeout = STATEMENT_TIMEOUT.as_millis().to_string();
        let options = options
            .application_name(&application_name(node.get()))
            .options([
                ("statement_timeout", statement_timeout.as_str()),
                // The hot statements have one good plan each, on their indexes, whatever the
                // statistics of a table that was empty yesterday say.
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_seqscan", "off"),
                ("jit", "off"),
                // A node that the network swallowed lets go of its locks after about 11 s.
                ("tcp_keepalives_idle", "5"),
                ("tcp_keepalives_interval", "2"),
                ("tcp_keepalives_count", "3"),
                ("tcp_user_timeout", "10000"),
            ]);
        Self { options, clock }
    }

    /// Where they lead, and how.
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    pub(super) async fn open(&self) -> Result<Session, LogError> {
        let connecting = PgConnection::connect_with(&self.options);
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| LogError::Silent)??;
        let mut session = Session { connection };
        session.follow_clock(&self.clock).await?;
        Ok(session)
    }

    /// Proves that a connection is a session of its own, and says in which schema it works.
    pub(super) async fn prove(&self) -> Result<Schema, LogError> {
        let mut session = self.open().await?;
        let first = session.backend().await?;
        let class = LockClass::new("proof", &Schema(first.1.clone()));
        let held = sqlx::query_scalar!(
            "select pg_try_advisory_lock_shared($1, $2)",
            class.key(),
            first.0
        )
        .fetch_one(session.connection())
        .await?;
        let visible = sqlx::query_scalar!(
            r#"select exists (select from pg_locks where locktype = 'advisory' and pid = $1 and classid::bigint = $2) as "visible!""#,
            first.0,
            class.oid()
        )
        .fetch_one(session.connection())
        .await?;
        let second = session.backend().await?;
        session.close().await;
        if held != Some(true) || !visible || first.0 != second.0 {
            return Err(LogError::TransactionPooler);
        }
        Ok(Schema(first.1))
    }
}

/// Sessions of a node are known by this name in `pg_stat_activity`.
pub(super) fn application_name(node: i32) -> String {
    format!("hookgate node {node}")
}

#[derive(Debug)]
pub(super) struct Session {
    connection: PgConnection,
}

impl Session {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    pub(super) async fn try_lock(&mut self, class: LockClass, key: i16) -> Result<bool, LogError> {
        let (class, key) = (class.key(), i32::from(key));
        let query = sqlx::query_scalar!("select pg_try_advisory_lock($1, $2)", class, key);
        Ok(in_time(query.fetch_one(self.connection())).await? == Some(true))
    }

    /// Whether it still answers; cheap, but a round trip.
    pub(super) async fn ping(&mut self) -> Result<(), LogError> {
        in_time(self.connection.ping()).await
    }

    pub(super) async fn close(self) {
        // Whether or not the goodbye arrives, the backend ends and its locks fall.
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, self.connection.close()).await;
    }

    async fn follow_clock(&mut self, clock: &Clock) -> Result<(), LogError> {
        let before = clock.now();
        let query = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#);
        let now = in_time(query.fetch_one(self.connection())).await?;
        follow(clock, now, before);
        Ok(())
    }

    async fn backend(&mut self) -> Result<(i32, String), LogError> {
        let query = sqlx::query!(
            r#"select pg_backend_pid() as "pid!", current_schema()::text as "schema!""#
        );
        let row = in_time(query.fetch_one(self.connection())).await?;
        Ok((row.pid, row.schema))
    }
}

/// Moves the clock where it differs from the database's by more than the round trip explains.
pub(super) fn follow(clock: &Clock, database_now: OffsetDateTime, before: Timestamp) {
    let (now, after) = (Timestamp::from(database_now), clock.now());
    let off = (now.as_ms() - before.as_ms()).min(0) + (now.as_ms() - after.as_ms()).max(0);
    if off != 0 {
        clock.follow(now, before, after);
    }
}

/// A database that does not answer is as good as gone.
pub(super) async fn in_time<T>(
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, LogError> {
    match tokio::time::timeout(ANSWER_TIMEOUT, statement).await {
        Ok(result) => result.map_err(LogError::from),
        Err(_) => Err(LogError::Silent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_of_two_kinds_or_two_schemas_never_meet() {
        let (ours, other) = (Schema("hookgate".into()), Schema("second".into()));
        let classes = [
            LockClass::new("lane", &ours),
            LockClass::new("bucket", &ours),
            LockClass::new("lane", &other),
        ];
        assert!(classes[0] != classes[1] && classes[0] != classes[2] && classes[1] != classes[2]);
        assert!(classes[0].oid() >= 0);
    }

    #[test]
    fn the_clock_moves_only_by_what_the_round_trip_does_not_explain() {
        let clock = Clock::new(|| Timestamp::from_ms(1_000));
        follow(
            &clock,
            Timestamp::from_ms(1_000).as_datetime(),
            Timestamp::from_ms(900),
        );
        assert_eq!(clock.now(), Timestamp::from_ms(1_000));
        follow(
            &clock,
            Timestamp::from_ms(9_000).as_datetime(),
            Timestamp::from_ms(1_000),
        );
        assert_eq!(clock.now(), Timestamp::from_ms(9_000));
    }
}
