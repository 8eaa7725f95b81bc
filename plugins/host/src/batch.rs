//! Takes a batch through a plugin, event by event.
//!
//! One instance serves the batch; a call that ends by force costs that instance and
//! no other event. Three such calls end the batch, and what was not reached goes
//! back as not asked: an event is never blamed for its neighbours.

use crate::event::{BatchJob, GuestEvent};
use crate::instance::{LiveInstance, Surroundings};
use crate::limits::Limits;
use crate::load::LoadedPlugin;
use crate::os::thread_cpu_time;
use crate::report::{CallFailure, CallReport, Verdict};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs the whole batch on this thread: one report for each event, in order.
/// `is_cancelled` is asked between events.
pub(crate) fn run(job: &BatchJob, is_cancelled: &dyn Fn() -> bool) -> Vec<CallReport> {
    let mut batch = Batch {
        job,
        surroundings: Surroundings {
            config: Arc::clone(&job.config),
            data_urls: Arc::clone(&job.data_urls),
            limits: Arc::clone(&job.limits),
        },
        instance: None,
        started_at: Instant::now(),
        failures: 0,
        bytes: 0,
    };
    let mut reports = Vec::with_capacity(job.events.len());
    for (index, event) in job.events.iter().enumerate() {
        let is_over = batch.is_over() || is_cancelled();
        reports.push(if is_over {
            CallReport::not_reached()
        } else {
            batch.ask(index, event)
        });
    }
    reports
}

/// True when a call of these had to be ended by force.
pub(crate) fn ended_by_force(reports: &[CallReport]) -> bool {
    reports
        .iter()
        .any(|report| matches!(report.result, Err(CallFailure::TimedOut { .. })))
}

/// One event's run on an engine that counts instructions.
pub(crate) struct MeteredRun {
    pub(crate) report: CallReport,
    pub(crate) fuel: u64,
    pub(crate) start_fuel: u64,
}

/// Runs one event alone, in an instance of its own.
pub(crate) fn run_metered(
    plugin: &Arc<LoadedPlugin>,
    surroundings: &Surroundings,
    event: &GuestEvent,
) -> MeteredRun {
    let mut instance = match LiveInstance::start(plugin, surroundings) {
        Ok(instance) => instance,
        Err(failure) => {
            return MeteredRun {
                report: CallReport::failed(failure),
                fuel: 0,
                start_fuel: 0,
            };
        }
    };
    let start_fuel = instance.fuel_used();
    let report = ask(&mut instance, 0, event);
    MeteredRun {
        report,
        fuel: instance.fuel_used() - start_fuel,
        start_fuel,
    }
}

/// Hands one event to an instance, unless it is too large.
fn ask(instance: &mut LiveInstance, index: usize, event: &GuestEvent) -> CallReport {
    let max_bytes = instance.limits().max_input_bytes;
    if event.data.len() > max_bytes {
        let actual_bytes = event.data.len();
        return CallReport::failed(CallFailure::InputTooLarge {
            actual_bytes,
            max_bytes,
        });
    }
    let (started_at, cpu_at_start) = (Instant::now(), thread_cpu_time());
    let result = instance.ask(index, event);
    let duration = started_at.elapsed();
    let cpu = thread_cpu_time().saturating_sub(cpu_at_start);
    let (logs, logs_cut) = instance.take_logs();
    CallReport {
        result,
        duration,
        cpu,
        memory_bytes: instance.memory_bytes(),
        logs,
        logs_cut,
    }
}

struct Batch<'a> {
    job: &'a BatchJob,
    surroundings: Surroundings,
    instance: Option<LiveInstance>,
    started_at: Instant,
    failures: usize,
    /// Data handed over so far, in both directions.
    bytes: usize,
}

impl Batch<'_> {
    fn limits(&self) -> &Limits {
        &self.surroundings.limits
    }

    fn is_over(&self) -> bool {
        self.failures >= self.limits().max_failures_per_batch
            || self.started_at.elapsed() >= self.limits().time_per_batch
            || self.bytes >= self.limits().max_batch_bytes
    }

    fn ask(&mut self, index: usize, event: &GuestEvent) -> CallReport {
        let report = match self.instance() {
            Ok(instance) => ask(instance, index, event),
            Err(failure) => CallReport::failed(failure),
        };
        self.account(event, &report.result);
        report
    }

    fn instance(&mut self) -> Result<&mut LiveInstance, CallFailure> {
        if self.instance.is_none() {
            self.instance = Some(LiveInstance::start(&self.job.plugin, &self.surroundings)?);
        }
        Ok(self
            .instance
            .as_mut()
            .expect("an instance was just started"))
    }

    fn account(&mut self, event: &GuestEvent, result: &Result<Verdict, CallFailure>) {
        self.bytes += event.data.len();
        match result {
            Ok(verdict) => self.bytes += verdict.bytes(),
            Err(failure) if failure.costs_the_instance() => {
                self.instance = None;
                self.failures += 1;
            }
            // Without room for one instance there is none for the next.
            Err(CallFailure::Overloaded) => self.failures = self.limits().max_failures_per_batch,
            Err(_) => {}
        }
    }
}

impl CallReport {
    pub(crate) fn failed(failure: CallFailure) -> Self {
        Self {
            result: Err(failure),
            duration: Duration::ZERO,
            cpu: Duration::ZERO,
            memory_bytes: 0,
            logs: Vec::new(),
            logs_cut: 0,
        }
    }

    fn not_reached() -> Self {
        Self::failed(CallFailure::NotReached)
    }
}

impl Verdict {
    /// What the verdict holds in memory.
    fn bytes(&self) -> usize {
        match self {
            Self::Pass => 0,
            Self::Drop(reason) => reason.len(),
            Self::Replace(data) => data.len(),
            Self::Deliver(message) => message.body.len(),
        }
    }
}
