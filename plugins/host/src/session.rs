//! A plugin at work for one caller: one instance, call after call, and a new one
//! after a call that ended by force.
//!
//! Three such calls end the session, as do its time and its bytes; what was not
//! reached is not asked, so that no event is ever blamed for its neighbours.

use crate::event::{BatchJob, FoldJob, GuestEvent, ReceiveJob};
use crate::instance::{LiveInstance, Surroundings};
use crate::limits::Limits;
use crate::load::LoadedPlugin;
use crate::mark::Mark;
use crate::report::{CallFailure, CallReport, Reception, Start, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// What a call may come back with.
pub(crate) trait Returned {
    /// What it holds in memory.
    fn bytes(&self) -> usize;
}

pub(crate) struct Session {
    plugin: Arc<LoadedPlugin>,
    surroundings: Surroundings,
    instance: Option<LiveInstance>,
    started: Mark,
    /// When the last call ended, which is when the next begins.
    now: Mark,
    failures: usize,
    /// Data handed over so far, in both directions.
    bytes: usize,
}

impl Session {
    pub(crate) fn new(plugin: Arc<LoadedPlugin>, surroundings: Surroundings) -> Self {
        let now = Mark::now();
        Self {
            plugin,
            surroundings,
            instance: None,
            started: now,
            now,
            failures: 0,
            bytes: 0,
        }
    }

    /// Makes one call. `index` is the event's place, for its claim check, and
    /// `inputs_bytes` are the sizes of what is handed over.
    pub(crate) fn call<T: Returned>(
        &mut self,
        index: usize,
        input_bytes: &[usize],
        ask: impl FnOnce(&mut LiveInstance) -> Result<T, CallFailure>,
    ) -> CallReport<T> {
        if self.is_over() {
            return CallReport::failed(CallFailure::NotReached);
        }
        let max_bytes = self.limits().max_input_bytes;
        if let Some(&actual_bytes) = input_bytes.iter().find(|bytes| **bytes > max_bytes) {
            return CallReport::failed(CallFailure::InputTooLarge {
                actual_bytes,
                max_bytes,
            });
        }
        let mut report = match self.start_if_needed() {
            Ok(start) => {
                let instance = self.instance.as_mut().expect("an instance was started");
                let (report, end) = timed(instance, index, self.now, ask);
                self.now = end;
                CallReport { start, ..report }
            }
            Err(failure) => CallReport::failed(failure),
        };
        report.bytes_in = input_bytes.iter().sum();
        report.bytes_out = report.result.as_ref().map_or(0, Returned::bytes);
        self.account(&report);
        report
    }

    fn limits(&self) -> &Limits {
        &self.surroundings.limits
    }

    fn is_over(&self) -> bool {
        self.failures >= self.limits().max_failures_per_batch
            || self.now.wall_since(&self.started) >= self.limits().time_per_batch
            || self.bytes >= self.limits().max_batch_bytes
    }

    fn start_if_needed(&mut self) -> Result<Option<Start>, CallFailure> {
        if self.instance.is_some() {
            return Ok(None);
        }
        let begun = self.now;
        let made = LiveInstance::start(&self.plugin, &self.surroundings, begun);
        self.now = Mark::now();
        let instance = made?;
        let start = Start {
            duration: self.now.wall_since(&begun),
            cpu: self.now.cpu_since(&begun),
            fuel: instance.fuel_used(),
        };
        self.instance = Some(instance);
        Ok(Some(start))
    }

    fn account<T>(&mut self, report: &CallReport<T>) {
        self.bytes += report.bytes_in + report.bytes_out;
        match &report.result {
            Err(failure) if failure.costs_the_instance() => {
                self.instance = None;
                self.failures += 1;
            }
            // Without room for one instance there is none for the next.
            Err(CallFailure::Overloaded) => self.failures = self.limits().max_failures_per_batch,
            _ => {}
        }
    }
}

/// The report of a call that begins now, and when it ended.
fn timed<T>(
    instance: &mut LiveInstance,
    index: usize,
    now: Mark,
    ask: impl FnOnce(&mut LiveInstance) -> Result<T, CallFailure>,
) -> (CallReport<T>, Mark) {
    let fuel_at_start = instance.fuel_used();
    instance.begin(index, now);
    let result = ask(instance);
    let end = Mark::now();
    let (logs, logs_cut) = instance.take_logs();
    let report = CallReport {
        result,
        duration: end.wall_since(&now),
        cpu: end.cpu_since(&now),
        fuel: instance.fuel_used() - fuel_at_start,
        start: None,
        memory_bytes: instance.memory_bytes(),
        bytes_in: 0,
        bytes_out: 0,
        logs,
        logs_cut,
    };
    (report, end)
}

/// Runs a batch on this thread: one report for each event, in order. `is_cancelled`
/// is asked between events.
pub(crate) fn run_batch(job: &BatchJob, is_cancelled: &dyn Fn() -> bool) -> Vec<CallReport> {
    let surroundings = Surroundings {
        config: Arc::clone(&job.config),
        data_urls: Arc::clone(&job.data_urls),
        limits: Arc::clone(&job.limits),
    };
    let mut session = Session::new(Arc::clone(&job.plugin), surroundings);
    let ask = |(index, event): (usize, &GuestEvent)| {
        if is_cancelled() {
            return CallReport::failed(CallFailure::NotReached);
        }
        session.call(index, &[event.data.len()], |instance| {
            instance.verdict(event)
        })
    };
    job.events.iter().enumerate().map(ask).collect()
}

/// Folds all events into one, in order of arrival. The report sums up all calls.
pub(crate) fn run_fold(job: &FoldJob, is_cancelled: &dyn Fn() -> bool) -> CallReport<GuestEvent> {
    let surroundings = Surroundings::without_urls(&job.config, &job.limits);
    let mut session = Session::new(Arc::clone(&job.plugin), surroundings);
    let mut whole = CallReport {
        result: Ok(job.first.clone()),
        ..CallReport::failed(CallFailure::NotReached)
    };
    for later in &job.later {
        let Ok(earlier) = &whole.result else { break };
        let step = if is_cancelled() {
            CallReport::failed(CallFailure::NotReached)
        } else {
            let bytes = [earlier.data.len(), later.data.len()];
            session.call(0, &bytes, |instance| instance.fold(earlier, later))
        };
        whole = whole.then(step);
    }
    whole
}

pub(crate) fn run_receive(job: &ReceiveJob) -> CallReport<Reception> {
    let surroundings = Surroundings::without_urls(&job.config, &job.limits);
    let mut session = Session::new(Arc::clone(&job.plugin), surroundings);
    session.call(0, &[job.request.bytes()], |instance| {
        instance.receive(&job.request)
    })
}

impl<T> CallReport<T> {
    pub(crate) fn failed(failure: CallFailure) -> Self {
        Self {
            result: Err(failure),
            duration: Duration::ZERO,
            cpu: Duration::ZERO,
            fuel: 0,
            start: None,
            memory_bytes: 0,
            bytes_in: 0,
            bytes_out: 0,
            logs: Vec::new(),
            logs_cut: 0,
        }
    }

    /// True when the call had to be ended by force.
    pub(crate) fn was_ended_by_force(&self) -> bool {
        matches!(self.result, Err(CallFailure::TimedOut { .. }))
    }

    /// What `next` came to, with the cost of both.
    fn then(self, next: Self) -> Self {
        let mut logs = self.logs;
        logs.extend(next.logs);
        Self {
            result: next.result,
            duration: self.duration + next.duration,
            cpu: self.cpu + next.cpu,
            fuel: self.fuel + next.fuel,
            start: self.start.or(next.start),
            memory_bytes: self.memory_bytes.max(next.memory_bytes),
            bytes_in: self.bytes_in + next.bytes_in,
            bytes_out: self.bytes_out + next.bytes_out,
            logs,
            logs_cut: self.logs_cut + next.logs_cut,
        }
    }
}

impl Returned for Verdict {
    fn bytes(&self) -> usize {
        match self {
            Self::Pass => 0,
            Self::Drop(reason) => reason.len(),
            Self::Replace(data) => data.len(),
            Self::Deliver(message) => message.body.len(),
        }
    }
}

impl Returned for bool {
    fn bytes(&self) -> usize {
        0
    }
}

impl Returned for GuestEvent {
    fn bytes(&self) -> usize {
        self.data.len()
    }
}

impl Returned for Reception {
    fn bytes(&self) -> usize {
        match self {
            Self::Accepted(drafts) => drafts.iter().map(|draft| draft.data.len()).sum(),
            Self::Challenge(response) => response.body.len(),
            Self::Rejected(reason) => reason.len(),
        }
    }
}
