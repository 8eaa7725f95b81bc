//! All SQL that is not the log's: tenants, keys, subscriptions, reading events and deliveries.
//!
//! Configuration is changed here in transactions that raise its version, and read from the
//! [`catalog::Catalog`], which every node holds in memory. Nothing here is asked for while an event
//! is accepted or delivered; that path has the catalog and the log.

mod access;
pub mod activation;
pub mod again;
pub mod audit;
pub mod catalog;
pub mod change;
pub mod deliveries;
pub mod events;
pub mod feed;
pub mod history;
pub mod job_lease;
pub mod jobs;
pub mod keys;
pub mod load;
mod load_sources;
pub mod matcher;
pub mod nodes;
pub mod outbox_install;
pub mod plugins;
pub mod policy;
pub mod preflight;
pub mod pull;
pub mod pulse;
pub mod schema;
pub mod seal;
pub mod sessions;
pub mod sources;
pub mod states;
pub mod stored_events;
mod subscription_row;
pub mod subscriptions;
pub mod tail;
pub mod tenants;

use std::sync::Arc;

use parking_lot::Mutex;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::domain::clock::Clock;
use crate::domain::random::Random;

use catalog::Catalog;
use feed::Feed;
use seal::Sealer;

/// The database as the API uses it. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    sealer: Sealer,
    catalog: Catalog,
    feed: Feed,
    clock: Clock,
    random: Random,
    /// A job was made or cancelled on this node.
    jobs_changed: Arc<Notify>,
    /// How many refusals the audit log takes.
    refusals: Arc<Mutex<audit::Refusals>>,
}

impl Store {
    #[must_use]
    pub fn new(pool: PgPool, sealer: Sealer, feed: Feed, clock: Clock, random: Random) -> Self {
        let catalog = feed.catalog().clone();
        let refusals = audit::Refusals::new(clock.now());
        Self {
            pool,
            sealer,
            catalog,
            feed,
            clock,
            random,
            jobs_changed: Arc::default(),
            refusals: Arc::new(Mutex::new(refusals)),
        }
    }

    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// For secrets that are made for somebody.
    #[must_use]
    pub fn random_bytes(&self) -> [u8; 32] {
        self.random.bytes()
    }

    /// The database's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Why the database could not be asked, or what it said makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database did not answer as needed")]
    Database(#[from] sqlx::Error),
    #[error("the database could not be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("{table} {id} holds what this release cannot read: {reason}")]
    Unreadable {
        table: &'static str,
        id: i64,
        reason: String,
    },
    #[error("the master key does not open what is sealed with key {key_id}")]
    Sealed { key_id: u8 },
}

/// Brings the schema `hookgate` up to date; the connections of `pool` must have it in front of
/// their search path.
///
/// # Errors
/// Where a migration fails, or the database is newer than this release.
pub async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    sqlx::query!("create schema if not exists hookgate")
        .execute(pool)
        .await?;
    sqlx::migrate!("./migrations").run(pool).await?;
    Ok(())
}
