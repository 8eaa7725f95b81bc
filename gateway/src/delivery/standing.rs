//! What a subscription's state means for a delivery that is due now.
//!
//! Pure. The state when an event came in is the matcher's business; between then and now somebody
//! may have paused, disabled or deleted the subscription.

use std::time::Duration;

use super::handshake::is_handshake;
use crate::domain::clock::Timestamp;
use crate::domain::event::Event;
use crate::domain::subscription::{State, Subscription};
use crate::log::work::ParkReason;

/// What to do with a delivery that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Deliver,
    Park {
        reason: ParkReason,
        due_at: Option<Timestamp>,
    },
    /// Never to be delivered; the words are for its record.
    Cancel(&'static str),
}

/// How long a subscription that this node has not heard of may still be one that is too new for it.
const NEWS_TRAVELS: Duration = Duration::from_secs(3600);
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Where the delivery of `event` to `subscription` stands at `now`.
#[must_use]
pub fn standing(subscription: Option<&Subscription>, event: &Event, now: Timestamp) -> Standing {
    let until_woken = |reason| Standing::Park {
        reason,
        due_at: None,
    };
    let Some(subscription) = subscription else {
        return if now.since(event.id.received_at()) < NEWS_TRAVELS {
            Standing::Park {
                reason: ParkReason::Overflow,
                due_at: Some(now.plus(ASK_AGAIN)),
            }
        } else {
            Standing::Cancel("its subscription is gone")
        };
    };
    match subscription.state {
        State::Pending if is_handshake(event) && subscription.target.is_some() => Standing::Deliver,
        State::Active if is_handshake(event) => Standing::Cancel("the receiver has confirmed"),
        State::Active if subscription.target.is_none() => {
            Standing::Cancel("the subscription has no target, its events are pulled")
        }
        State::Active => Standing::Deliver,
        State::Pending | State::Paused => until_woken(ParkReason::Paused),
        State::Disabled | State::Expired => until_woken(ParkReason::Missed),
        State::Deleted => Standing::Cancel("its subscription was deleted"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn each_state_has_its_consequence() {
        let event = testing::event(b"1");
        let now = event.id.received_at();
        for (state, expected) in [
            (State::Active, "deliver"),
            (State::Pending, "paused"),
            (State::Paused, "paused"),
            (State::Disabled, "missed"),
            (State::Expired, "missed"),
            (State::Deleted, "cancel"),
        ] {
            let mut subscription = testing::subscription("https://example.com/");
            subscription.state = state;
            let found = match standing(Some(&subscription), &event, now) {
                Standing::Deliver => "deliver",
                Standing::Park {
                    reason: ParkReason::Paused,
                    due_at: None,
                } => "paused",
                Standing::Park {
                    reason: ParkReason::Missed,
                    due_at: None,
                } => "missed",
                Standing::Park { .. } => "something else",
                Standing::Cancel(_) => "cancel",
            };
            assert_eq!(found, expected, "{state}");
        }
    }

    #[test]
    fn an_unknown_subscription_may_be_new_but_not_for_ever() {
        let event = testing::event(b"1");
        let now = event.id.received_at().plus(Duration::from_secs(10));
        let expected = Standing::Park {
            reason: ParkReason::Overflow,
            due_at: Some(now.plus(ASK_AGAIN)),
        };
        assert_eq!(standing(None, &event, now), expected);
        let later = event.id.received_at().plus(NEWS_TRAVELS);
        let gone = Standing::Cancel("its subscription is gone");
        assert_eq!(standing(None, &event, later), gone);
    }

    #[test]
    fn a_handshake_goes_out_until_it_is_confirmed() {
        let mut event = testing::event(b"1");
        event.event_type = crate::domain::verification::HANDSHAKE_TYPE.into();
        let mut subscription = testing::subscription("https://example.com/");
        subscription.state = State::Pending;
        let now = event.id.received_at();
        assert_eq!(
            standing(Some(&subscription), &event, now),
            Standing::Deliver
        );
        subscription.state = State::Active;
        let confirmed = Standing::Cancel("the receiver has confirmed");
        assert_eq!(standing(Some(&subscription), &event, now), confirmed);
    }

    #[test]
    fn without_a_target_nothing_is_pushed() {
        let mut subscription = testing::subscription("https://example.com/");
        subscription.target = None;
        let event = testing::event(b"1");
        let standing = standing(Some(&subscription), &event, event.id.received_at());
        assert!(matches!(standing, Standing::Cancel(_)));
    }
}
