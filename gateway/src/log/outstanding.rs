//! What of a lane has no outcome yet, and how far its checkpoint may therefore move.

use std::collections::BTreeMap;

use crate::domain::ids::EventId;

/// Counts the open deliveries of each event of one lane in one epoch.
#[derive(Debug)]
pub(super) struct Outstanding {
    open: BTreeMap<EventId, u32>,
    /// Everything up to here is in `open` or has its outcomes.
    known_to: EventId,
    /// Where recovery has not been yet: the checkpoint stays below.
    recovered_to: Option<EventId>,
}

impl Outstanding {
    pub(super) fn after(known_to: EventId) -> Self {
        Self {
            open: BTreeMap::new(),
            known_to,
            recovered_to: None,
        }
    }

    /// Until [`Self::recovered`] says otherwise, nothing above `checkpoint` may be passed.
    pub(super) fn recovering_from(mut self, checkpoint: EventId) -> Self {
        self.recovered_to = Some(checkpoint);
        self
    }

    pub(super) fn recovered(&mut self, to: Option<EventId>) {
        self.recovered_to = to;
    }

    /// The event is durable and `deliveries` of it are handed out.
    pub(super) fn add(&mut self, event: EventId, deliveries: usize) {
        self.known_to = self.known_to.max(event);
        let deliveries = u32::try_from(deliveries).expect("targets fit in one request's limits");
        if deliveries > 0 {
            self.open.insert(event, deliveries);
        }
    }

    /// One delivery of the event has its outcome, and that is committed.
    pub(super) fn done(&mut self, event: EventId) {
        if let Some(deliveries) = self.open.get_mut(&event) {
            *deliveries -= 1;
            if *deliveries == 0 {
                self.open.remove(&event);
            }
        }
    }

    /// The highest id below which, itself included, everything has an outcome.
    pub(super) fn checkpoint(&self) -> EventId {
        let below_open = self
            .open
            .first_key_value()
            .map_or(self.known_to, |(lowest, _)| EventId::new(lowest.get() - 1));
        self.recovered_to
            .map_or(below_open, |to| below_open.min(to))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.recovered_to.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkpoint_stays_below_the_lowest_open_event() {
        let id = EventId::new;
        let mut outstanding = Outstanding::after(id(9));
        assert_eq!(outstanding.checkpoint(), id(9));
        outstanding.add(id(10), 2);
        outstanding.add(id(11), 0);
        outstanding.add(id(12), 1);
        outstanding.done(id(12));
        outstanding.done(id(10));
        assert_eq!(outstanding.checkpoint(), id(9));
        outstanding.done(id(10));
        assert_eq!(outstanding.checkpoint(), id(12));
        assert!(outstanding.is_empty());
    }

    #[test]
    fn the_checkpoint_waits_for_recovery() {
        let id = EventId::new;
        let mut outstanding = Outstanding::after(id(100)).recovering_from(id(50));
        outstanding.add(id(101), 0);
        assert_eq!(outstanding.checkpoint(), id(50));
        outstanding.add(id(60), 1);
        outstanding.recovered(Some(id(80)));
        assert_eq!(outstanding.checkpoint(), id(59));
        outstanding.recovered(None);
        outstanding.done(id(60));
        assert_eq!(outstanding.checkpoint(), id(101));
    }
}
