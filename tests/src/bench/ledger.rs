//! Which event was sent, acknowledged and delivered, when and how often: one slot for each number.
//!
//! Slots are made in chunks when their numbers come up and are written without a lock, so keeping
//! the account costs a few atomic stores an event. Nothing is ever sampled.

use std::ops::{AddAssign, Range};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// All numbers have the same number of digits, so all requests have the same size.
pub(super) const FIRST_NUMBER: u64 = 1_000_000_000;
const SLOTS_IN_CHUNK: usize = 1 << 16;
const MAX_CHUNKS: usize = 1 << 10;

/// Instants are microseconds since the ledger's start; 0 is never.
#[derive(Debug, Default)]
struct Slot {
    sent_at_us: AtomicU64,
    arrived_at_us: AtomicU64,
    last_at_us: AtomicU64,
    arrivals: AtomicU32,
    is_acknowledged: AtomicBool,
    /// How often it came to each of several receivers; not kept where there is one.
    by_receiver: OnceLock<Box<[AtomicU8]>>,
}

impl Slot {
    /// Receivers that got it, of `copies` that were to.
    fn receivers(&self, copies: u32) -> u64 {
        let arrivals = u64::from(self.arrivals.load(Relaxed));
        if copies == 1 {
            return arrivals.min(1);
        }
        let receivers = self.by_receiver.get().map_or(&[][..], |counts| counts);
        let got = receivers.iter().filter(|count| count.load(Relaxed) > 0);
        got.count() as u64
    }
}

#[derive(Debug)]
pub(super) struct Ledger {
    started_at: Instant,
    next: AtomicU64,
    /// Receivers that each event is to reach.
    copies: AtomicU32,
    arrivals: AtomicU64,
    chunks: Vec<OnceLock<Box<[Slot]>>>,
}

/// What became of a range of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub sent: u64,
    pub acknowledged: u64,
    /// At all their receivers together.
    pub arrived: u64,
    /// Acknowledged, but not arrived at a receiver that was to get it.
    pub missing: u64,
    /// Arrivals after the first at the same receiver.
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
            copies: AtomicU32::new(1),
            arrivals: AtomicU64::new(0),
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

    /// What is sent from now on is to reach so many receivers.
    pub(super) fn fan_out_to(&self, copies: u32) {
        self.copies.store(copies, Relaxed);
    }

    /// Numbers of events that are in the database already, as sent and acknowledged by now.
    pub(super) fn reserve(&self, count: u64) -> Range<u64> {
        let first = self.next.fetch_add(count, Relaxed);
        first..first + count
    }

    /// From now on they are on their way.
    pub(super) fn released(&self, numbers: Range<u64>, at: Instant) {
        for number in numbers {
            self.sent(number, at);
            self.acknowledged(number);
        }
    }

    /// False where nobody of that number was to get it.
    pub(super) fn arrived(&self, number: u64, receiver: u32) -> bool {
        let copies = self.copies.load(Relaxed);
        if receiver >= copies || !(FIRST_NUMBER..self.next_number()).contains(&number) {
            return false;
        }
        let slot = self.slot(number);
        let now_us = self.us(Instant::now());
        if copies > 1 {
            let counts = slot.by_receiver.get_or_init(|| {
                let receivers = 0..copies;
                receivers.map(|_| AtomicU8::new(0)).collect()
            });
            if let Some(count) = counts.get(receiver as usize) {
                count.fetch_add(1, Relaxed);
            }
        }
        if slot.arrivals.fetch_add(1, Relaxed) == 0 {
            slot.arrived_at_us.store(now_us, Relaxed);
        }
        slot.last_at_us.fetch_max(now_us, Relaxed);
        self.arrivals.fetch_add(1, Relaxed);
        true
    }

    pub(super) fn account(&self, numbers: Range<u64>) -> Account {
        let copies = self.copies.load(Relaxed);
        let mut account = Account::default();
        for slot in numbers.map(|number| self.slot(number)) {
            let is_acknowledged = slot.is_acknowledged.load(Relaxed);
            let arrivals = u64::from(slot.arrivals.load(Relaxed));
            let arrived = slot.receivers(copies);
            let wanted = u64::from(is_acknowledged) * u64::from(copies);
            account += Account {
                sent: u64::from(slot.sent_at_us.load(Relaxed) != 0),
                acknowledged: u64::from(is_acknowledged),
                arrived,
                missing: wanted.saturating_sub(arrived),
                duplicates: arrivals.saturating_sub(arrived),
            };
        }
        account
    }

    /// All arrivals so far: cheaper than an account while one waits.
    pub(super) fn arrivals(&self) -> u64 {
        self.arrivals.load(Relaxed)
    }

    /// From the first send to the last arrival.
    pub(super) fn span(&self, numbers: Range<u64>) -> Duration {
        let times = |of: fn(&Slot) -> &AtomicU64| {
            let slots = numbers.clone().map(|number| self.slot(number));
            slots
                .map(move |slot| of(slot).load(Relaxed))
                .filter(|at_us| *at_us != 0)
        };
        let first = times(|slot| &slot.sent_at_us).min().unwrap_or_default();
        let last = times(|slot| &slot.last_at_us).max().unwrap_or_default();
        Duration::from_micros(last.saturating_sub(first))
    }

    /// From the first arrival to the last.
    pub(super) fn arrival_span(&self, numbers: Range<u64>) -> Duration {
        let slots = numbers.map(|number| self.slot(number));
        let arrived = slots.filter(|slot| slot.arrivals.load(Relaxed) > 0);
        let (first, last) = arrived.fold((u64::MAX, 0), |(first, last), slot| {
            let at = (
                slot.arrived_at_us.load(Relaxed),
                slot.last_at_us.load(Relaxed),
            );
            (first.min(at.0), last.max(at.1))
        });
        Duration::from_micros(last.saturating_sub(first))
    }

    /// From each send to its first arrival, the shortest first.
    pub(super) fn first_waits(&self, numbers: Range<u64>) -> Vec<Duration> {
        self.waits(numbers, |slot| &slot.arrived_at_us)
    }

    /// From each send to its last arrival, the shortest first.
    pub(super) fn last_waits(&self, numbers: Range<u64>) -> Vec<Duration> {
        self.waits(numbers, |slot| &slot.last_at_us)
    }

    fn waits(&self, numbers: Range<u64>, end: fn(&Slot) -> &AtomicU64) -> Vec<Duration> {
        let mut waits: Vec<Duration> = numbers
            .filter_map(|number| {
                let slot = self.slot(number);
                let (sent, arrived) = (slot.sent_at_us.load(Relaxed), end(slot).load(Relaxed));
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

/// Of what is sorted, the shortest first; 0 where there is nothing.
pub(super) fn quantile_ms(sorted: &[Duration], share: f64) -> f64 {
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3
}
