//! Whose job runs next: deficit round robin over tenants, in processor time.
//!
//! Pure on purpose: it starts nothing and reads no clock. What a job cost is known
//! only when it ends, so a tenant is charged afterwards and pays back a debt before
//! it goes ahead of others. The debt outlives the tenant's own empty queue, else one
//! that sends a slow job at a time would never pay.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Processor time a tenant gets in one round.
const QUANTUM_NS: i64 = 5_000_000;

#[derive(Debug)]
pub(crate) struct FairQueue<J> {
    lanes: HashMap<Arc<str>, Lane<J>>,
    /// Tenants with waiting jobs, in turn.
    turns: VecDeque<Arc<str>>,
    max_waiting_per_tenant: usize,
    /// Of tenants on probation, so that a thread is left for everybody else.
    max_running_on_probation: usize,
    running_on_probation: usize,
    waiting: usize,
}

#[derive(Debug)]
struct Lane<J> {
    jobs: VecDeque<J>,
    credit_ns: i64,
    running: usize,
    /// Its last job ended by force.
    is_on_probation: bool,
}

/// A job that was taken: hand it back to [`FairQueue::finish`] with its cost.
#[derive(Debug)]
pub(crate) struct Turn {
    tenant: Arc<str>,
    was_on_probation: bool,
}

impl<J> FairQueue<J> {
    pub(crate) fn new(threads: usize, max_waiting_per_tenant: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            max_waiting_per_tenant,
            max_running_on_probation: threads.saturating_sub(1).max(1),
            running_on_probation: 0,
            waiting: 0,
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes `job` in, or gives it back when its tenant has too many waiting.
    pub(crate) fn push(&mut self, tenant: &Arc<str>, job: J) -> Result<(), J> {
        let lane = self
            .lanes
            .entry(Arc::clone(tenant))
            .or_insert_with(Lane::new);
        if lane.jobs.len() >= self.max_waiting_per_tenant {
            return Err(job);
        }
        if lane.jobs.is_empty() {
            self.turns.push_back(Arc::clone(tenant));
        }
        lane.jobs.push_back(job);
        self.waiting += 1;
        Ok(())
    }

    /// The next job, of the first tenant in turn that is not in debt; where all
    /// are, rounds pass until one is not.
    pub(crate) fn pop(&mut self) -> Option<(J, Turn)> {
        let ready = |queue: &Self, tenant: &Arc<str>| {
            queue.lanes[tenant].credit_ns > 0 && queue.may_run(tenant)
        };
        let mut position = self.turns.iter().position(|tenant| ready(self, tenant));
        if position.is_none() {
            self.pass_rounds()?;
            position = self.turns.iter().position(|tenant| ready(self, tenant));
        }
        let tenant = self.turns.remove(position?)?;
        let lane = self
            .lanes
            .get_mut(&tenant)
            .expect("a tenant in turn has a lane");
        let job = lane.jobs.pop_front().expect("a tenant in turn has a job");
        lane.running += 1;
        let was_on_probation = lane.is_on_probation;
        if !lane.jobs.is_empty() {
            self.turns.push_back(Arc::clone(&tenant));
        }
        self.waiting -= 1;
        self.running_on_probation += usize::from(was_on_probation);
        Some((
            job,
            Turn {
                tenant,
                was_on_probation,
            },
        ))
    }

    /// Charges what a job cost. `ended_by_force` puts its tenant on probation until
    /// a job of it ends well.
    pub(crate) fn finish(&mut self, turn: Turn, cost: Duration, ended_by_force: bool) {
        self.running_on_probation -= usize::from(turn.was_on_probation);
        let lane = self
            .lanes
            .get_mut(&turn.tenant)
            .expect("a running job keeps its lane");
        lane.running -= 1;
        lane.credit_ns -= i64::try_from(cost.as_nanos()).unwrap_or(i64::MAX / 2);
        lane.is_on_probation = ended_by_force;
        self.forget_settled();
    }

    /// Everything that waits, for a queue that closes.
    pub(crate) fn drain(&mut self) -> Vec<J> {
        self.turns.clear();
        self.waiting = 0;
        self.lanes
            .values_mut()
            .flat_map(|lane| lane.jobs.drain(..))
            .collect()
    }

    fn may_run(&self, tenant: &Arc<str>) -> bool {
        !self.lanes[tenant].is_on_probation
            || self.running_on_probation < self.max_running_on_probation
    }

    /// Credits all tenants as many rounds as the least indebted of those that wait
    /// needs. None when nobody may run.
    fn pass_rounds(&mut self) -> Option<()> {
        let waiting = self.turns.iter().filter(|tenant| self.may_run(tenant));
        let best_ns = waiting.map(|tenant| self.lanes[tenant].credit_ns).max()?;
        let rounds = (-best_ns).max(0) / QUANTUM_NS + 1;
        for lane in self.lanes.values_mut() {
            // Nobody saves up more than one round.
            lane.credit_ns = lane
                .credit_ns
                .saturating_add(rounds * QUANTUM_NS)
                .min(QUANTUM_NS);
        }
        self.forget_settled();
        Some(())
    }

    /// Drops lanes that say nothing: idle and with full credit. With nobody waiting
    /// or running a new account begins, and only probation is remembered.
    fn forget_settled(&mut self) {
        let is_idle = self.waiting == 0 && self.lanes.values().all(|lane| lane.running == 0);
        self.lanes.retain(|_, lane| {
            let is_settled = is_idle || lane.credit_ns >= QUANTUM_NS;
            !lane.jobs.is_empty() || lane.running > 0 || lane.is_on_probation || !is_settled
        });
    }
}

impl<J> Lane<J> {
    fn new() -> Self {
        Self {
            jobs: VecDeque::new(),
            credit_ns: QUANTUM_NS,
            running: 0,
            is_on_probation: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FairQueue;
    use std::sync::Arc;
    use std::time::Duration;

    fn tenant(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    /// One thread works for 1 s; returns how often each tenant had its turn.
    fn turns_in_a_second(costs_ms: &[(&str, u64)]) -> Vec<usize> {
        let mut queue = FairQueue::new(1, 4);
        for (index, (name, _)) in costs_ms.iter().enumerate() {
            queue.push(&tenant(name), index).unwrap();
            queue.push(&tenant(name), index).unwrap();
        }
        let mut turns = vec![0; costs_ms.len()];
        let mut worked_ms = 0;
        while worked_ms < 1000 {
            let (index, turn) = queue.pop().unwrap();
            let (name, cost_ms) = costs_ms[index];
            queue.finish(turn, Duration::from_millis(cost_ms), false);
            queue.push(&tenant(name), index).unwrap();
            turns[index] += 1;
            worked_ms += cost_ms;
        }
        turns
    }

    #[test]
    fn tenants_share_time_and_not_turns() {
        let turns = turns_in_a_second(&[("slow", 50), ("quick", 1)]);
        assert!((9..=11).contains(&turns[0]), "{turns:?}");
        assert!((450..=560).contains(&turns[1]), "{turns:?}");
    }

    #[test]
    fn a_debt_outlives_the_tenants_empty_queue() {
        let mut queue = FairQueue::new(1, 4);
        queue.push(&tenant("slow"), "slow").unwrap();
        let (_, turn) = queue.pop().unwrap();
        queue.push(&tenant("other"), "other").unwrap();
        queue.finish(turn, Duration::from_millis(100), false);

        queue.push(&tenant("slow"), "slow").unwrap();
        queue.push(&tenant("quick"), "quick").unwrap();
        assert_eq!(queue.pop().unwrap().0, "other");
        assert_eq!(queue.pop().unwrap().0, "quick");
        assert_eq!(queue.pop().unwrap().0, "slow");
    }

    #[test]
    fn a_tenant_with_too_many_waiting_gets_its_job_back() {
        let mut queue = FairQueue::new(1, 1);
        assert!(queue.push(&tenant("a"), 1).is_ok());
        assert_eq!(queue.push(&tenant("a"), 2), Err(2));
        assert!(queue.push(&tenant("b"), 3).is_ok());
        assert_eq!(queue.waiting(), 2);
    }

    #[test]
    fn tenants_on_probation_leave_a_thread_to_others() {
        let mut queue = FairQueue::new(2, 4);
        for name in ["loop-1", "loop-2"] {
            queue.push(&tenant(name), name).unwrap();
            let (_, turn) = queue.pop().unwrap();
            queue.finish(turn, Duration::from_millis(50), true);
            queue.push(&tenant(name), name).unwrap();
        }
        let (_, first) = queue.pop().unwrap();
        assert!(queue.pop().is_none(), "the second thread is kept free");
        queue.push(&tenant("good"), "good").unwrap();
        assert_eq!(queue.pop().unwrap().0, "good");
        queue.finish(first, Duration::from_millis(50), true);
        assert!(queue.pop().is_some());
    }

    #[test]
    fn settled_tenants_are_forgotten() {
        let mut queue = FairQueue::new(1, 4);
        for number in 0..100 {
            queue
                .push(&tenant(&format!("tenant-{number}")), number)
                .unwrap();
            let (_, turn) = queue.pop().unwrap();
            queue.finish(turn, Duration::from_micros(10), false);
        }
        assert!(queue.lanes.is_empty(), "{}", queue.lanes.len());
    }
}
