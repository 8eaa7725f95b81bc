//! What the gateway tells of itself: notices that become ordinary events, so that anybody may
//! subscribe to them.
//!
//! Their types begin with `hookgate.`, and only patterns that name them get them. Says what a
//! notice holds, not who sends it.

use serde_json::json;

use super::attempt::{AttemptNumber, Outcome};
use super::ids::{DeliveryId, SubscriptionId};

/// Something that its owner should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nothing is delivered to a subscription any more.
    SubscriptionDisabled {
        subscription: SubscriptionId,
        reason: Box<str>,
    },
    /// A delivery was tried for the last time, in vain.
    DeliveryDead {
        delivery: DeliveryId,
        attempts: AttemptNumber,
        outcome: Outcome,
        status: Option<u16>,
    },
    /// A plugin failed a delivery, which waits now.
    PluginFailed {
        delivery: DeliveryId,
        plugin: Box<str>,
        reason: Box<str>,
    },
}

impl Notice {
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::SubscriptionDisabled { .. } => "hookgate.subscription.disabled",
            Self::DeliveryDead { .. } => "hookgate.delivery.dead",
            Self::PluginFailed { .. } => "hookgate.plugin.failed",
        }
    }

    /// The data of its event.
    #[must_use]
    pub fn data(&self) -> String {
        let data = match self {
            Self::SubscriptionDisabled {
                subscription,
                reason,
            } => json!({"subscription": subscription, "reason": reason}),
            Self::DeliveryDead {
                delivery,
                attempts,
                outcome,
                status,
            } => json!({
                "delivery": delivery.to_string(),
                "event": delivery.event,
                "subscription": delivery.subscription,
                "attempts": attempts.get(),
                "outcome": outcome.as_str(),
                "status": status,
            }),
            Self::PluginFailed {
                delivery,
                plugin,
                reason,
            } => json!({
                "delivery": delivery.to_string(),
                "event": delivery.event,
                "subscription": delivery.subscription,
                "plugin": plugin,
                "reason": reason,
            }),
        };
        data.to_string()
    }
}
