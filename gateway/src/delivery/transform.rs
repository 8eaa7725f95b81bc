//! What delivery needs from the plugins: events in, verdicts out.
//!
//! A trait, so that the engine's tests can play the plugins. How a plugin runs is not known here.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::domain::event::Event;
use crate::domain::plugin::{ComponentDigest, OnError, PluginName};
use crate::domain::subscription::Subscription;

/// Runs the plugins of a subscription.
pub trait Transform: Send + Sync {
    /// One result an event, in the same order.
    fn run(
        &self,
        subscription: Arc<Subscription>,
        events: Vec<Arc<Event>>,
    ) -> BoxFuture<'static, Vec<Prepared>>;
}

/// What the plugins made of an event, and which of them ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub result: PipelineResult,
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
}
