//! Keeps the catalog fresh: hears of changes, loads what is newer, and says who has not yet.
//!
//! A notification is a hint and a poll is the net; neither is trusted, both lead to the same
//! idempotent [`Feed::refresh`]. Rows are loaded by version, never the whole configuration.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::StoreError;
use super::catalog::Catalog;
use super::change::CHANNEL;
use super::load::load;
use super::seal::Sealer;
use crate::domain::clock::Clock;
use crate::domain::ids::{ConfigVersion, NodeId};

/// Longest time that a change which nobody announced stays unseen.
const POLL: Duration = Duration::from_secs(5);
/// Longest wait for all nodes before an answer names those that lag.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// A node that has not been heard of for this long is not waited for.
const LIVE_WITHIN_SECONDS: f64 = 5.0;

/// Whether all live nodes have a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    Everywhere,
    /// These live nodes have not seen it yet.
    Missing(Vec<NodeId>),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    sealer: Sealer,
    clock: Clock,
    catalog: Catalog,
    node: OnceLock<NodeId>,
    turns: Turns,
}

/// Lets callers that wait for the same refresh share one: whoever finds that a refresh began after
/// its own call, and ended well, needs none of its own.
#[derive(Default)]
struct Turns {
    begun: AtomicU64,
    /// Number of the last refresh that ended well.
    ended: Mutex<u64>,
}

impl Feed {
    /// Loads the whole configuration once.
    ///
    /// # Errors
    /// Where the database does not answer, or holds what cannot be read or opened.
    pub async fn start(pool: PgPool, sealer: Sealer, clock: Clock) -> Result<Self, StoreError> {
        let mut loaded = load(&pool, &sealer, None).await?;
        if let Some(error) = loaded.unreadable.pop() {
            return Err(error);
        }
        let catalog = Catalog::empty();
        catalog.apply(loaded);
        catalog.end_overlaps(clock.now());
        let inner = Inner {
            pool,
            sealer,
            clock,
            catalog,
            node: OnceLock::new(),
            turns: Turns::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// From now on this node says in the `node` table which version it has seen.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn announce_as(&self, node: NodeId) -> Result<(), StoreError> {
        let _ = self.inner.node.set(node);
        self.announce().await
    }

    /// Loads what is newer than the catalog; afterwards it holds every change that was committed
    /// before the call. Callers that come together share one look.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn refresh(&self) -> Result<ConfigVersion, StoreError> {
        let turns = &self.inner.turns;
        let begun_before = turns.begun.load(Ordering::SeqCst);
        let mut ended = turns.ended.lock().await;
        if *ended <= begun_before {
            let number = turns.begun.fetch_add(1, Ordering::SeqCst) + 1;
            self.load_newer().await?;
            *ended = number;
        }
        Ok(self.inner.catalog.version())
    }

    async fn load_newer(&self) -> Result<(), StoreError> {
        let seen = self.inner.catalog.version();
        let newest = sqlx::query_scalar!("select v from config_version")
            .fetch_one(&self.inner.pool)
            .await?;
        if ConfigVersion::new(newest) == seen {
            return Ok(());
        }
        let mut loaded = load(&self.inner.pool, &self.inner.sealer, Some(seen)).await?;
        for error in loaded.unreadable.drain(..) {
            error!(error = %error, "part of the configuration cannot be read and is left out");
        }
        self.inner.catalog.apply(loaded);
        self.announce().await
    }

    async fn announce(&self) -> Result<(), StoreError> {
        if let Some(node) = self.inner.node.get() {
            sqlx::query!(
                "update node set config_seen = $2 where id = $1 and config_seen < $2",
                node.get(),
                self.inner.catalog.version().get()
            )
            .execute(&self.inner.pool)
            .await?;
        }
        Ok(())
    }

    /// Waits until every live node has seen `version`, at most two seconds. Trouble with the
    /// database counts as not seen: the change itself is committed.
    pub async fn applied(&self, version: ConfigVersion) -> Applied {
        let mut missing = self.inner.node.get().copied().into_iter().collect();
        let _ = tokio::time::timeout(MAX_WAIT, async {
            let mut pause = Duration::from_millis(5);
            loop {
                match self.lagging(version).await {
                    Ok(lagging) => missing = lagging,
                    Err(error) => warn!(error = %error, "could not ask who has seen a change"),
                }
                if missing.is_empty() {
                    return;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(100));
            }
        })
        .await;
        if missing.is_empty() {
            Applied::Everywhere
        } else {
            Applied::Missing(missing)
        }
    }

    async fn lagging(&self, version: ConfigVersion) -> Result<Vec<NodeId>, StoreError> {
        self.refresh().await?;
        let ids = sqlx::query_scalar!(
            "select id from node where config_seen < $1
               and beat_at > now() - make_interval(secs => $2) order by id",
            version.get(),
            LIVE_WITHIN_SECONDS
        )
        .fetch_all(&self.inner.pool)
        .await?;
        Ok(ids.into_iter().map(NodeId::new).collect())
    }

    /// Refreshes on notifications and by the clock, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                if let Err(error) = self.listen().await {
                    warn!(error = %error, "lost touch with changes of the configuration");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
        .await;
    }

    async fn listen(&self) -> Result<(), StoreError> {
        let mut listener = PgListener::connect_with(&self.inner.pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            // A change may have come before the ear was open, or while the line was cut.
            self.refresh().await?;
            self.inner.catalog.end_overlaps(self.inner.clock.now());
            if let Ok(heard) = tokio::time::timeout(POLL, listener.try_recv()).await {
                heard?;
            }
        }
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed")
            .field("version", &self.inner.catalog.version())
            .finish_non_exhaustive()
    }
}
