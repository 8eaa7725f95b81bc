//! What the API says about a plugin at work on this node: calls, times, failures, pauses, log lines.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::TenantId;
use crate::plugin::breakers::Pause;
use crate::plugin::logs::LoggedLine;
use crate::plugin::records::{Seen, SeenFailure, SeenVersion};
use crate::store::catalog::Catalog;

/// Calls of one version on this node since it started.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct UsageView {
    /// By result: `ok`, or the kind of failure.
    calls: BTreeMap<&'static str, u64>,
    /// Of the last 1,024 calls.
    p50_us: u128,
    p99_us: u128,
    /// In all: waiting for a turn, making instances, in calls.
    queue_seconds: f64,
    instantiate_seconds: f64,
    call_seconds: f64,
    /// Instances made; one serves a batch.
    instances: u64,
    /// Processor time, in calls and in making instances.
    cpu_seconds: f64,
    /// Most linear memory that one instance held.
    memory_peak_bytes: usize,
    input_bytes: u64,
    output_bytes: u64,
    log_lines: u64,
    /// Lines that were dropped or shortened.
    log_lines_cut: u64,
}

impl From<&SeenVersion> for UsageView {
    fn from(seen: &SeenVersion) -> Self {
        let usage = &seen.usage;
        Self {
            calls: usage.calls.clone(),
            p50_us: seen.median.as_micros(),
            p99_us: seen.p99.as_micros(),
            queue_seconds: usage.queued.as_secs_f64(),
            instantiate_seconds: usage.started.as_secs_f64(),
            call_seconds: usage.called.as_secs_f64(),
            instances: usage.starts,
            cpu_seconds: usage.cpu.as_secs_f64(),
            memory_peak_bytes: usage.memory_peak_bytes,
            input_bytes: usage.bytes_in,
            output_bytes: usage.bytes_out,
            log_lines: usage.log_lines,
            log_lines_cut: usage.log_lines_cut,
        }
    }
}

/// A call that came to no verdict, or an event that could not be shown to a plugin.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailureView {
    at: String,
    /// None where no version could be found for the event.
    version: Option<i32>,
    event: String,
    delivery: String,
    kind: &'static str,
    reason: String,
}

impl From<&SeenFailure> for FailureView {
    fn from(failure: &SeenFailure) -> Self {
        Self {
            at: failure.at.to_rfc3339(),
            version: failure.version,
            event: failure.delivery.event.to_string(),
            delivery: failure.delivery.to_string(),
            kind: failure.kind,
            reason: failure.reason.clone(),
        }
    }
}

/// The last failures, newest first: those of one tenant's events alone where a tenant is given.
pub(super) fn failures(seen: &Seen, tenant: Option<TenantId>) -> Vec<FailureView> {
    let shown = |failure: &&SeenFailure| tenant.is_none_or(|tenant| failure.tenant == tenant);
    let failures = seen.failures().into_iter().filter(shown);
    failures.map(FailureView::from).collect()
}

/// A version that does not run on this node for a tenant, because it kept failing.
#[derive(Debug, Serialize, ToSchema)]
pub struct PauseView {
    /// Whose events wait.
    tenant: Option<String>,
    reason: &'static str,
    since: String,
    /// When it is tried again; at once where another version is activated.
    until: String,
    last_failure: Option<FailureView>,
}

impl PauseView {
    /// The pauses that `tenant` may know of; all of them without one.
    pub(super) fn all(
        catalog: &Catalog,
        pauses: Vec<Pause>,
        tenant: Option<TenantId>,
    ) -> Vec<Self> {
        let shown = |pause: &Pause| tenant.is_none_or(|tenant| pause.tenant == tenant);
        let pauses = pauses.into_iter().filter(shown);
        let views = pauses.map(|pause| Self {
            tenant: catalog.tenant_name(pause.tenant).map(Into::into),
            reason: pause.why.as_str(),
            since: pause.since.to_rfc3339(),
            until: pause.until.to_rfc3339(),
            last_failure: pause.last_failure.as_ref().map(FailureView::from),
        });
        views.collect()
    }
}

/// A line that a plugin logged while it ran for a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogLineView {
    /// Grows from line to line; ask for what follows with `after`.
    number: u64,
    at: String,
    version: i32,
    event: String,
    delivery: String,
    /// `debug`, `info`, `warn` or `error`.
    level: &'static str,
    /// One line, with control characters escaped.
    text: String,
    /// Lines of the same call that were dropped or shortened; told with its last line.
    lines_cut: u32,
}

impl From<LoggedLine> for LogLineView {
    fn from(logged: LoggedLine) -> Self {
        Self {
            number: logged.number,
            at: logged.at.to_rfc3339(),
            version: logged.version,
            event: logged.delivery.event.to_string(),
            delivery: logged.delivery.to_string(),
            level: logged.line.level.as_str(),
            text: logged.line.text,
            lines_cut: logged.cut,
        }
    }
}

/// Lines in the order in which they were logged.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogPage {
    pub(super) data: Vec<LogLineView>,
    /// Ask for what follows with `after` set to this; the same again while nothing is new.
    pub(super) next: Option<u64>,
}
