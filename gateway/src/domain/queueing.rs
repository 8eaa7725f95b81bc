//! How a subscription's deliveries wait for each other: not at all, in order, debounced or in batches.
//!
//! One of them and never two: what would contradict itself has no value here. Pure; the log keeps
//! what is said here, the border says it in the API's words.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::ids::SubscriptionId;
use super::plugin::PluginName;
use super::subscription::State;

/// How the deliveries of a subscription wait for each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Queueing {
    /// Each by itself, as soon as it can be.
    #[default]
    Plain,
    Ordered(Ordering),
    Debounced(Debounce),
    Batched(Batch),
}

/// One after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordering {
    pub scope: Scope,
    pub blocks: Blocks,
}

/// What is one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Each key; events without one have no order.
    Key,
    /// The whole subscription.
    Strict,
}

/// How long a delivery that fails holds up those behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// Until it is delivered: it is never given up.
    UntilSuccess,
    /// Until it is delivered or given up.
    UntilDead,
    /// At most so long after its first failure; then they pass it by.
    For(Duration),
}

/// Of many events with one key in a short time, one is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debounce {
    /// The window closes when no event came for so long. 100 ms to 1 h.
    pub quiet: Duration,
    /// It closes at the latest so long after its first event. 100 ms to 24 h.
    pub max_wait: Duration,
    pub keep: Keep,
}

/// What stands for the events of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    Latest,
    /// What this plugin folds them into.
    Fold(PluginName),
}

/// Many events in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// 1 to 1,000.
    pub max_events: u32,
    /// From a batch's first event to its request, where it is not full before. 100 ms to 1 h.
    pub max_wait: Duration,
    /// Bytes of the data of its events; one larger event goes by itself. 1 KiB to 4 MiB.
    pub max_bytes: u32,
}

impl Debounce {
    /// Events of one window; the next one closes it.
    pub const MAX_EVENTS: u32 = 1_000;
    /// Bytes of the data of a window that is folded; more close it.
    pub const MAX_FOLDED_BYTES: u32 = 4 << 20;
}

/// How a subscription that is not served from memory gets an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// From memory, at once.
    Memory,
    /// In a row of its own, after all before it in its order.
    Ordered(OrderKey),
    /// In a row of its own until somebody wakes it, in its order where it has one.
    Parked(Option<OrderKey>),
    /// In the open window of its key, or of its lane for a batch.
    Window(Window),
}

/// The rule of a window, and which one it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// None: the events of a lane share it.
    pub key: Option<Box<str>>,
    pub grouping: Grouping,
    /// None: its end does not move.
    pub quiet: Option<Duration>,
    pub max_wait: Duration,
    pub max_events: u32,
    pub max_bytes: u32,
}

/// What a delivery of several events makes of them. The number is what the tables hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum Grouping {
    /// The latest stands for the others.
    Latest = 1,
    /// They are folded into one.
    Fold = 2,
    /// All of them in one request.
    Batch = 3,
}

impl Grouping {
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// None for a code that this release does not know.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        let all = [Self::Latest, Self::Fold, Self::Batch];
        all.into_iter().find(|grouping| grouping.code() == code)
    }
}

/// Names one order of one subscription, the same on every node. Two keys that draw the same one wait
/// for each other, which slows them and breaks nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey(i64);

impl OrderKey {
    /// `key` is none for the order of all events.
    #[must_use]
    pub fn of(subscription: SubscriptionId, key: Option<&str>) -> Self {
        let mut hash = Sha256::new();
        hash.update(subscription.get().to_be_bytes());
        hash.update([u8::from(key.is_some())]);
        hash.update(key.unwrap_or_default());
        let hash = hash.finalize();
        let first = hash.first_chunk().expect("a SHA-256 has 32 bytes");
        Self(i64::from_be_bytes(*first))
    }

    #[must_use]
    pub const fn new(value: i64) -> Self {
        Self(value)
    }

    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl Queueing {
    /// The plugin that folds the events of a window into one.
    #[must_use]
    pub fn fold(&self) -> Option<&PluginName> {
        match self {
            Self::Debounced(debounce) => match &debounce.keep {
                Keep::Fold(plugin) => Some(plugin),
                Keep::Latest => None,
            },
            _ => None,
        }
    }

    /// How long a delivery that fails holds up those behind it; none where there is no order.
    #[must_use]
    pub fn blocks(&self) -> Option<Blocks> {
        match self {
            Self::Ordered(ordering) => Some(ordering.blocks),
            _ => None,
        }
    }

    /// Where an event with this key goes, for a subscription in a state that takes events.
    #[must_use]
    pub fn place(&self, subscription: SubscriptionId, state: State, key: Option<&str>) -> Place {
        let order = match (self, key) {
            (Self::Debounced(debounce), Some(key)) => return Place::Window(debounce.window(key)),
            (Self::Batched(batch), _) => return Place::Window(batch.window()),
            (Self::Ordered(ordering), key) => match (ordering.scope, key) {
                (Scope::Strict, _) => Some(OrderKey::of(subscription, None)),
                (Scope::Key, Some(key)) => Some(OrderKey::of(subscription, Some(key))),
                (Scope::Key, None) => None,
            },
            (Self::Plain | Self::Debounced(_), _) => None,
        };
        match (state, order) {
            (State::Active, None) => Place::Memory,
            (State::Active, Some(order)) => Place::Ordered(order),
            (_, order) => Place::Parked(order),
        }
    }
}

impl Debounce {
    fn window(&self, key: &str) -> Window {
        let (grouping, max_bytes) = match self.keep {
            Keep::Latest => (Grouping::Latest, u32::MAX >> 1),
            Keep::Fold(_) => (Grouping::Fold, Self::MAX_FOLDED_BYTES),
        };
        Window {
            key: Some(key.into()),
            grouping,
            quiet: Some(self.quiet),
            max_wait: self.max_wait,
            max_events: Self::MAX_EVENTS,
            max_bytes,
        }
    }
}

impl Batch {
    fn window(self) -> Window {
        Window {
            key: None,
            grouping: Grouping::Batch,
            quiet: None,
            max_wait: self.max_wait,
            max_events: self.max_events,
            max_bytes: self.max_bytes,
        }
    }
}

/// How a batch window is cut into requests: the count of events in each, in their order. None holds
/// more than `max_events`; none holds more than `max_bytes`, unless it is a single event.
#[must_use]
pub fn cut(sizes: &[u32], max_events: u32, max_bytes: u32) -> Vec<usize> {
    let mut parts = Vec::new();
    let (mut count, mut bytes) = (0_usize, 0_u64);
    for size in sizes {
        let size = u64::from(*size);
        let is_full = count >= max_events.max(1) as usize || bytes + size > u64::from(max_bytes);
        if count > 0 && is_full {
            parts.push(count);
            (count, bytes) = (0, 0);
        }
        count += 1;
        bytes += size;
    }
    if count > 0 {
        parts.push(count);
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: SubscriptionId = SubscriptionId::new(7);

    fn ordered(scope: Scope) -> Queueing {
        Queueing::Ordered(Ordering {
            scope,
            blocks: Blocks::UntilDead,
        })
    }

    #[test]
    fn each_policy_has_its_place() {
        let debounced = Queueing::Debounced(Debounce {
            quiet: Duration::from_secs(1),
            max_wait: Duration::from_secs(5),
            keep: Keep::Latest,
        });
        let batched = Queueing::Batched(Batch {
            max_events: 10,
            max_wait: Duration::from_secs(1),
            max_bytes: 1024,
        });
        let (a, all) = (OrderKey::of(ID, Some("a")), OrderKey::of(ID, None));
        assert_ne!(a, all);
        assert_ne!(OrderKey::of(ID, Some("")), all);
        let place = |queueing: &Queueing, state, key| queueing.place(ID, state, key);
        for (queueing, state, key, expected) in [
            (Queueing::Plain, State::Active, Some("a"), Place::Memory),
            (Queueing::Plain, State::Paused, None, Place::Parked(None)),
            (
                ordered(Scope::Key),
                State::Active,
                Some("a"),
                Place::Ordered(a),
            ),
            (ordered(Scope::Key), State::Active, None, Place::Memory),
            (
                ordered(Scope::Key),
                State::Paused,
                Some("a"),
                Place::Parked(Some(a)),
            ),
            (
                ordered(Scope::Strict),
                State::Active,
                Some("a"),
                Place::Ordered(all),
            ),
            (
                ordered(Scope::Strict),
                State::Disabled,
                None,
                Place::Parked(Some(all)),
            ),
            (debounced.clone(), State::Active, None, Place::Memory),
        ] {
            assert_eq!(
                place(&queueing, state, key),
                expected,
                "{queueing:?} {state} {key:?}"
            );
        }
        for state in [State::Active, State::Paused, State::Disabled] {
            let by_key = place(&debounced, state, Some("a"));
            assert!(matches!(by_key, Place::Window(window) if window.key.as_deref() == Some("a")));
            let by_lane = place(&batched, state, Some("a"));
            assert!(matches!(by_lane, Place::Window(window) if window.key.is_none()));
        }
    }

    proptest! {
        #[test]
        fn every_event_is_in_one_batch_and_no_batch_is_too_large(
            sizes in prop::collection::vec(0_u32..5_000, 0..200),
            max_events in 1_u32..50,
            max_bytes in 1_024_u32..8_192,
        ) {
            let parts = cut(&sizes, max_events, max_bytes);
            prop_assert_eq!(parts.iter().sum::<usize>(), sizes.len());
            let mut rest = &sizes[..];
            for (index, part) in parts.iter().enumerate() {
                let (these, others) = rest.split_at(*part);
                let bytes: u32 = these.iter().sum();
                prop_assert!(these.len() <= max_events as usize);
                prop_assert!(bytes <= max_bytes || these.len() == 1);
                // None is cut before it is full.
                if let Some(next) = others.first().filter(|_| index + 1 < parts.len()) {
                    prop_assert!(these.len() == max_events as usize || bytes + next > max_bytes);
                }
                rest = others;
            }
        }
    }
}
