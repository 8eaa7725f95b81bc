//! The beat: each second one statement says that this node lives and hears what it must react to.
//!
//! It is the net below every hint: a configuration whose notice got lost, a lane whose owner is
//! gone, a parked row that comes due. It runs on a connection of its own, so that neither a full
//! pool nor a long flush makes a living node look dead.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::domain::clock::Timestamp;
use crate::domain::ids::{ConfigVersion, LaneId, NodeId};

use super::buckets::Interest;
use super::context::Shared;
use super::error::LogError;
use super::session::{Session, application_name, follow, in_time};

const EVERY: Duration = Duration::from_secs(1);
/// A new configuration is announced sooner than the next beat, but not more often than this.
const SOONEST: Duration = Duration::from_millis(50);
/// A beat slower than this says nothing about others: then the database is what is slow.
const PROMPT: Duration = Duration::from_secs(3);

/// What a beat heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Beats that succeeded so far.
    pub number: u64,
    pub config: ConfigVersion,
    /// Nodes that live beside this one.
    pub peers: Vec<NodeId>,
    /// Lanes with work that nobody holds.
    pub orphans: Vec<LaneId>,
    /// When the first parked row of this node's buckets is due.
    pub next_due_at: Option<Timestamp>,
    /// When the first open window of this node's buckets closes.
    pub next_window_at: Option<Timestamp>,
    /// The newest parked row of all.
    pub newest_row: i64,
    /// The highest row of the outbox that was ever made, committed or not.
    pub newest_outbox_row: i64,
}

/// Enters this process into the table of nodes.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn join(pool: &PgPool, addr: &str) -> Result<NodeId, LogError> {
    let query = sqlx::query_scalar!("insert into node (addr) values ($1) returning id", addr);
    Ok(NodeId::new(query.fetch_one(pool).await?))
}

/// Takes the process off the table: it has nothing left that others would have to take over.
pub(super) async fn leave(pool: &PgPool, node: NodeId) -> Result<(), LogError> {
    let query = sqlx::query!("delete from node where id = $1", node.get());
    in_time(query.execute(pool)).await.map(drop)
}

#[derive(Debug)]
pub(super) struct Heart {
    shared: Arc<Shared>,
    config_seen: watch::Receiver<ConfigVersion>,
    heard: watch::Sender<Beat>,
    interest: watch::Receiver<Interest>,
    /// Prompt beats in a row.
    prompt: u32,
}

impl Heart {
    pub(super) fn new(
        shared: Arc<Shared>,
        config_seen: watch::Receiver<ConfigVersion>,
        heard: watch::Sender<Beat>,
        interest: watch::Receiver<Interest>,
    ) -> Self {
        Self {
            shared,
            config_seen,
            heard,
            interest,
            prompt: 0,
        }
    }

    /// Beats until the log stops; opens a session again where one is lost.
    pub(super) async fn run(mut self) {
        let stop = self.shared.stop.soft.clone();
        let mut session = None;
        let mut announces = true;
        while !stop.is_cancelled() {
            let begun = Instant::now();
            if let Err(error) = self.beat(&mut session).await {
                warn!(error = error.told(), "no beat");
                self.prompt = 0;
                session = None;
            }
            tokio::select! {
                () = sleep_until(begun + EVERY) => {}
                changed = self.config_seen.changed(), if announces => {
                    announces = changed.is_ok();
                    sleep_until(begun + SOONEST).await;
                }
                () = stop.cancelled() => {}
            }
        }
    }

    async fn beat(&mut self, session: &mut Option<Session>) -> Result<(), LogError> {
        let session = match session {
            Some(session) => session,
            None => session.insert(self.shared.ctx.sessions.open().await?),
        };
        let ctx = &self.shared.ctx;
        let seen = self.config_seen.borrow_and_update().get();
        let interest = self.interest.borrow().clone();
        let (begun, before) = (Instant::now(), ctx.clock.now());
        let query = sqlx::query_file!(
            "queries/beat.sql",
            ctx.node.get(),
            "",
            seen,
            ctx.locks.lane.oid(),
            &interest.buckets,
            interest.from.as_datetime()
        );
        let row = in_time(query.fetch_one(session.connection())).await?;
        ctx.pulse.beat();
        follow(&ctx.clock, row.now, before);
        self.prompt = if begun.elapsed() < PROMPT {
            self.prompt.saturating_add(1)
        } else {
            0
        };
        if !row.silent.is_empty() && self.prompt > 2 {
            self.silence(session, &row.silent).await?;
        }
        let lanes = row.orphans.into_iter();
        self.heard.send_modify(|heard| {
            heard.number += 1;
            heard.config = ConfigVersion::new(row.config);
            heard.peers = row.peers.into_iter().map(NodeId::new).collect();
            heard.orphans = lanes
                .filter_map(|lane| LaneId::try_from(lane).ok())
                .collect();
            heard.next_due_at = row.next_due_at.map(Timestamp::from);
            heard.next_window_at = row.next_window_at.map(Timestamp::from);
            heard.newest_row = row.newest_row;
            heard.newest_outbox_row = row.newest_outbox_row;
        });
        Ok(())
    }

    /// Takes the sessions of silent nodes away, and the rows of those that are long gone.
    async fn silence(&self, session: &mut Session, nodes: &[i32]) -> Result<(), LogError> {
        for node in nodes {
            let name = application_name(*node);
            let query = sqlx::query_file_scalar!("queries/silence.sql", name, node);
            let ended = in_time(query.fetch_one(session.connection())).await?;
            if ended > 0 {
                warn!(
                    node = node,
                    sessions = ended,
                    "a silent node's sessions were ended"
                );
            }
        }
        let query = sqlx::query!("delete from node where beat_at < now() - interval '1 minute'");
        in_time(query.execute(session.connection())).await.map(drop)
    }
}
