//! Whose turn it is: deficit round robin over tenants, then over a tenant's subscriptions, under
//! caps for a subscription, a tenant and all of them.
//!
//! Pure on purpose: instants come in as arguments and items are whatever the caller queues, so
//! every rule is a table in the tests. A tenant's burst or a receiver that hangs fills its own
//! line and nobody else's. Nothing here sends, parks or waits.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::line::{Line, Share, Step};
use super::pace::Pace;
use crate::domain::ids::{SubscriptionId, TenantId};

/// Most events of one subscription that go through its plugins together.
pub const MAX_BATCH: usize = 100;
/// Batches that are with the plugins at once; their events are not counted as waiting.
const MAX_PREPARING: usize = 64;

/// How much may wait, and how much may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub max_waiting: usize,
    pub max_waiting_bytes: usize,
    pub max_in_flight: usize,
}

/// What a subscription allows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_in_flight: usize,
    /// Whether its items go through plugins before they can be sent.
    pub has_plugins: bool,
    /// Time from one request to the next where there is a rate limit.
    pub interval: Option<Duration>,
}

/// Whose line an item stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub tenant: TenantId,
    pub subscription: SubscriptionId,
}

/// An item, what it weighs, and since when it waits.
#[derive(Debug)]
pub struct Waiting<T> {
    pub item: T,
    pub weight_bytes: usize,
    pub since: Instant,
}

/// What to do next. Each turn must come back: by [`Queue::sent`] or by [`Queue::prepared`].
#[derive(Debug)]
pub enum Turn<T> {
    Send(Place, Waiting<T>),
    Prepare(Place, Vec<Waiting<T>>),
}

/// Everything that waits in memory.
#[derive(Debug)]
pub struct Queue<T> {
    bounds: Bounds,
    lines: HashMap<SubscriptionId, Line<T>>,
    tenants: HashMap<TenantId, Share>,
    /// Tenants with something to do, the next one first.
    ring: VecDeque<TenantId>,
    total: Share,
    /// Lines that could go on if fewer batches were with the plugins.
    held_up: Vec<SubscriptionId>,
}

impl<T> Queue<T> {
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            lines: HashMap::new(),
            tenants: HashMap::new(),
            ring: VecDeque::new(),
            total: Share::default(),
            held_up: Vec::new(),
        }
    }

    #[must_use]
    pub fn waiting(&self) -> usize {
        self.total.waiting
    }

    /// Whether nothing waits and nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.total.has_nothing_to_do()
    }

    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.total.in_flight
    }

    /// Puts an item at the end of its line.
    ///
    /// # Errors
    /// Gives it back where there is no room. A tenant may hold as much as is still free for
    /// others, so one alone gets half of the memory and a crowd shares it evenly.
    pub fn push(&mut self, place: Place, waiting: Waiting<T>) -> Result<(), Waiting<T>> {
        let free = self.bounds.max_waiting.saturating_sub(self.total.waiting);
        let free_bytes = self
            .bounds
            .max_waiting_bytes
            .saturating_sub(self.total.waiting_bytes);
        let held = self.tenants.entry(place.tenant).or_default();
        if held.waiting >= free || held.waiting_bytes + waiting.weight_bytes > free_bytes {
            return Err(waiting);
        }
        self.count_in(place.tenant, waiting.weight_bytes);
        self.line(place).fresh.push_back(waiting);
        self.enlist(place.subscription);
        Ok(())
    }

    /// The next thing to do; none where nothing waits or everything that waits is held back.
    pub fn next(
        &mut self,
        now: Instant,
        limits: impl Fn(SubscriptionId) -> Limits,
    ) -> Option<Turn<T>> {
        while self.total.in_flight < self.bounds.max_in_flight {
            let tenant = self.ring.pop_front()?;
            let turn = self.turn_of_tenant(tenant, now, &limits);
            self.enlist_tenant(tenant);
            if turn.is_some() {
                return turn;
            }
        }
        None
    }

    /// Takes the tenant out of the ring. None where it has its share under way already, has to save
    /// for what it sends next, or has nothing that can be done.
    fn turn_of_tenant(
        &mut self,
        tenant: TenantId,
        now: Instant,
        limits: impl Fn(SubscriptionId) -> Limits,
    ) -> Option<Turn<T>> {
        let max_in_flight = self.max_in_flight_of_tenant();
        let share = self.tenants.get_mut(&tenant)?;
        share.is_listed = false;
        if share.in_flight >= max_in_flight {
            return None;
        }
        share.savings.add_turn();
        let may_prepare = self.may_prepare(tenant);
        loop {
            let id = self.share(tenant).ring.pop_front()?;
            let Some(line) = self.lines.get_mut(&id) else {
                continue;
            };
            line.is_listed = false;
            if line.pace.is_held_back(now) {
                continue;
            }
            let mut limits = limits(id);
            if line.pace.is_probing() {
                limits.max_in_flight = 1;
            }
            match line.next_step(limits) {
                Step::Wait => {}
                Step::Prepare if may_prepare => return self.prepare(id),
                Step::Prepare => self.held_up.push(id),
                Step::Send { turns } => {
                    line.savings.add_turn();
                    if !line.savings.pay_for(turns) {
                        self.enlist(id);
                        continue;
                    }
                    let share = self.tenants.get_mut(&tenant)?;
                    if share.savings.pay_for(turns) {
                        let takes = |interval| line.pace.take_token(now, interval);
                        if !limits.interval.is_none_or(takes) {
                            continue;
                        }
                        return self.send(id, now);
                    }
                    // It stays the next one of its tenant.
                    line.is_listed = true;
                    share.ring.push_front(id);
                    return None;
                }
            }
        }
    }

    fn send(&mut self, id: SubscriptionId, now: Instant) -> Option<Turn<T>> {
        let line = self.lines.get_mut(&id)?;
        let waiting = line.take_head()?;
        let place = Place {
            tenant: line.tenant,
            subscription: id,
        };
        line.in_flight += 1;
        line.savings.spend();
        line.pace.starts(now);
        self.count_out(place.tenant, waiting.weight_bytes);
        let share = self.share(place.tenant);
        share.savings.spend();
        share.in_flight += 1;
        self.total.in_flight += 1;
        self.enlist(id);
        Some(Turn::Send(place, waiting))
    }

    fn prepare(&mut self, id: SubscriptionId) -> Option<Turn<T>> {
        let line = self.lines.get_mut(&id)?;
        let place = Place {
            tenant: line.tenant,
            subscription: id,
        };
        line.is_preparing = true;
        let count = line.fresh.len().min(MAX_BATCH);
        let batch: Vec<_> = line.fresh.drain(..count).collect();
        for waiting in &batch {
            self.count_out(place.tenant, waiting.weight_bytes);
        }
        self.total.preparing += 1;
        let share = self.share(place.tenant);
        share.preparing += 1;
        share.savings.spend();
        self.enlist(id);
        Some(Turn::Prepare(place, batch))
    }

    /// As with room to wait: a tenant may have as many batches with the plugins as are still free
    /// for others, or one with many plugins that loop would keep all others from theirs.
    fn may_prepare(&self, tenant: TenantId) -> bool {
        let free = MAX_PREPARING - self.total.preparing;
        let held = self.tenants.get(&tenant);
        held.map_or(0, |share| share.preparing) < free
    }

    /// A third where others could want the rest.
    fn max_in_flight_of_tenant(&self) -> usize {
        (self.bounds.max_in_flight / 3).max(1)
    }

    /// A [`Turn::Send`] is over.
    pub fn sent(&mut self, place: Place) {
        self.total.in_flight -= 1;
        self.share(place.tenant).in_flight -= 1;
        self.line(place).in_flight -= 1;
        self.enlist(place.subscription);
        self.enlist_tenant(place.tenant);
        self.forget_if_idle(place);
    }

    /// A [`Turn::Prepare`] is over; `batch` is what is left to be sent.
    pub fn prepared(&mut self, place: Place, batch: Vec<Waiting<T>>) {
        self.total.preparing -= 1;
        self.share(place.tenant).preparing -= 1;
        self.line(place).is_preparing = false;
        for waiting in batch {
            self.count_in(place.tenant, waiting.weight_bytes);
            self.line(place).prepared.push_back(waiting);
        }
        self.enlist(place.subscription);
        for held_up in std::mem::take(&mut self.held_up) {
            self.enlist(held_up);
        }
        self.forget_if_idle(place);
    }

    /// Puts an item that turned out to need its plugins again at the head of its line.
    pub fn put_back(&mut self, place: Place, waiting: Waiting<T>) {
        self.count_in(place.tenant, waiting.weight_bytes);
        self.line(place).fresh.push_front(waiting);
        self.enlist(place.subscription);
    }

    /// Everything that waits in one line.
    pub fn drain_line(&mut self, subscription: SubscriptionId) -> Vec<Waiting<T>> {
        self.take_while(subscription, |_| true)
    }

    /// What has waited since before `before`, line by line, the oldest first.
    pub fn drain_older(&mut self, before: Instant) -> Vec<(Place, Vec<Waiting<T>>)> {
        let is_old = |waiting: &Waiting<T>| waiting.since < before;
        let late: Vec<Place> = self
            .lines
            .iter()
            .filter(|(_, line)| {
                line.fresh.front().is_some_and(is_old) || line.prepared.front().is_some_and(is_old)
            })
            .map(|(id, line)| Place {
                tenant: line.tenant,
                subscription: *id,
            })
            .collect();
        late.into_iter()
            .map(|place| (place, self.take_while(place.subscription, is_old)))
            .collect()
    }

    fn take_while(
        &mut self,
        subscription: SubscriptionId,
        takes: impl Fn(&Waiting<T>) -> bool,
    ) -> Vec<Waiting<T>> {
        let Some(line) = self.lines.get_mut(&subscription) else {
            return Vec::new();
        };
        let tenant = line.tenant;
        let mut taken = Vec::new();
        for row in [&mut line.prepared, &mut line.fresh] {
            while row.front().is_some_and(&takes) {
                taken.extend(row.pop_front());
            }
        }
        for waiting in &taken {
            self.count_out(tenant, waiting.weight_bytes);
        }
        taken
    }

    /// Lets lines go on whose wait is over, and forgets those where nothing goes on.
    pub fn wake(&mut self, now: Instant) {
        self.lines
            .retain(|_, line| !line.is_idle() || !line.pace.is_forgettable(now));
        self.tenants.retain(|_, share| !share.is_idle());
        let over: Vec<SubscriptionId> = self
            .lines
            .iter()
            .filter(|(_, line)| line.waiting() > 0 && !line.pace.is_held_back(now))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            self.enlist(id);
        }
    }

    /// How fast a subscription is served; none where nothing of it is or was in memory.
    pub fn pace(&mut self, subscription: SubscriptionId) -> Option<&mut Pace> {
        self.lines.get_mut(&subscription).map(|line| &mut line.pace)
    }

    /// How long a line takes for one item, and how many are in it.
    #[must_use]
    pub fn outlook(&self, subscription: SubscriptionId, max_in_flight: usize) -> (Duration, usize) {
        self.lines
            .get(&subscription)
            .map_or((Duration::ZERO, 0), |line| {
                (line.pace.spacing(max_in_flight), line.waiting())
            })
    }

    fn line(&mut self, place: Place) -> &mut Line<T> {
        self.lines
            .entry(place.subscription)
            .or_insert_with(|| Line::new(place.tenant))
    }

    fn share(&mut self, tenant: TenantId) -> &mut Share {
        self.tenants.entry(tenant).or_default()
    }

    fn count_in(&mut self, tenant: TenantId, weight_bytes: usize) {
        let share = self.tenants.entry(tenant).or_default();
        for share in [share, &mut self.total] {
            share.waiting += 1;
            share.waiting_bytes += weight_bytes;
        }
    }

    fn count_out(&mut self, tenant: TenantId, weight_bytes: usize) {
        let share = self.tenants.entry(tenant).or_default();
        for share in [share, &mut self.total] {
            share.waiting -= 1;
            share.waiting_bytes -= weight_bytes;
        }
    }

    fn enlist(&mut self, id: SubscriptionId) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        if line.is_listed || line.waiting() == 0 {
            return;
        }
        line.is_listed = true;
        let tenant = line.tenant;
        self.share(tenant).ring.push_back(id);
        self.enlist_tenant(tenant);
    }

    fn enlist_tenant(&mut self, tenant: TenantId) {
        let max_in_flight = self.max_in_flight_of_tenant();
        let share = self.tenants.entry(tenant).or_default();
        if !share.is_listed && !share.ring.is_empty() && share.in_flight < max_in_flight {
            share.is_listed = true;
            self.ring.push_back(tenant);
        }
    }

    /// Keeps the maps as small as what is going on; a line with a past is remembered.
    fn forget_if_idle(&mut self, place: Place) {
        if self
            .lines
            .get(&place.subscription)
            .is_some_and(|line| line.is_idle() && line.pace.is_blank())
        {
            self.lines.remove(&place.subscription);
        }
        if self.tenants.get(&place.tenant).is_some_and(Share::is_idle) {
            self.tenants.remove(&place.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Bounds = Bounds {
        max_waiting: 100_000,
        max_waiting_bytes: 100_000_000,
        max_in_flight: 3_000,
    };
    const PLAIN: Limits = Limits {
        max_in_flight: 16,
        has_plugins: false,
        interval: None,
    };

    fn place(tenant: i32, subscription: i32) -> Place {
        Place {
            tenant: TenantId::new(tenant),
            subscription: SubscriptionId::new(subscription),
        }
    }

    fn item(item: u32, now: Instant) -> Waiting<u32> {
        Waiting {
            item,
            weight_bytes: 10,
            since: now,
        }
    }

    fn send(queue: &mut Queue<u32>, now: Instant, limits: Limits) -> Option<(Place, u32)> {
        match queue.next(now, |_| limits)? {
            Turn::Send(place, waiting) => Some((place, waiting.item)),
            Turn::Prepare(..) => panic!("nothing has to be prepared"),
        }
    }

    #[test]
    fn tenants_take_turns_whatever_their_number_of_subscriptions() {
        let now = Instant::now();
        let mut queue = Queue::new(WIDE);
        for subscription in 1..=50 {
            queue.push(place(1, subscription), item(1, now)).unwrap();
            queue.push(place(1, subscription), item(1, now)).unwrap();
        }
        for number in 0..4 {
            queue.push(place(2, 99), item(number, now)).unwrap();
        }
        let order: Vec<i32> = (0..8)
            .map(|_| send(&mut queue, now, PLAIN).unwrap().0.tenant.get())
            .collect();
        assert_eq!(order, [1, 2, 1, 2, 1, 2, 1, 2]);
    }

    #[test]
    fn who_sends_large_events_gets_fewer_turns() {
        let now = Instant::now();
        let mut queue = Queue::new(WIDE);
        let heavy = |weight_bytes| Waiting {
            weight_bytes,
            ..item(0, now)
        };
        for _ in 0..200 {
            queue.push(place(1, 1), heavy(144 * 1024)).unwrap();
            queue.push(place(2, 2), heavy(1024)).unwrap();
            // A tenant's own subscriptions are told apart in the same way.
            queue.push(place(3, 31), heavy(144 * 1024)).unwrap();
            queue.push(place(3, 32), heavy(1024)).unwrap();
        }
        let limits = Limits {
            max_in_flight: 1000,
            ..PLAIN
        };
        let mut sent = HashMap::<i32, usize>::new();
        for _ in 0..220 {
            let (at, _) = send(&mut queue, now, limits).unwrap();
            *sent.entry(at.subscription.get()).or_default() += 1;
        }
        // A large event costs ten turns, and everybody has had as many.
        let used = [10 * sent[&1], sent[&2], 10 * sent[&31] + sent[&32]];
        assert!(
            used.iter().all(|used| (120..=140).contains(used)),
            "{sent:?}"
        );
        let (heavy, light) = (10 * sent[&31], sent[&32]);
        assert!(heavy.abs_diff(light) <= 10, "{sent:?}");
    }

    #[test]
    fn alone_a_large_event_waits_for_nobody() {
        let now = Instant::now();
        let mut queue = Queue::new(WIDE);
        let large = Waiting {
            weight_bytes: 8 << 20,
            ..item(7, now)
        };
        queue.push(place(1, 1), large).unwrap();
        assert_eq!(send(&mut queue, now, PLAIN), Some((place(1, 1), 7)));
    }

    #[test]
    fn subscriptions_of_a_tenant_take_turns_and_keep_their_order() {
        let now = Instant::now();
        let mut queue = Queue::new(WIDE);
        for number in 0..3 {
            queue.push(place(1, 1), item(number, now)).unwrap();
        }
        queue.push(place(1, 2), item(10, now)).unwrap();
        let order: Vec<u32> =
            std::iter::from_fn(|| send(&mut queue, now, PLAIN).map(|turn| turn.1)).collect();
        assert_eq!(order, [0, 10, 1, 2]);
    }

    #[test]
    fn a_subscription_at_its_cap_waits_for_a_slot() {
        let now = Instant::now();
        let mut queue = Queue::new(WIDE);
        for number in 0..40 {
            queue.push(place(1, 1), item(number, now)).unwrap();
        }
        queue.push(place(1, 2), item(100, now)).unwrap();
        let mut started = 0;
        while send(&mut queue, now, PLAIN).is_some() {
            started += 1;
        }
        assert_eq!((started, queue.in_flight()), (17, 17));
        queue.sent(place(1, 1));
        assert_eq!(send(&mut queue, now, PLAIN), Some((place(1, 1), 16)));
        assert_eq!(send(&mut queue, now, PLAIN), None);
    }

    #[test]
    fn a_tenant_gets_a_third_of_the_slots() {
        let now = Instant::now();
        let mut queue = Queue::new(Bounds {
            max_in_flight: 9,
            ..WIDE
        });
        for number in 0..10 {
            queue.push(place(1, 1), item(number, now)).unwrap();
        }
        for _ in 0..3 {
            assert!(send(&mut queue, now, PLAIN).is_some());
        }
        assert_eq!(send(&mut queue, now, PLAIN), None);
        queue.push(place(2, 2), item(50, now)).unwrap();
        assert_eq!(send(&mut queue, now, PLAIN), Some((place(2, 2), 50)));
        queue.sent(place(1, 1));
        assert_eq!(send(&mut queue, now, PLAIN), Some((place(1, 1), 3)));
    }

    #[test]
    fn plugins_see_batches_and_only_what_they_passed_is_sent() {
        let now = Instant::now();
        let limits = Limits {
            has_plugins: true,
            ..PLAIN
        };
        let mut queue = Queue::new(WIDE);
        for number in 0..150 {
            queue.push(place(1, 1), item(number, now)).unwrap();
        }
        let Some(Turn::Prepare(at, mut batch)) = queue.next(now, |_| limits) else {
            panic!("a batch comes first");
        };
        assert_eq!(batch.len(), MAX_BATCH);
        assert!(queue.next(now, |_| limits).is_none());
        batch.truncate(2);
        queue.prepared(at, batch);
        assert_eq!(send(&mut queue, now, limits), Some((at, 0)));
        assert_eq!(send(&mut queue, now, limits), Some((at, 1)));
        let Some(Turn::Prepare(_, batch)) = queue.next(now, |_| limits) else {
            panic!("the rest follows");
        };
        assert_eq!(batch.len(), 50);
    }

    #[test]
    fn a_tenant_leaves_room_at_the_plugins_to_others() {
        let now = Instant::now();
        let limits = Limits {
            has_plugins: true,
            ..PLAIN
        };
        let prepared = |queue: &mut Queue<u32>| match queue.next(now, |_| limits) {
            Some(Turn::Prepare(at, batch)) => Some((at, batch)),
            other => {
                assert!(other.is_none(), "nothing can be sent yet");
                None
            }
        };
        let mut queue = Queue::new(WIDE);
        for subscription in 0..100 {
            queue.push(place(1, subscription), item(0, now)).unwrap();
        }
        let mut first = Vec::new();
        while let Some(turn) = prepared(&mut queue) {
            first.push(turn);
        }
        assert_eq!(first.len(), MAX_PREPARING / 2);

        queue.push(place(2, 200), item(0, now)).unwrap();
        let (at, _) = prepared(&mut queue).expect("another tenant's turn comes at once");
        assert_eq!(at, place(2, 200));
        queue.prepared(at, Vec::new());

        let (at, _) = first.remove(0);
        queue.prepared(at, Vec::new());
        let (at, _) = prepared(&mut queue).expect("who was held up goes on");
        assert_eq!(at.tenant, place(1, 0).tenant);
    }

    #[test]
    fn a_tenant_may_hold_as_much_as_it_leaves_to_others() {
        let now = Instant::now();
        let mut queue = Queue::new(Bounds {
            max_waiting: 100,
            ..WIDE
        });
        let fill = |queue: &mut Queue<u32>, tenant| {
            (0..100)
                .filter(|number| {
                    queue
                        .push(place(tenant, tenant), item(*number, now))
                        .is_ok()
                })
                .count()
        };
        assert_eq!(fill(&mut queue, 1), 50);
        assert_eq!(fill(&mut queue, 2), 25);
        assert_eq!(queue.waiting(), 75);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let now = Instant::now();
        let mut queue = Queue::new(Bounds {
            max_waiting_bytes: 1_000,
            ..WIDE
        });
        let heavy = |weight_bytes| Waiting {
            weight_bytes,
            ..item(0, now)
        };
        assert!(queue.push(place(1, 1), heavy(600)).is_ok());
        assert!(queue.push(place(2, 2), heavy(600)).is_err());
        assert!(queue.push(place(2, 2), heavy(300)).is_ok());
    }

    #[test]
    fn what_waited_too_long_comes_out_oldest_first() {
        let start = Instant::now();
        let mut queue = Queue::new(WIDE);
        for number in 0..5_u32 {
            let at = start + Duration::from_secs(u64::from(number));
            queue.push(place(1, 1), item(number, at)).unwrap();
        }
        let late = queue.drain_older(start + Duration::from_secs(3));
        let items: Vec<u32> = late
            .iter()
            .flat_map(|(_, late)| late.iter().map(|waiting| waiting.item))
            .collect();
        assert_eq!((items, queue.waiting()), (vec![0, 1, 2], 2));
    }

    #[test]
    fn a_line_that_is_held_back_goes_on_afterwards() {
        let now = Instant::now();
        let mut queue = Queue::new(WIDE);
        queue.push(place(1, 1), item(0, now)).unwrap();
        queue.push(place(1, 1), item(1, now)).unwrap();
        send(&mut queue, now, PLAIN).unwrap();
        let pace = queue.pace(SubscriptionId::new(1)).unwrap();
        pace.hold_back(now, Duration::from_secs(5));
        queue.sent(place(1, 1));
        assert_eq!(send(&mut queue, now, PLAIN), None);
        let later = now + Duration::from_secs(5);
        queue.wake(later);
        assert_eq!(send(&mut queue, later, PLAIN), Some((place(1, 1), 1)));
    }

    #[test]
    fn nothing_is_left_behind_when_all_is_done() {
        let now = Instant::now();
        let mut queue = Queue::new(WIDE);
        queue.push(place(1, 1), item(0, now)).unwrap();
        send(&mut queue, now, PLAIN).unwrap();
        assert_eq!(send(&mut queue, now, PLAIN), None);
        queue.sent(place(1, 1));
        assert!(queue.lines.is_empty() && queue.tenants.is_empty() && queue.ring.is_empty());
    }
}
