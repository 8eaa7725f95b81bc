//! What came of a call.
//!
//! A failure of a plugin is a value here, recorded and acted on by whoever asked;
//! its text tells the author what to change. Nothing a guest wrote reaches these
//! types unescaped or unbounded.

use bytes::Bytes;
use std::time::Duration;

/// What one call came to.
#[derive(Debug, Clone)]
pub struct CallReport<T = Verdict> {
    pub result: Result<T, CallFailure>,
    /// Wall time in the guest.
    pub duration: Duration,
    /// Processor time in the guest.
    pub cpu: Duration,
    /// Instructions of the call, where they are counted; else zero.
    pub fuel: u64,
    /// The making of the instance, where this call was its first.
    pub start: Option<Start>,
    /// Linear memory of the instance after the call.
    pub memory_bytes: usize,
    /// Data handed over.
    pub bytes_in: usize,
    /// What came back.
    pub bytes_out: usize,
    pub logs: Vec<LogLine>,
    /// Lines that were dropped or shortened.
    pub logs_cut: u32,
}

/// What the making of an instance took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    pub duration: Duration,
    pub cpu: Duration,
    /// Instructions, where they are counted; else zero.
    pub fuel: u64,
}

/// What a batch came to.
#[derive(Debug, Clone)]
pub struct BatchReport {
    /// One for each event, in order.
    pub calls: Vec<CallReport>,
    /// How long the batch waited for its tenant's turn.
    pub queued: Duration,
}

/// What a receiver made of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reception {
    /// Genuine: events to store. May be empty.
    Accepted(Vec<Draft>),
    /// An answer to give, and nothing to store.
    Challenge(Response),
    /// Not genuine, or not readable. The reason stays with us.
    Rejected(String),
}

/// An event as a receiver proposes it: all of it is unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub event_type: String,
    pub id: Option<String>,
    pub subject: Option<String>,
    pub key: Option<String>,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub time_ms: Option<u64>,
    pub content_type: String,
    pub data: Bytes,
}

/// An answer that a provider waits for; its media type is unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// From 200 to 599.
    pub status: u16,
    pub content_type: String,
    pub body: Bytes,
}

/// What a plugin wants done with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Hand it on as it is.
    Pass,
    /// Do not deliver, for this reason.
    Drop(String),
    /// Hand it on with this data.
    Replace(Bytes),
    /// Hand on this message.
    Deliver(Message),
}

/// Body, media type and extra headers of a delivery, all unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub content_type: String,
    pub body: Bytes,
    pub headers: Vec<(String, String)>,
}

/// A line that a plugin logged, with control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LogLine {
    pub level: LogLevel,
    pub text: String,
}

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    #[error("the plugin refused its config: {0}")]
    InvalidConfig(String),
    #[error("the plugin can't use this event: {0}")]
    UnusableEvent(String),
    #[error("the plugin asked for another try: {0}")]
    AgainLater(String),
    #[error("the plugin crashed: {0}; return a failure instead of panicking")]
    Trap(String),
    #[error(
        "the plugin was stopped after {} ms; do less for one event, or ask for a higher time limit",
        limit.as_millis()
    )]
    TimedOut { limit: Duration },
    #[error(
        "the plugin wanted more than {max_bytes} bytes of memory; keep less at once, \
         or ask for a higher memory limit"
    )]
    MemoryLimit { max_bytes: usize },
    #[error(
        "the event has {actual_bytes} bytes, {max_bytes} are handed to a plugin; \
         let the source send less and a link to the rest"
    )]
    InputTooLarge {
        actual_bytes: usize,
        max_bytes: usize,
    },
    #[error("the plugin returned more than {max_bytes} bytes; put `data-url` in place of the data")]
    OutputTooLarge { max_bytes: usize },
    #[error("the plugin returned {actual} headers, {max} are allowed")]
    TooManyHeaders { actual: usize, max: usize },
    #[error("the plugin returned {actual} events for one request, {max} are allowed")]
    TooManyDrafts { actual: usize, max: usize },
    #[error("the plugin answered its challenge with status {status}; use one from 200 to 599")]
    InvalidStatus { status: u16 },
    #[error("the component does not export {wanted}; export it, or name a plugin that does")]
    NotExported { wanted: &'static str },
    #[error("there was no room to run the plugin; the event is tried again")]
    Overloaded,
    #[error("the batch ended before this event's turn; the event is tried again")]
    NotReached,
}

impl CallFailure {
    /// A stable name for records, metrics and the API.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidConfig(_) => "invalid-config",
            Self::UnusableEvent(_) => "unusable-event",
            Self::AgainLater(_) => "again-later",
            Self::Trap(_) => "trap",
            Self::TimedOut { .. } => "timeout",
            Self::MemoryLimit { .. } => "memory-limit",
            Self::InputTooLarge { .. } => "input-too-large",
            Self::OutputTooLarge { .. } => "output-too-large",
            Self::TooManyHeaders { .. } => "too-many-headers",
            Self::TooManyDrafts { .. } => "too-many-drafts",
            Self::InvalidStatus { .. } => "invalid-status",
            Self::NotExported { .. } => "not-exported",
            Self::Overloaded => "overload",
            Self::NotReached => "not-reached",
        }
    }

    /// The plugin was not asked, or not to the end, and is not to blame: try the
    /// event again soon, without counting it as an attempt.
    pub fn is_not_asked(&self) -> bool {
        matches!(self, Self::Overloaded | Self::NotReached)
    }

    /// Speaks against the plugin: counts for whoever pauses plugins that fail.
    pub fn is_plugins_fault(&self) -> bool {
        !self.is_not_asked() && !matches!(self, Self::InputTooLarge { .. } | Self::AgainLater(_))
    }

    /// Leaves the instance unusable or unfit for the next event.
    pub(crate) fn costs_the_instance(&self) -> bool {
        matches!(
            self,
            Self::Trap(_)
                | Self::TimedOut { .. }
                | Self::MemoryLimit { .. }
                | Self::OutputTooLarge { .. }
        )
    }
}
