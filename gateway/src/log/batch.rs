//! One statement's worth of events as Postgres wants them: columns, and keys without doubles.
//!
//! Pure: which event of a batch stands for a key, and what its doubles are told, is decided here.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::domain::ids::{BucketId, ConfigVersion, EventId, TenantId};
use crate::domain::queueing::{OrderKey, Window};

use super::event_log::{Appended, NewEvent, Wait};
use super::work::ParkReason;

type Key = (TenantId, [u8; 32]);
type BodyHash = [u8; 32];

/// A batch on its way into a lane.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    events: &'a [&'a NewEvent],
    ids: &'a [EventId],
    /// Sorted, so that two batches never wait for each other in a circle. The first event with a
    /// key stands for it.
    first_with: BTreeMap<Key, usize>,
    stored: HashSet<EventId>,
    known: BTreeMap<Key, (EventId, BodyHash)>,
    unknown: Vec<Key>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(events: &'a [&'a NewEvent], ids: &'a [EventId]) -> Self {
        let mut first_with = BTreeMap::new();
        for (index, event) in events.iter().enumerate() {
            if let Some(key) = key(event)
                && let Entry::Vacant(free) = first_with.entry(key)
            {
                free.insert(index);
            }
        }
        Self {
            events,
            ids,
            first_with,
            stored: HashSet::new(),
            known: BTreeMap::new(),
            unknown: Vec::new(),
        }
    }

    pub(super) fn columns(&self) -> Columns<'a> {
        let mut columns = Columns::default();
        for (event, id) in self.events.iter().zip(self.ids) {
            let stands =
                key(event).is_none_or(|key| self.id_of(&key).is_some_and(|first| first == *id));
            if stands {
                columns.push(event, *id);
            }
        }
        for ((tenant, key_hash), index) in &self.first_with {
            let idempotency = self.events[*index].idempotency.as_ref();
            let body_hash = &idempotency.expect("it is here for its key").body_hash;
            columns.keys.tenants.push(tenant.get());
            columns.keys.key_hashes.push(key_hash.to_vec());
            columns.keys.body_hashes.push(body_hash.as_slice());
            columns.keys.events.push(self.ids[*index].get());
        }
        columns
    }

    /// These were new.
    pub(super) fn stored(&mut self, ids: impl Iterator<Item = EventId>) {
        self.stored = ids.collect();
        let unknown = self.first_with.iter();
        let unknown = unknown.filter(|(_, index)| !self.stored.contains(&self.ids[**index]));
        self.unknown = unknown.map(|(key, _)| *key).collect();
    }

    /// The keys that were not: who holds them?
    pub(super) fn unknown_keys(&self) -> (Vec<i32>, Vec<Vec<u8>>) {
        let keys = self.unknown.iter();
        keys.map(|(tenant, hash)| (tenant.get(), hash.to_vec()))
            .unzip()
    }

    /// The answer for one of [`Self::unknown_keys`].
    pub(super) fn known(&mut self, position: usize, id: EventId, body_hash: BodyHash) {
        self.known.insert(self.unknown[position], (id, body_hash));
    }

    /// One result an event, in their order; None where a key is neither new nor known.
    pub(super) fn results(&self, config: ConfigVersion) -> Option<Vec<Appended>> {
        let events = self.events.iter().zip(self.ids);
        events
            .map(|(event, id)| {
                if self.stored.contains(id) {
                    return Some(Appended::Stored { id: *id, config });
                }
                if event.outbox.is_some() {
                    return Some(Appended::NotTaken);
                }
                let (id, body_hash) = self.holder(&key(event)?)?;
                let same = event.idempotency?.body_hash == body_hash;
                Some(if same {
                    Appended::Duplicate { id }
                } else {
                    Appended::OtherBody { id }
                })
            })
            .collect()
    }

    fn holder(&self, key: &Key) -> Option<(EventId, BodyHash)> {
        if let Some(holder) = self.known.get(key) {
            return Some(*holder);
        }
        let first = *self.first_with.get(key)?;
        Some((self.ids[first], self.events[first].idempotency?.body_hash))
    }

    fn id_of(&self, key: &Key) -> Option<EventId> {
        self.first_with.get(key).map(|index| self.ids[*index])
    }
}

fn key(event: &NewEvent) -> Option<Key> {
    event
        .idempotency
        .map(|idempotency| (event.tenant, idempotency.key_hash))
}

/// A hash as the table's constraint keeps it; a row of another length equals nobody's.
pub(super) fn body_hash(bytes: &[u8]) -> BodyHash {
    bytes.try_into().unwrap_or_default()
}

/// The parameters of `queries/append.sql`.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    pub(super) events: EventColumns<'a>,
    /// Targets of all events, one after the other.
    pub(super) targets: Vec<i32>,
    pub(super) parked: ParkedColumns,
    pub(super) windows: WindowColumns,
    pub(super) keys: KeyColumns<'a>,
    pub(super) outbox: OutboxColumns,
}

#[derive(Debug, Default)]
pub(super) struct OutboxColumns {
    /// Rows that become events.
    pub(super) rows: Vec<i64>,
    /// The oldest configuration that one of them was matched with.
    pub(super) matched_with: Option<ConfigVersion>,
}

#[derive(Debug, Default)]
pub(super) struct EventColumns<'a> {
    pub(super) ids: Vec<i64>,
    pub(super) tenants: Vec<i32>,
    pub(super) types: Vec<&'a str>,
    pub(super) attributes: Vec<Vec<u8>>,
    pub(super) payloads: Vec<&'a [u8]>,
    pub(super) have_keys: Vec<bool>,
    /// Where an event's share of the flat columns begins and ends, counted from one.
    pub(super) targets_from: Vec<i32>,
    pub(super) targets_to: Vec<i32>,
    pub(super) parked_from: Vec<i32>,
    pub(super) parked_to: Vec<i32>,
    /// Zero for an event that came another way.
    pub(super) outbox_rows: Vec<i64>,
}

#[derive(Debug, Default)]
pub(super) struct ParkedColumns {
    pub(super) subscriptions: Vec<i32>,
    pub(super) buckets: Vec<i16>,
    pub(super) events: Vec<i64>,
    /// None: in a window.
    pub(super) reasons: Vec<Option<i16>>,
    pub(super) orders: Vec<Option<i64>>,
}

/// The windows of what is parked, one entry each; all of them none where it has no window.
#[derive(Debug, Default)]
pub(super) struct WindowColumns {
    pub(super) keys: Vec<Option<String>>,
    pub(super) groupings: Vec<Option<i16>>,
    pub(super) sizes: Vec<Option<i32>>,
    pub(super) quiet_ms: Vec<Option<i32>>,
    pub(super) max_wait_ms: Vec<Option<i32>>,
    pub(super) max_events: Vec<Option<i32>>,
    pub(super) max_bytes: Vec<Option<i32>>,
}

impl WindowColumns {
    fn push(&mut self, window: Option<&Window>, (id, bytes): (EventId, usize)) {
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let ms = |span: Duration| i32::try_from(span.as_millis()).unwrap_or(i32::MAX);
        // A lane's batches are its own, so that lanes never wait for each other's rows.
        let key = window.map(|window| match &window.key {
            Some(key) => key.to_string(),
            None => format!("lane {}", id.lane().get()),
        });
        self.keys.push(key);
        let grouping = window.map(|window| window.grouping.code());
        self.groupings.push(grouping);
        let size = i32::try_from(bytes).unwrap_or(i32::MAX);
        self.sizes.push(window.map(|_| size));
        let quiet = window.and_then(|window| window.quiet);
        self.quiet_ms.push(quiet.map(ms));
        self.max_wait_ms
            .push(window.map(|window| ms(window.max_wait)));
        self.max_events
            .push(window.map(|window| number(window.max_events)));
        self.max_bytes
            .push(window.map(|window| number(window.max_bytes)));
    }
}

#[derive(Debug, Default)]
pub(super) struct KeyColumns<'a> {
    pub(super) tenants: Vec<i32>,
    pub(super) key_hashes: Vec<Vec<u8>>,
    pub(super) body_hashes: Vec<&'a [u8]>,
    pub(super) events: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, event: &'a NewEvent, id: EventId) {
        let position = |length: usize| i32::try_from(length).expect("a request is far smaller");
        let events = &mut self.events;
        events.ids.push(id.get());
        events.tenants.push(event.tenant.get());
        events.types.push(&event.event_type);
        let attributes = serde_json::to_vec(&event.attributes);
        let attributes = attributes.expect("attributes are texts and a number");
        events.attributes.push(attributes);
        events.payloads.push(&event.data);
        events.have_keys.push(event.idempotency.is_some());
        events.targets_from.push(position(self.targets.len() + 1));
        let targets = event.targets.iter().map(|target| target.get());
        self.targets.extend(targets);
        events.targets_to.push(position(self.targets.len()));
        let parked = &mut self.parked;
        events
            .parked_from
            .push(position(parked.subscriptions.len() + 1));
        for (subscription, wait) in &event.parked {
            parked.subscriptions.push(subscription.get());
            parked.buckets.push(BucketId::of(*subscription).get());
            parked.events.push(id.get());
            let (reason, order) = match wait {
                Wait::Parked { reason, order } => (Some(reason.code()), *order),
                Wait::Ordered(order) => (Some(ParkReason::Ordered.code()), Some(*order)),
                Wait::Window(_) => (None, None),
            };
            parked.reasons.push(reason);
            parked.orders.push(order.map(OrderKey::get));
            let window = match wait {
                Wait::Window(window) => Some(window),
                _ => None,
            };
            self.windows.push(window, (id, event.data.len()));
        }
        events.parked_to.push(position(parked.subscriptions.len()));
        events
            .outbox_rows
            .push(event.outbox.map_or(0, |outbox| outbox.row));
        if let Some(outbox) = event.outbox {
            self.outbox.rows.push(outbox.row);
            let oldest = self.outbox.matched_with.unwrap_or(outbox.matched_with);
            self.outbox.matched_with = Some(oldest.min(outbox.matched_with));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event_log::Idempotency;
    use super::*;

    fn event(key: Option<(u8, u8)>) -> NewEvent {
        NewEvent {
            tenant: TenantId::new(1),
            event_type: "a.b".into(),
            attributes: Default::default(),
            data: "{}".into(),
            targets: Vec::new(),
            parked: Vec::new(),
            idempotency: key.map(|(key, body)| Idempotency {
                key_hash: [key; 32],
                body_hash: [body; 32],
            }),
            outbox: None,
        }
    }

    #[test]
    fn the_first_event_with_a_key_stands_for_it() {
        let events = [
            event(Some((2, 1))),
            event(None),
            event(Some((1, 1))),
            event(Some((2, 1))),
            event(Some((2, 9))),
            event(Some((1, 1))),
        ];
        let events: Vec<&NewEvent> = events.iter().collect();
        let ids: Vec<EventId> = (1..=6).map(EventId::new).collect();
        let mut batch = Batch::new(&events, &ids);
        let columns = batch.columns();
        assert_eq!(columns.events.ids, [1, 2, 3]);
        assert_eq!(columns.keys.events, [3, 1], "sorted by key");

        batch.stored([1, 2].into_iter().map(EventId::new));
        assert_eq!(batch.unknown_keys().0.len(), 1);
        batch.known(0, EventId::new(77), [1; 32]);

        let config = ConfigVersion::new(4);
        let stored = |id| Appended::Stored {
            id: EventId::new(id),
            config,
        };
        let duplicate = |id| Appended::Duplicate {
            id: EventId::new(id),
        };
        let other = Appended::OtherBody {
            id: EventId::new(1),
        };
        assert_eq!(
            batch.results(config).unwrap(),
            [
                stored(1),
                stored(2),
                duplicate(77),
                duplicate(1),
                other,
                duplicate(77)
            ]
        );
    }
}
