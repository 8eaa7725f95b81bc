//! Runs cases: each in an instance of its own, then all of one config in one instance.

use std::collections::BTreeMap;
use std::time::Duration;

use hookgate_plugin_host::{CallFailure, Export, LogLine, Trial, TrialCall, TrialRun};

use crate::answer::observed;
use crate::case::Case;
use crate::diff::differences;
use crate::exact::Exact;
use crate::report::{CaseReport, Cost, Fault};

/// Cases of one config that share an instance; each is asked twice there, so that a case
/// that stands alone meets an instance that has answered before.
const MAX_CASES_IN_A_BATCH: usize = 50;

/// Runs `cases`, and reports on them in their order. Takes the plugin's time three times over.
pub async fn run(trial: &Trial, cases: &[&Case]) -> Vec<CaseReport> {
    let exports = trial.plugin().exports();
    let mut reports = Vec::with_capacity(cases.len());
    let mut by_config: BTreeMap<&str, Vec<Asked>> = BTreeMap::new();
    for (index, case) in cases.iter().enumerate() {
        let (export, call) = match case.export(exports) {
            Ok(export) => (export, case.setting.call(export)),
            Err(reason) => {
                reports.push(CaseReport::not_asked(case, reason));
                continue;
            }
        };
        let run = trial.fresh(&call).await;
        reports.push(CaseReport::of(case, export, &run));
        if !ended_by_force(&run) {
            let group = by_config.entry(&case.setting.config).or_default();
            group.push(Asked { index, call });
        }
    }
    for group in by_config.into_values() {
        for group in group.chunks(MAX_CASES_IN_A_BATCH) {
            ask_together(trial, group, &mut reports).await;
        }
    }
    reports
}

struct Asked {
    index: usize,
    call: TrialCall,
}

async fn ask_together(trial: &Trial, group: &[Asked], reports: &mut [CaseReport]) {
    let twice = || group.iter().chain(group);
    let calls: Vec<TrialCall> = twice().map(|asked| asked.call.clone()).collect();
    let runs = trial.batch(&calls).await;
    let mut calls_before = 0;
    for (asked, run) in twice().zip(&runs) {
        // An instance that was made for this call has seen nothing yet.
        if run.start_fuel > 0 {
            calls_before = 0;
        }
        reports[asked.index].compare_with(run, calls_before);
        calls_before += 1;
    }
}

/// The instance is gone, or there was none: nothing to be learnt of its state.
fn ended_by_force(run: &TrialRun) -> bool {
    let is_own = |failure: &CallFailure| {
        matches!(
            failure,
            CallFailure::InvalidConfig(_)
                | CallFailure::UnusableEvent(_)
                | CallFailure::AgainLater(_)
        )
    };
    matches!(&run.result, Err(failure) if !is_own(failure))
}

impl CaseReport {
    fn of(case: &Case, export: Export, run: &TrialRun) -> Self {
        let like = case.expected.as_ref().map(|expected| expected.exact());
        let answer = observed(&run.result, like);
        let logs: Vec<String> = run.logs.iter().map(line).collect();
        let mut faults = Vec::new();
        match like {
            None => faults.push(Fault::NothingExpected),
            Some(expected) => {
                let differences = answers_differ(expected, &answer);
                if !differences.is_empty() {
                    faults.push(Fault::Answer { differences });
                }
            }
        }
        if let Some(expected) = &case.logs {
            let list = |lines: &[String]| {
                Exact::List(
                    lines
                        .iter()
                        .map(|line| Exact::from(line.as_str()))
                        .collect(),
                )
            };
            let differences = differences(&list(expected), &list(&logs));
            if !differences.is_empty() {
                faults.push(Fault::Logs { differences });
            }
        }
        Self {
            faults,
            export: Some(export.as_str()),
            answer,
            failure: run.result.as_ref().err().map(ToString::to_string),
            logs,
            cost: Cost::of(run),
            ..Self::empty(case)
        }
    }

    fn not_asked(case: &Case, reason: String) -> Self {
        Self {
            faults: vec![Fault::CannotBeAsked { reason }],
            ..Self::empty(case)
        }
    }

    fn empty(case: &Case) -> Self {
        Self {
            name: case.name.clone(),
            file: case.file.clone(),
            line: case.line,
            export: None,
            faults: Vec::new(),
            answer: Exact::Null,
            failure: None,
            logs: Vec::new(),
            cost: Cost::default(),
        }
    }

    /// Notes where the answer in a batch is not the one that was given alone.
    fn compare_with(&mut self, run: &TrialRun, calls_before: usize) {
        let is_told = |fault: &Fault| matches!(fault, Fault::KeepsState { .. });
        let was_reached = !matches!(&run.result, Err(failure) if failure.is_not_asked());
        let in_a_batch = observed(&run.result, Some(&self.answer));
        if was_reached && in_a_batch != self.answer && !self.faults.iter().any(is_told) {
            self.faults.push(Fault::KeepsState {
                alone: self.answer.clone(),
                in_a_batch,
                calls_before,
            });
        }
    }
}

impl Cost {
    /// What `run` took.
    #[must_use]
    pub fn of(run: &TrialRun) -> Self {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            duration_us: us(run.duration),
            fuel: run.fuel,
            start_fuel: run.start_fuel,
            memory_bytes: run.memory_bytes,
        }
    }
}

/// An outcome of another kind is one difference, not two.
fn answers_differ(expected: &Exact, answer: &Exact) -> Vec<crate::diff::Difference> {
    let kind = |answer: &Exact| match answer {
        Exact::Object(members) => members.first().map(|(name, _)| name.clone()),
        _ => None,
    };
    if kind(expected) == kind(answer) {
        return differences(expected, answer);
    }
    vec![crate::diff::Difference {
        path: String::new(),
        expected: Some(expected.clone()),
        got: Some(answer.clone()),
    }]
}

fn line(line: &LogLine) -> String {
    format!("{}: {}", line.level.as_str(), line.text)
}
