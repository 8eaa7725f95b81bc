//! How far somebody has read who fetches events: a place in every lane.
//!
//! One number for all lanes would lose events: a lane may commit an event with a lower number than
//! one that another lane has shown already. Within a lane the order of ids is that of commits. Pure:
//! what lanes hold comes in as arguments.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::clock::Timestamp;
use super::ids::{EventId, LaneId, SubscriptionId};

const VERSION: u8 = 1;
/// Stands for no subscription; theirs are numbered from one.
const EVERYTHING: i32 = 0;

/// Where a reader is. Opaque outside: it is handed back as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullCursor {
    /// Whose events are fetched; none where all are, whoever wants them.
    pub subscription: Option<SubscriptionId>,
    /// Everything that was accepted before has been read.
    pub read_until: Timestamp,
    /// Place in lanes that have none of their own.
    start: EventId,
    lanes: BTreeMap<LaneId, EventId>,
}

/// What a lane holds beyond a reader's place in it, all of it committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneNews {
    pub lane: LaneId,
    pub first: EventId,
    pub newest: EventId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is none that an answer of this gateway held")]
pub struct InvalidCursor;

impl PullCursor {
    /// Before the first event that was accepted at `at` or later.
    #[must_use]
    pub fn at(subscription: Option<SubscriptionId>, at: Timestamp) -> Self {
        let first = EventId::first_at(at, LaneId::new(0));
        Self {
            subscription,
            read_until: at,
            start: EventId::new(first.get() - 1),
            lanes: BTreeMap::new(),
        }
    }

    /// The place in lanes that have none of their own.
    #[must_use]
    pub fn start(&self) -> EventId {
        self.start
    }

    /// The place in a lane.
    #[must_use]
    pub fn place(&self, lane: LaneId) -> EventId {
        self.lanes.get(&lane).copied().unwrap_or(self.start)
    }

    /// The lanes that have a place of their own.
    pub fn places(&self) -> impl Iterator<Item = (LaneId, EventId)> + '_ {
        self.lanes.iter().map(|(lane, place)| (*lane, *place))
    }

    /// Moves on: all of `news` was read, or, where `stopped_at` is given, what is not above it.
    pub fn advance(&mut self, news: &[LaneNews], stopped_at: Option<EventId>, now: Timestamp) {
        for lane in news {
            let reached = stopped_at.map_or(lane.newest, |stop| stop.min(lane.newest));
            let place = self.place(lane.lane).max(reached);
            self.lanes.insert(lane.lane, place);
        }
        let until = stopped_at.map_or(now, EventId::received_at);
        self.read_until = self.read_until.max(until);
    }
}

impl fmt::Display for PullCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![VERSION];
        let subscription = self.subscription.map_or(EVERYTHING, SubscriptionId::get);
        bytes.extend(subscription.to_be_bytes());
        bytes.extend(self.read_until.as_ms().to_be_bytes());
        bytes.extend(self.start.get().to_be_bytes());
        for (lane, place) in &self.lanes {
            bytes.extend(lane.get().to_be_bytes());
            bytes.extend(place.get().to_be_bytes());
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for PullCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let mut rest = bytes.as_slice();
        if take(&mut rest)? != [VERSION] {
            return Err(InvalidCursor);
        }
        let subscription = Some(i32::from_be_bytes(take(&mut rest)?));
        let subscription = subscription.filter(|id| *id != EVERYTHING);
        let read_until = Timestamp::from_ms(i64::from_be_bytes(take(&mut rest)?));
        let start = EventId::new(i64::from_be_bytes(take(&mut rest)?));
        let mut lanes = BTreeMap::new();
        while !rest.is_empty() {
            let lane = i16::from_be_bytes(take(&mut rest)?);
            let lane = LaneId::try_from(lane).map_err(|_| InvalidCursor)?;
            let place = EventId::new(i64::from_be_bytes(take(&mut rest)?));
            if lanes.insert(lane, place).is_some() {
                return Err(InvalidCursor);
            }
        }
        Ok(Self {
            subscription: subscription.map(SubscriptionId::new),
            read_until,
            start,
            lanes,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], InvalidCursor> {
    let (taken, others) = rest.split_first_chunk::<N>().ok_or(InvalidCursor)?;
    *rest = others;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: i64, lane: u8) -> EventId {
        EventId::first_at(Timestamp::from_ms(ms), LaneId::new(lane))
    }

    fn news(lane: u8, first: i64, newest: i64) -> LaneNews {
        LaneNews {
            lane: LaneId::new(lane),
            first: id(first, lane),
            newest: id(newest, lane),
        }
    }

    fn cursor() -> PullCursor {
        PullCursor::at(Some(SubscriptionId::new(7)), Timestamp::from_ms(1000))
    }

    #[test]
    fn a_cursor_is_written_and_read_and_nothing_else_is_one() {
        let mut cursor = cursor();
        cursor.advance(
            &[news(3, 1500, 1600), news(255, 1700, 1800)],
            None,
            Timestamp::from_ms(2000),
        );
        let text = cursor.to_string();
        assert_eq!(text.parse(), Ok(cursor));
        let of_all = PullCursor::at(None, Timestamp::from_ms(1000));
        assert_eq!(of_all.to_string().parse(), Ok(of_all));
        for wrong in [
            "",
            "AA",
            "evt_1",
            &text[..text.len() - 3],
            &format!("{text}A"),
        ] {
            assert_eq!(wrong.parse::<PullCursor>(), Err(InvalidCursor), "{wrong}");
        }
    }

    /// A full page stops in the middle: what a lane has not committed yet may lie below that.
    #[test]
    fn a_lane_is_passed_only_as_far_as_it_was_seen() {
        let mut cursor = cursor();
        let seen = [news(1, 1100, 1200), news(2, 1150, 1900)];
        cursor.advance(&seen, Some(id(1500, 2)), Timestamp::from_ms(3000));
        assert_eq!(cursor.place(LaneId::new(1)), id(1200, 1));
        assert_eq!(cursor.place(LaneId::new(2)), id(1500, 2));
        assert_eq!(cursor.place(LaneId::new(9)), cursor.start());
        assert_eq!(cursor.read_until, Timestamp::from_ms(1500));
        cursor.advance(&[news(2, 1600, 1900)], None, Timestamp::from_ms(3000));
        assert_eq!(cursor.place(LaneId::new(1)), id(1200, 1));
        assert_eq!(cursor.place(LaneId::new(2)), id(1900, 2));
        assert_eq!(cursor.read_until, Timestamp::from_ms(3000));
    }
}
