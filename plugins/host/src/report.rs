//! What came of a call.
//!
//! A failure of a plugin is a value here, recorded and acted on by whoever asked;
//! its text tells the author what to change. Nothing a guest wrote reaches these
//! types unescaped or unbounded.

use bytes::Bytes;
use std::time::Duration;

/// What one event's turn came to.
#[derive(Debug, Clone)]
pub struct CallReport {
    pub result: Result<Verdict, CallFailure>,
    /// Wall time in the guest.
    pub duration: Duration,
    /// Processor time in the guest.
    pub cpu: Duration,
    /// Linear memory of the instance after the call.
    pub memory_bytes: usize,
    pub logs: Vec<LogLine>,
    /// Lines that were dropped or shortened.
    pub logs_cut: u32,
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
    #[error(
        "the component exports neither `transform` nor `filter`; build it for one of these worlds"
    )]
    NotExported,
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
            Self::NotExported => "not-exported",
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
