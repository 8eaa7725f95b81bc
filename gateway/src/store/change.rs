//! One change of the configuration: a transaction that raises the version, writes down who did what,
//! and tells every node.
//!
//! Raising the version takes the one row's lock, so changes commit in the order of their versions,
//! and a node that has seen version v knows all changes up to v. Never used on the path of events:
//! a notification makes commits wait for each other.

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::audit;
use crate::domain::audit::Deed;
use crate::domain::ids::ConfigVersion;

/// Channel on which nodes hear that the version rose.
pub const CHANNEL: &str = "hookgate_config";

/// A change under way; dropped without [`Change::commit`], nothing happened.
#[derive(Debug)]
pub struct Change {
    tx: Transaction<'static, Postgres>,
    version: ConfigVersion,
}

impl Change {
    /// # Errors
    /// Where the database does not answer.
    pub async fn begin(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let mut tx = pool.begin().await?;
        let version = sqlx::query_scalar!("update config_version set v = v + 1 returning v")
            .fetch_one(&mut *tx)
            .await?;
        Ok(Self {
            tx,
            version: ConfigVersion::new(version),
        })
    }

    /// The version to stamp changed rows with.
    #[must_use]
    pub fn version(&self) -> ConfigVersion {
        self.version
    }

    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Ends the change; `deeds` go into the audit log with it, and there is no other way to end one.
    ///
    /// # Errors
    /// Where the database does not answer; whether the change happened is then not known.
    pub async fn commit(mut self, deeds: &[Deed]) -> Result<ConfigVersion, sqlx::Error> {
        audit::write(&mut self.tx, deeds).await?;
        sqlx::query!("select pg_notify($1, '')", CHANNEL)
            .execute(&mut *self.tx)
            .await?;
        self.tx.commit().await?;
        Ok(self.version)
    }
}
