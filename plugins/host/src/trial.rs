//! Tries a component out: any of its exports, on made-up input, counting
//! instructions as well as time.
//!
//! Nothing is kept and nothing is delivered. The same component, input and config
//! give the same answer and the same count on every machine; that is what makes
//! golden tests and backtests worth something.

use crate::check::{CheckReport, Refused};
use crate::contract::Export;
use crate::engine::Metering;
use crate::event::{GuestEvent, GuestRequest};
use crate::host::PluginHost;
use crate::instance::{LiveInstance, Surroundings};
use crate::limits::Limits;
use crate::load::LoadedPlugin;
use crate::report::{CallFailure, CallReport, LogLine, Reception, Verdict};
use crate::session::{Returned, Session};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a plugin is asked in a trial.
#[derive(Debug, Clone)]
pub enum Question {
    /// As a delivery asks: the filter first, where there is one, then the transform.
    /// Answered by a verdict.
    Delivery(GuestEvent),
    /// The transform alone. Answered by a verdict.
    Transform(GuestEvent),
    /// The filter alone. Answered by whether it accepts.
    Filter(GuestEvent),
    /// Answered by the folded event.
    Fold {
        earlier: GuestEvent,
        later: GuestEvent,
    },
    /// Answered by a reception.
    Receive(GuestRequest),
}

/// One question with its surroundings.
#[derive(Debug, Clone)]
pub struct TrialCall {
    pub question: Question,
    /// JSON, `{}` where there is none.
    pub config: Arc<str>,
    /// What `data-url` answers; empty where there is nothing to link to.
    pub data_url: Arc<str>,
    /// The host's own where none are given.
    pub limits: Option<Arc<Limits>>,
}

/// What a plugin answered.
#[derive(Debug, Clone)]
pub enum Answer {
    Verdict(Verdict),
    Accepts(bool),
    Folded(GuestEvent),
    Reception(Reception),
}

/// What one call of a trial came to.
#[derive(Debug, Clone)]
pub struct TrialRun {
    pub result: Result<Answer, CallFailure>,
    /// Wall time in the guest.
    pub duration: Duration,
    /// Processor time in the guest.
    pub cpu: Duration,
    /// Linear memory of the instance after the call.
    pub memory_bytes: usize,
    /// Instructions of the call.
    pub fuel: u64,
    /// Instructions to make the instance; zero where an earlier call had made it.
    pub start_fuel: u64,
    /// Wall time to make the instance; zero where an earlier call had made it.
    pub start_duration: Duration,
    pub logs: Vec<LogLine>,
    /// Lines that were dropped or shortened.
    pub logs_cut: u32,
}

/// A component compiled to be tried out. Clones are cheap.
#[derive(Clone)]
pub struct Trial {
    host: PluginHost,
    plugin: Arc<LoadedPlugin>,
    tenant: Arc<str>,
    checks: CheckReport,
    compile_time: Duration,
}

impl PluginHost {
    /// Makes `component` ready to be tried, on `tenant`'s account. Takes as long as a
    /// compile does, once; milliseconds from the cache.
    ///
    /// # Errors
    /// The first check that failed, with the report of all before it.
    pub async fn trial(&self, component: Bytes, tenant: Arc<str>) -> Result<Trial, Refused> {
        self.trial_on(Metering::TimeAndFuel, component, tenant)
            .await
    }

    /// The same on the engine of deliveries: as fast as they are, and nothing is counted.
    ///
    /// # Errors
    /// The first check that failed, with the report of all before it.
    pub async fn timed_trial(&self, component: Bytes, tenant: Arc<str>) -> Result<Trial, Refused> {
        self.trial_on(Metering::Time, component, tenant).await
    }

    async fn trial_on(
        &self,
        metering: Metering,
        component: Bytes,
        tenant: Arc<str>,
    ) -> Result<Trial, Refused> {
        let prepared = self.prepare_for(component, metering).await?;
        Ok(Trial {
            host: self.clone(),
            plugin: prepared.plugin,
            tenant,
            checks: prepared.report,
            compile_time: prepared.compile_time,
        })
    }
}

impl Trial {
    /// The component: its digest, exports, imports and size.
    pub fn plugin(&self) -> &LoadedPlugin {
        &self.plugin
    }

    /// All checks of an upload, and how they ended.
    pub fn checks(&self) -> &CheckReport {
        &self.checks
    }

    /// Zero where the machine code was cached.
    pub fn compile_time(&self) -> Duration {
        self.compile_time
    }

    /// Asks one question of an instance of its own.
    pub async fn fresh(&self, call: &TrialCall) -> TrialRun {
        let mut runs = self.batch(std::slice::from_ref(call)).await;
        runs.pop().expect("one question has one answer")
    }

    /// Asks questions in order, of one instance as far as a delivery would: a new one
    /// follows on a crash, on another config and on other limits, and where a batch
    /// has had its time or bytes.
    pub async fn batch(&self, calls: &[TrialCall]) -> Vec<TrialRun> {
        let mut runs = Vec::with_capacity(calls.len());
        while runs.len() < calls.len() {
            let first = &calls[runs.len()];
            let alike = calls[runs.len()..]
                .iter()
                .take_while(|call| is_alike(first, call));
            let part: Vec<TrialCall> = alike.cloned().collect();
            let answers = self.session(part).await;
            let is_stuck = answers.is_empty();
            runs.extend(answers);
            if is_stuck {
                let missing = calls.len() - runs.len();
                runs.extend((0..missing).map(|_| TrialRun::failed(CallFailure::Overloaded)));
            }
        }
        runs
    }

    /// Answers up to where the session ended; none where there was no room for it.
    async fn session(&self, calls: Vec<TrialCall>) -> Vec<TrialRun> {
        let plugin = Arc::clone(&self.plugin);
        let limits = calls[0].limits.clone();
        let limits = limits.unwrap_or_else(|| Arc::clone(self.host.limits()));
        let run = move |is_cancelled: &dyn Fn() -> bool| {
            let urls: Vec<Arc<str>> = calls.iter().map(|call| call.data_url.clone()).collect();
            let surroundings = Surroundings {
                config: calls[0].config.clone(),
                data_urls: Arc::new(move |index| {
                    urls.get(index)
                        .map_or_else(String::new, |url| url.to_string())
                }),
                limits,
            };
            let mut session = Session::new(plugin, surroundings);
            let asked = calls.iter().enumerate().map(|(index, call)| {
                if is_cancelled() {
                    TrialRun::failed(CallFailure::NotReached)
                } else {
                    ask(&mut session, index, &call.question)
                }
            });
            let runs: Vec<TrialRun> = asked.take_while(|run| !run.was_not_asked()).collect();
            let ended_by_force = runs.iter().any(TrialRun::was_ended_by_force);
            (runs, ended_by_force)
        };
        let outcome = self.host.inner.threads.run(&self.tenant, run).await;
        outcome.map_or_else(|_| Vec::new(), |(runs, _)| runs)
    }
}

fn is_alike(one: &TrialCall, other: &TrialCall) -> bool {
    one.config == other.config && one.limits == other.limits
}

fn ask(session: &mut Session, index: usize, question: &Question) -> TrialRun {
    let mut call = |bytes: &[usize], ask: &dyn Fn(&mut LiveInstance) -> _| {
        TrialRun::from(session.call(index, bytes, ask))
    };
    match question {
        Question::Delivery(event) => call(&[event.data.len()], &|instance| {
            instance.verdict(event).map(Answer::Verdict)
        }),
        Question::Transform(event) => call(&[event.data.len()], &|instance| {
            instance.transform(event).map(Answer::Verdict)
        }),
        Question::Filter(event) => call(&[event.data.len()], &|instance| {
            instance.accepts(event).map(Answer::Accepts)
        }),
        Question::Fold { earlier, later } => {
            call(&[earlier.data.len(), later.data.len()], &|instance| {
                instance.fold(earlier, later).map(Answer::Folded)
            })
        }
        Question::Receive(request) => call(&[request.bytes()], &|instance| {
            instance.receive(request).map(Answer::Reception)
        }),
    }
}

impl Question {
    /// The export that answers; none for a delivery, which asks up to two.
    pub fn export(&self) -> Option<Export> {
        match self {
            Self::Delivery(_) => None,
            Self::Transform(_) => Some(Export::Transform),
            Self::Filter(_) => Some(Export::Filter),
            Self::Fold { .. } => Some(Export::Fold),
            Self::Receive(_) => Some(Export::Receiver),
        }
    }
}

impl Returned for Answer {
    fn bytes(&self) -> usize {
        match self {
            Self::Verdict(verdict) => verdict.bytes(),
            Self::Accepts(accepts) => accepts.bytes(),
            Self::Folded(event) => event.bytes(),
            Self::Reception(reception) => reception.bytes(),
        }
    }
}

impl TrialRun {
    fn failed(failure: CallFailure) -> Self {
        CallReport::failed(failure).into()
    }

    fn was_not_asked(&self) -> bool {
        matches!(&self.result, Err(failure) if failure.is_not_asked())
    }

    fn was_ended_by_force(&self) -> bool {
        matches!(self.result, Err(CallFailure::TimedOut { .. }))
    }
}

impl From<CallReport<Answer>> for TrialRun {
    fn from(report: CallReport<Answer>) -> Self {
        Self {
            result: report.result,
            duration: report.duration,
            cpu: report.cpu,
            memory_bytes: report.memory_bytes,
            fuel: report.fuel,
            start_fuel: report.start.map_or(0, |start| start.fuel),
            start_duration: report.start.map_or(Duration::ZERO, |start| start.duration),
            logs: report.logs,
            logs_cut: report.logs_cut,
        }
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial")
            .field("plugin", &self.plugin)
            .finish_non_exhaustive()
    }
}
