//! Databases for tests: one throw-away cluster a test process, one database a test.
//!
//! The shared cluster promises nothing after a crash and is fast for it; a test that kills its
//! Postgres starts a durable [`Cluster`] of its own. Schemas come from the gateway's migrations,
//! applied once to a template that each database is copied from.

mod cluster;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Executor as _};
use tokio::sync::OnceCell;

pub use cluster::{Cluster, Durability, Part, can_mount, program};

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/migrations");
const SCHEMA: &str = "hookgate";
const TEMPLATE: &str = "hookgate_template";

/// A migrated database of the test's own.
#[derive(Clone, Debug)]
pub struct Database {
    /// What `DATABASE_URL` is set to.
    pub url: String,
    options: PgConnectOptions,
}

impl Database {
    /// A few connections that see Hookgate's schema first.
    ///
    /// # Panics
    /// Where the cluster cannot be reached.
    pub async fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(4)
            .connect_with(self.options.clone())
            .await
            .expect("the test's database accepts connections")
    }

    /// The same as [`Self::pool`], once Postgres accepts connections again.
    pub async fn pool_when_up(&self) -> PgPool {
        crate::wait::until("Postgres accepts connections", || async {
            let pool = PgPoolOptions::new().max_connections(4);
            pool.connect_with(self.options.clone()).await.ok()
        })
        .await
    }
}

/// A new migrated database in the cluster that all tests of this process share.
///
/// # Panics
/// Where Postgres is not installed or does not start; the message says what to do.
pub async fn fresh_database() -> Database {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    SHARED
        .get_or_init(|| Cluster::start(Durability::None))
        .await
        .fresh_database()
        .await
}

impl Cluster {
    /// A new database with nothing in it.
    ///
    /// # Panics
    /// Where Postgres refuses, with its own words.
    pub async fn empty_database(&self) -> Database {
        let database = self.fresh_database().await;
        let mut connection = PgConnection::connect_with(&database.options)
            .await
            .expect("the cluster accepts connections");
        create(&mut connection, &format!("drop schema {SCHEMA} cascade")).await;
        database
    }

    /// A new migrated database in this cluster.
    ///
    /// # Panics
    /// Where Postgres refuses, with its own words.
    pub async fn fresh_database(&self) -> Database {
        static COUNTER: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        // Also keeps the copies one after the other: a template in use cannot be copied.
        let mut is_ready = self.template.lock().await;
        let mut admin = PgConnection::connect_with(&self.options("postgres"))
            .await
            .expect("the cluster accepts connections");
        if !*is_ready {
            create(&mut admin, &format!("create database {TEMPLATE}")).await;
            migrate(&self.options(TEMPLATE)).await;
            *is_ready = true;
        }
        create(
            &mut admin,
            &format!("create database {name} template {TEMPLATE}"),
        )
        .await;
        admin.close().await.expect("the connection was in order");
        Database {
            url: self.url(&name),
            options: self.options(&name).options([("search_path", SCHEMA)]),
        }
    }
}

async fn create(connection: &mut PgConnection, statement: &str) {
    connection
        .execute(sqlx::AssertSqlSafe(statement.to_owned()))
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}

async fn migrate(template: &PgConnectOptions) {
    let mut connection =
        PgConnection::connect_with(&template.clone().options([("search_path", SCHEMA)]))
            .await
            .expect("the template was just created");
    create(&mut connection, &format!("create schema {SCHEMA}")).await;
    Migrator::new(Path::new(MIGRATIONS))
        .await
        .expect("the migrations can be read")
        .run(&mut connection)
        .await
        .unwrap_or_else(|error| panic!("the migrations do not apply: {error}"));
    connection
        .close()
        .await
        .expect("the connection was in order");
}
