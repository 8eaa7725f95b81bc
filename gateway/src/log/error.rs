//! What can go wrong with the database, sorted by what to do about it.

use std::borrow::Cow;

use crate::domain::ids::EventId;

/// An operation of the log that did not happen, or of which nobody knows whether it happened.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the database did not do it")]
    Database(#[from] sqlx::Error),
    #[error("the database did not answer in time")]
    Silent,
    #[error("what was stored could not be told from what was known")]
    InDoubt,
    #[error("no lane was free")]
    NoFreeLane,
    #[error(
        "connections are not sessions of their own; a transaction pooler stands between, connect to Postgres directly"
    )]
    TransactionPooler,
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A row is at fault; its neighbours are not.
    Data,
    /// The session is fine; the same may work later (disk full, lock, deadlock).
    Later,
    /// The session is gone, or cannot be trusted any more.
    Lost,
}

/// What Postgres says when there is no space left for its tables.
const DISK_FULL: &str = "53100";

impl LogError {
    /// The error with all that lies behind it, and the cure where there is one.
    pub(super) fn told(&self) -> String {
        let chain =
            std::iter::successors(Some(self as &dyn std::error::Error), |error| error.source());
        let mut told: Vec<String> = chain.map(ToString::to_string).collect();
        if self.code().as_deref() == Some(DISK_FULL) {
            told.push("give the database space: it goes on by itself".to_owned());
        }
        told.dedup();
        told.join(": ")
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.code(),
            _ => None,
        }
    }

    pub(super) fn fault(&self) -> Fault {
        let Self::Database(sqlx::Error::Database(error)) = self else {
            return Fault::Lost;
        };
        match error.code().as_deref().and_then(|code| code.get(..2)) {
            Some("22" | "23") => Fault::Data,
            Some("40" | "53" | "54" | "55" | "58") => Fault::Later,
            // A cancelled statement (57014) leaves the session as it was; 57P0x end it.
            Some("57") if error.code().as_deref() == Some("57014") => Fault::Later,
            _ => Fault::Lost,
        }
    }
}

/// Events that were not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("too much is waiting to be stored")]
    Busy,
    /// Nobody knows whether it was stored: send it again, with its idempotency key where it has one.
    #[error("the database cannot be reached")]
    Unavailable,
    #[error("the gateway is stopping")]
    Stopping,
    /// The database refuses what is in it, by itself, whoever its neighbours are.
    #[error("the event cannot be stored: {0}")]
    Refused(String),
}

/// A delivery that was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    #[error("event {0} has no such delivery")]
    Unknown(EventId),
    #[error("it is under way")]
    UnderWay,
    #[error("it has ended already")]
    Ended,
    #[error("the delivery could not be cancelled")]
    Log(#[from] LogError),
}
