//! Which event was sent, acknowledged and delivered, when and how often: one slot for each number.
//!
//! Slots are made in chunks when their numbers come up and are written without a lock, so keeping
//! the account costs a few atomic stores an event. Nothing is ever sampled.

use std::ops::{AddAssign, Range};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::Serialize;

/// All numbers have the same number of digits, so all requests have the same size.
pub(super) const FIRST_NUMBER: u64 = 1_000_000_000;
const SLOTS_IN_CHUNK: usize = 1 << 16;
const MAX_CHUNKS: usize = 1 << 10;

/// Instants are microseconds since the ledger's start; 0 is never.
#[derive(Debug, Default)]
struct Slot {
    sent_at_us: AtomicU64,
    arrived_at_us: AtomicU64,
    arrivals: AtomicU32,
    is_acknowledged: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Ledger {
    started_at: Instant,
    next: AtomicU64,
    chunks: Vec<OnceLock<Box<[Slot]>>>,
}

/// What became of a range of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    pub sent: u64,
    pub acknowledged: u64,
    pub arrived: u64,
    /// Acknowledged, but not arrived.
    pub missing: u64,
    /// Arrivals after the first.
    pub duplicates: u64,
}

impl AddAssign for Account {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.arrived += other.arrived;
        self.missing += other.missing;
        self.duplicates += other.duplicates;
    }
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            started_at: Instant::now(),
            next: AtomicU64::new(FIRST_NUMBER),
            chunks: (0..MAX_CHUNKS).map(|_| OnceLock::new()).collect(),
        }
    }

    /// A number that nobody had before.
    pub(super) fn take_number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    /// The number that is taken next.
    pub(super) fn next_number(&self) -> u64 {
        self.next.load(Relaxed)
    }

    pub(super) fn sent(&self, number: u64, at: Instant) {
        self.slot(number).sent_at_us.store(self.us(at), Relaxed);
    }

    pub(super) fn acknowledged(&self, number: u64) {
        self.slot(number).is_acknowledged.store(true, Relaxed);
    }

    pub(super) fn arrived(&self, number: u64) {
        let slot = self.slot(number);
        if slot.arrivals.fetch_add(1, Relaxed) == 0 {
            slot.arrived_at_us.store(self.us(Instant::now()), Relaxed);
        }
    }

    pub(super) fn account(&self, numbers: Range<u64>) -> Account {
        let mut account = Account::default();
        for slot in numbers.map(|number| self.slot(number)) {
            let is_acknowledged = slot.is_acknowledged.load(Relaxed);
            let arrivals = u64::from(slot.arrivals.load(Relaxed));
            account += Account {
                sent: u64::from(slot.sent_at_us.load(Relaxed) != 0),
                acknowledged: u64::from(is_acknowledged),
                arrived: arrivals.min(1),
                missing: u64::from(is_acknowledged && arrivals == 0),
                duplicates: arrivals.saturating_sub(1),
            };
        }
        account
    }

    /// From the first send to the last first arrival.
    pub(super) fn span(&self, numbers: Range<u64>) -> Duration {
        let times = |of: fn(&Slot) -> &AtomicU64| {
            let slots = numbers.clone().map(|number| self.slot(number));
            slots
                .map(move |slot| of(slot).load(Relaxed))
                .filter(|at_us| *at_us != 0)
        };
        let first = times(|slot| &slot.sent_at_us).min().unwrap_or_default();
        let last = times(|slot| &slot.arrived_at_us).max().unwrap_or_default();
        Duration::from_micros(last.saturating_sub(first))
    }

    /// From each send to its first arrival, the shortest first.
    pub(super) fn waits(&self, numbers: Range<u64>) -> Vec<Duration> {
        let mut waits: Vec<Duration> = numbers
            .filter_map(|number| {
                let slot = self.slot(number);
                let (sent, arrived) = (
                    slot.sent_at_us.load(Relaxed),
                    slot.arrived_at_us.load(Relaxed),
                );
                (sent != 0 && arrived != 0)
                    .then(|| Duration::from_micros(arrived.saturating_sub(sent)))
            })
            .collect();
        waits.sort_unstable();
        waits
    }

    fn slot(&self, number: u64) -> &Slot {
        let index = usize::try_from(number - FIRST_NUMBER).expect("numbers fit into memory");
        let chunk = self
            .chunks
            .get(index / SLOTS_IN_CHUNK)
            .expect("nobody runs the benchmark for 67 million events");
        let slots = chunk.get_or_init(|| (0..SLOTS_IN_CHUNK).map(|_| Slot::default()).collect());
        &slots[index % SLOTS_IN_CHUNK]
    }

    /// Never 0, which means never.
    fn us(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.started_at).as_micros();
        u64::try_from(since)
            .expect("a run ends within years")
            .max(1)
    }
}
