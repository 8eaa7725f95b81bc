//! What a subscription's plugins made of an event: the words in which the pipeline and the delivery
//! engine understand each other.
//!
//! Values only: how a plugin runs and what is done about a failure is known on either side of it.

use std::sync::Arc;

use bytes::Bytes;

use super::clock::Timestamp;
use super::event::Event;
use super::plugin::{ComponentDigest, OnError, PluginName};

/// What the plugins made of an event, and which of them ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub result: PipelineResult,
    pub ran: Vec<(PluginName, ComponentDigest)>,
}

/// What a plugin folded the events of a window into, and which code did it.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    pub result: Result<Arc<Event>, PluginFailure>,
    pub ran: Vec<(PluginName, ComponentDigest)>,
}

/// How an event leaves the pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipelineResult {
    Deliver(Outgoing),
    /// A verdict: not to be delivered.
    Drop {
        reason: String,
    },
    /// Nothing goes out.
    Failed(PluginFailure),
}

/// What goes into the delivery's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// None means JSON, as in the event's attributes.
    pub content_type: Option<Box<str>>,
    pub data: Bytes,
    /// Checked, names in lower case.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

/// Why there is nothing to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFailure {
    pub plugin: PluginName,
    /// A stable name for records and metrics.
    pub kind: &'static str,
    /// In words for the subscription's owner.
    pub reason: String,
    pub on_error: OnError,
    pub retry: Option<RetryWhen>,
}

/// When another try may help without anybody mending anything; it goes before `on_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryWhen {
    /// The plugin was not to blame, or has been replaced meanwhile: soon, and it is no attempt.
    Soon,
    /// The plugin asked for it: by the retry schedule.
    BySchedule,
    /// The plugin is paused: when it is tried again, or sooner where it is mended. It is no
    /// attempt.
    Resumed { until: Timestamp },
}
