//! What delivery needs from the plugins: events in, verdicts out.
//!
//! A trait, so that the engine's tests can play the plugins. How a plugin runs is not known here.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::domain::event::Event;
use crate::domain::plugin::PluginName;
use crate::domain::prepared::{Folded, Prepared};
use crate::domain::subscription::Subscription;

/// Runs the plugins of a subscription.
pub trait Transform: Send + Sync {
    /// One result an event, in the same order.
    fn run(
        &self,
        subscription: Arc<Subscription>,
        events: Vec<Arc<Event>>,
    ) -> BoxFuture<'static, Vec<Prepared>>;

    /// Folds the events of a window, two or more in their order, into one that bears the last one's
    /// id.
    fn fold(
        &self,
        subscription: Arc<Subscription>,
        plugin: PluginName,
        events: Vec<Arc<Event>>,
    ) -> BoxFuture<'static, Folded>;
}
