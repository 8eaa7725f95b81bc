//! Deliveries on the side: made as the engine makes them, but sent to another target, or only
//! written.
//!
//! For debugging and for comparing. No ticket, no record, no retry: whoever asks hears what came of
//! it, and nothing about the real delivery changes.

use std::sync::Arc;

use bytes::Bytes;

use super::request;
use super::sender::{Route, Sender, Sent};
use super::transform::Transform;
use crate::domain::attempt::Outcome;
use crate::domain::clock::Clock;
use crate::domain::event::Event;
use crate::domain::parcel::Parcel;
use crate::domain::prepared::PipelineResult;
use crate::domain::random::Random;
use crate::domain::subscription::Subscription;
use crate::domain::target_url::TargetUrl;

/// Sends on the side; has a sender of its own.
pub struct Aside {
    pub sender: Sender,
    pub transform: Arc<dyn Transform>,
    pub clock: Clock,
    pub random: Random,
}

impl std::fmt::Debug for Aside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aside").finish_non_exhaustive()
    }
}

impl Aside {
    /// Runs the plugins, signs, sends to `target`; waits at most the subscription's timeout. A
    /// plugin's verdict or failure comes back as the outcome that a delivery would have had.
    pub async fn send(
        &self,
        subscription: Arc<Subscription>,
        event: Arc<Event>,
        target: &TargetUrl,
    ) -> Sent {
        let outgoing = if subscription.plugins.is_empty() {
            None
        } else {
            let events = vec![event.clone()];
            let mut prepared = self.transform.run(subscription.clone(), events).await;
            match prepared.pop().map(|one| one.result) {
                Some(PipelineResult::Deliver(outgoing)) => Some(outgoing),
                Some(PipelineResult::Drop { reason }) => return ended(Outcome::Dropped, reason),
                Some(PipelineResult::Failed(failure)) => {
                    let reason = format!("{}: {}", failure.plugin, failure.reason);
                    return ended(Outcome::PluginFailed, reason);
                }
                None => {
                    let reason = "its plugins gave no answer".to_owned();
                    return ended(Outcome::PluginFailed, reason);
                }
            }
        };
        let at = self.clock.now();
        let parcel = Parcel::of(subscription.id, event, outgoing).for_policy(&subscription.policy);
        let request = request::build(&subscription, &parcel, (None, &self.random), at);
        let route = Route {
            tenant: subscription.tenant,
            target,
            // What a receiver is trusted with is no business of another target.
            tls: None,
        };
        self.sender
            .send(route, request, subscription.policy.timeout)
            .await
    }
}

/// The body that a delivery has, without sending it.
#[must_use]
pub fn body(
    subscription: &Subscription,
    parcel: &Parcel,
    (clock, random): (&Clock, &Random),
) -> Bytes {
    request::build(subscription, parcel, (None, random), clock.now()).body
}

fn ended(outcome: Outcome, reason: String) -> Sent {
    let mut sent = Sent::of(outcome);
    sent.reason = Some(reason);
    sent
}
