//! Identifiers: one newtype each, and one way to write them.
//!
//! Inside they are the integers that Postgres indexes cheaply; outside they are opaque strings with
//! a prefix that sort by time. The codec is fixed-width base32 (RFC 4648 "base32hex", lower case),
//! so the order of the strings is the order of the numbers.

use std::fmt;
use std::str::FromStr;

use data_encoding::{Encoding, Specification};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::clock::Timestamp;

/// An id that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id that starts with {prefix:?}")]
pub struct InvalidId {
    pub prefix: &'static str,
    pub text: String,
}

fn codec() -> &'static Encoding {
    static CODEC: std::sync::OnceLock<Encoding> = std::sync::OnceLock::new();
    CODEC.get_or_init(|| {
        let mut specification = Specification::new();
        specification
            .symbols
            .push_str("0123456789abcdefghijklmnopqrstuv");
        // Trailing bits must be zero on reading, so that each id has exactly one spelling.
        specification
            .encoding()
            .expect("32 distinct symbols make a base32")
    })
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            #[must_use]
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, codec().encode(&self.0.to_be_bytes()))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let refuse = || InvalidId { prefix: $prefix, text: text.chars().take(64).collect() };
                let body = text.strip_prefix($prefix).ok_or_else(refuse)?;
                let bytes = codec().decode(body.as_bytes()).map_err(|_| refuse())?;
                let value = <$inner>::from_be_bytes(bytes.try_into().map_err(|_| refuse())?);
                if value < 0 { Err(refuse()) } else { Ok(Self(value)) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// One accepted event: `milliseconds << 21 | lane << 13 | counter`. Unique, ordered by
    /// acceptance within a lane, and by clock between lanes.
    EventId(i64), "evt_"
);
id!(
    /// A standing wish for events.
    SubscriptionId(i32), "sub_"
);
id!(
    /// An API key; not the secret itself.
    KeyId(i32), "key_"
);
id!(
    /// Where a provider's webhooks come in.
    SourceId(i32), "src_"
);
id!(
    /// Work that takes longer than a request.
    JobId(i64), "job_"
);
id!(
    /// One entry of the audit log.
    AuditId(i64), "aud_"
);

impl EventId {
    const COUNTER_BITS: u32 = 13;
    const LANE_BITS: u32 = 8;

    /// The first id that can exist at `at` in `lane`.
    #[must_use]
    pub const fn first_at(at: Timestamp, lane: LaneId) -> Self {
        Self(
            (at.as_ms() << (Self::LANE_BITS + Self::COUNTER_BITS))
                | ((lane.0 as i64) << Self::COUNTER_BITS),
        )
    }

    /// The next free id of `lane` after `last` at time `now`: a counter that overflows carries into
    /// the milliseconds and never into the lane; a clock that went back changes nothing.
    #[must_use]
    pub fn next_after(last: Self, now: Timestamp, lane: LaneId) -> Self {
        let first = Self::first_at(now, lane);
        if first > last {
            return first;
        }
        let counter_mask = (1 << Self::COUNTER_BITS) - 1;
        if last.0 & counter_mask == counter_mask {
            Self::first_at(
                last.received_at().plus(std::time::Duration::from_millis(1)),
                lane,
            )
        } else {
            Self(last.0 + 1)
        }
    }

    #[must_use]
    pub const fn lane(self) -> LaneId {
        LaneId(((self.0 >> Self::COUNTER_BITS) & 0xff) as u8)
    }

    /// When the event was accepted, by the database's clock, to the millisecond.
    #[must_use]
    pub const fn received_at(self) -> Timestamp {
        Timestamp::from_ms(self.0 >> (Self::LANE_BITS + Self::COUNTER_BITS))
    }
}

/// One of 256 ordered partitions of the event log, each with one writer at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(u8);

impl LaneId {
    pub const COUNT: u16 = 256;

    #[must_use]
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// As Postgres stores it.
    #[must_use]
    pub const fn get(self) -> i16 {
        self.0 as i16
    }
}

impl TryFrom<i16> for LaneId {
    type Error = std::num::TryFromIntError;

    fn try_from(value: i16) -> Result<Self, Self::Error> {
        u8::try_from(value).map(Self)
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One of 256 shares of what is parked; a subscription always falls into the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(u8);

impl BucketId {
    pub const COUNT: u16 = 256;

    #[must_use]
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// Spreads consecutive subscriptions over all buckets (Fibonacci hashing).
    #[must_use]
    pub const fn of(subscription: SubscriptionId) -> Self {
        Self(((subscription.0 as u32).wrapping_mul(0x9E37_79B9) >> 24) as u8)
    }

    #[must_use]
    pub const fn get(self) -> i16 {
        self.0 as i16
    }
}

/// A tenant inside the database; users only ever see its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(i32);

impl TenantId {
    #[must_use]
    pub const fn new(value: i32) -> Self {
        Self(value)
    }

    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

/// One running gateway process, new with each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct NodeId(i32);

impl NodeId {
    #[must_use]
    pub const fn new(value: i32) -> Self {
        Self(value)
    }

    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

/// Grows with every change of a tenant, key, subscription or plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConfigVersion(i64);

impl ConfigVersion {
    #[must_use]
    pub const fn new(value: i64) -> Self {
        Self(value)
    }

    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// One event for one subscription. Derived from the two, so it needs no row of its own, and the
/// same over all attempts and replays: receivers see it as `webhook-id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    pub event: EventId,
    pub subscription: SubscriptionId,
}

impl DeliveryId {
    pub const PREFIX: &'static str = "dlv_";
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.event.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.subscription.0.to_be_bytes());
        write!(f, "{}{}", Self::PREFIX, codec().encode(&bytes))
    }
}

impl FromStr for DeliveryId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let refuse = || InvalidId {
            prefix: Self::PREFIX,
            text: text.chars().take(64).collect(),
        };
        let body = text.strip_prefix(Self::PREFIX).ok_or_else(refuse)?;
        let bytes: [u8; 12] = codec()
            .decode(body.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(refuse)?;
        let (event, subscription) = bytes.split_at(8);
        let event = i64::from_be_bytes(event.try_into().expect("split at eight"));
        let subscription = i32::from_be_bytes(subscription.try_into().expect("four are left"));
        if event < 0 || subscription < 0 {
            return Err(refuse());
        }
        Ok(Self {
            event: EventId(event),
            subscription: SubscriptionId(subscription),
        })
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliveryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_text_and_keep_their_order() {
        let lane = LaneId::new(7);
        let early = EventId::first_at(Timestamp::from_ms(1_700_000_000_000), lane);
        let late = EventId::next_after(early, Timestamp::from_ms(1_600_000_000_000), lane);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(late.to_string().parse(), Ok(late));
        assert_eq!(late.lane(), lane);
        assert_eq!(late.received_at(), Timestamp::from_ms(1_700_000_000_000));
        let delivery = DeliveryId {
            event: late,
            subscription: SubscriptionId::new(42),
        };
        assert_eq!(delivery.to_string().parse(), Ok(delivery));
    }

    #[test]
    fn a_full_counter_carries_into_the_millisecond_and_not_into_the_lane() {
        let lane = LaneId::new(255);
        let now = Timestamp::from_ms(1_700_000_000_000);
        let mut id = EventId::first_at(now, lane);
        for _ in 0..8192 {
            id = EventId::next_after(id, now, lane);
        }
        assert_eq!(
            (id.lane(), id.received_at()),
            (lane, Timestamp::from_ms(1_700_000_000_001))
        );
    }

    #[test]
    fn foreign_and_misspelt_ids_are_refused() {
        for text in [
            "",
            "evt_",
            "sub_0000000",
            "evt_zzzzzzzzzzzzz",
            "evt_0000000000001",
            "evt_vvvvvvvvvvvvu",
        ] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }
}
