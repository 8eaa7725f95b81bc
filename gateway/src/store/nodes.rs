//! The nodes that share this database, as they tell about themselves, and whether it answers.

use super::{Store, StoreError};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ConfigVersion, NodeId};

/// One gateway process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    pub addr: String,
    pub config_seen: ConfigVersion,
    pub beat_at: Timestamp,
}

impl Store {
    /// Nodes that were heard of within the last minute.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn list_nodes(&self) -> Result<Vec<Node>, StoreError> {
        let rows = sqlx::query!(
            "select id, addr, config_seen, beat_at from node
             where beat_at > now() - interval '1 minute' order by id"
        )
        .fetch_all(&self.pool)
        .await?;
        let nodes = rows.into_iter().map(|row| Node {
            id: NodeId::new(row.id),
            addr: row.addr,
            config_seen: ConfigVersion::new(row.config_seen),
            beat_at: row.beat_at.into(),
        });
        Ok(nodes.collect())
    }

    /// # Errors
    /// Where the database does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query!("select 1 as one")
            .fetch_one(&self.pool)
            .await?;
        Ok(())
    }
}
