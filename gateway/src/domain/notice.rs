//! What the gateway tells of itself: notices that become ordinary events, so that anybody may
//! subscribe to them.
//!
//! Their types begin with `hookgate.`, and only patterns that name them get them. Says what a
//! notice holds, not who sends it.

use serde::Serialize;
use serde_json::json;

use super::attempt::{AttemptNumber, Outcome};
use super::ids::{DeliveryId, SubscriptionId};
use super::plugin::PluginName;

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
    /// A version of a plugin kept failing and is not asked for a while; its deliveries wait.
    PluginPaused(Box<PluginPause>),
}

/// Which version is paused for a tenant, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginPause {
    pub plugin: PluginName,
    /// Whether the plugin is shared by all tenants.
    pub is_shared: bool,
    pub version: i32,
    pub digest: String,
    pub reason: &'static str,
    /// When it is tried again, RFC 3339; at once where another version is activated.
    pub paused_until: String,
    pub last_failure: Option<PluginPauseFailure>,
    /// Subscriptions of the tenant whose deliveries wait.
    pub subscriptions: Vec<SubscriptionId>,
}

/// The failure before a pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginPauseFailure {
    pub event: String,
    pub kind: &'static str,
    pub reason: String,
}

impl Notice {
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::SubscriptionDisabled { .. } => "hookgate.subscription.disabled",
            Self::DeliveryDead { .. } => "hookgate.delivery.dead",
            Self::PluginFailed { .. } => "hookgate.plugin.failed",
            Self::PluginPaused(_) => "hookgate.plugin.paused",
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
            Self::PluginPaused(pause) => json!(pause),
        };
        data.to_string()
    }
}
