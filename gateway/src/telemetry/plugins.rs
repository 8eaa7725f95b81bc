//! What plugins use, by plugin and version.
//!
//! The number of series is bounded: shared plugins are told apart by name and version up to a cap,
//! and what tenants bring themselves is summed up under one name, because tenants choose theirs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Versions of plugins that have series of their own.
const MAX_SERIES: usize = 200;
/// The name under which tenants' own plugins are summed up; no plugin can have it.
const TENANTS: &str = "_tenants";
/// The name under which versions beyond the cap are summed up; no plugin can have it.
const OTHERS: &str = "_others";
/// Why an event was not shown to its plugin; known beforehand, so that each series begins at zero.
const UNSERVED: [&str; 6] = [
    "paused",
    "missing",
    "inactive",
    "missing-version",
    "not-loadable",
    "unavailable",
];

/// What calls of one version of a plugin used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By result: `ok`, or the kind of failure.
    pub calls: BTreeMap<&'static str, u64>,
    /// Waiting for the tenant's turn, batches summed up.
    pub queued: Duration,
    /// Making instances.
    pub started: Duration,
    /// Instances made.
    pub starts: u64,
    /// In calls.
    pub called: Duration,
    /// Processor time, in calls and in making instances.
    pub cpu: Duration,
    /// Most linear memory that one instance held.
    pub memory_peak_bytes: usize,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub log_lines: u64,
    /// Lines that were dropped or shortened.
    pub log_lines_cut: u64,
}

impl Usage {
    pub fn add(&mut self, other: &Self) {
        for (result, count) in &other.calls {
            *self.calls.entry(result).or_default() += count;
        }
        self.queued += other.queued;
        self.started += other.started;
        self.starts += other.starts;
        self.called += other.called;
        self.cpu += other.cpu;
        self.memory_peak_bytes = self.memory_peak_bytes.max(other.memory_peak_bytes);
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.log_lines += other.log_lines;
        self.log_lines_cut += other.log_lines_cut;
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.calls.values().sum()
    }

    #[must_use]
    pub fn failed(&self) -> u64 {
        self.count() - self.calls.get("ok").copied().unwrap_or_default()
    }
}

/// Which version of which plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PluginLabel {
    pub plugin: String,
    /// Its number; zero where several are summed up.
    pub version: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabel {
    plugin: String,
    version: i32,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    plugin: String,
    version: i32,
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LineLabel {
    plugin: String,
    version: i32,
    /// `kept`, or `cut`.
    fate: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

type FloatCounter = Counter<f64, AtomicU64>;

/// The series of plugins. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct PluginMetrics {
    known: Arc<Mutex<HashMap<PluginLabel, ()>>>,
    calls: Family<CallLabel, Counter>,
    phases: Family<PhaseLabel, FloatCounter>,
    cpu: Family<PluginLabel, FloatCounter>,
    memory_peak: Family<PluginLabel, Gauge>,
    bytes_in: Family<PluginLabel, Counter>,
    bytes_out: Family<PluginLabel, Counter>,
    lines: Family<LineLabel, Counter>,
    unserved: Family<ReasonLabel, Counter>,
    paused: Family<PluginLabel, Gauge>,
    share: Family<PluginLabel, Gauge<f64, AtomicU64>>,
    ticks: Counter,
    waiting: Gauge,
    running: Gauge,
}

impl PluginMetrics {
    /// The label of a plugin's version, within the cap. None for a name: a tenant's own plugin.
    fn label(&self, name: Option<&str>, version: i32) -> PluginLabel {
        let sum = |plugin: &str| PluginLabel {
            plugin: plugin.to_owned(),
            version: 0,
        };
        let Some(name) = name else {
            return sum(TENANTS);
        };
        let label = PluginLabel {
            plugin: name.to_owned(),
            version,
        };
        let mut known = self.known.lock();
        if known.contains_key(&label) || known.len() < MAX_SERIES {
            known.insert(label.clone(), ());
            label
        } else {
            sum(OTHERS)
        }
    }

    /// Adds what a batch used. `name` is none for a tenant's own plugin.
    pub fn add(&self, name: Option<&str>, version: i32, usage: &Usage) {
        let label = self.label(name, version);
        let PluginLabel { plugin, version } = label.clone();
        for (&result, &count) in &usage.calls {
            let call = CallLabel {
                plugin: plugin.clone(),
                version,
                result,
            };
            self.calls.get_or_create(&call).inc_by(count);
        }
        for (phase, time) in [
            ("queue", usage.queued),
            ("instantiate", usage.started),
            ("call", usage.called),
        ] {
            let phase = PhaseLabel {
                plugin: plugin.clone(),
                version,
                phase,
            };
            self.phases.get_or_create(&phase).inc_by(time.as_secs_f64());
        }
        for (fate, count) in [("kept", usage.log_lines), ("cut", usage.log_lines_cut)] {
            let line = LineLabel {
                plugin: plugin.clone(),
                version,
                fate,
            };
            self.lines.get_or_create(&line).inc_by(count);
        }
        self.cpu
            .get_or_create(&label)
            .inc_by(usage.cpu.as_secs_f64());
        self.bytes_in.get_or_create(&label).inc_by(usage.bytes_in);
        self.bytes_out.get_or_create(&label).inc_by(usage.bytes_out);
        let peak = i64::try_from(usage.memory_peak_bytes).unwrap_or(i64::MAX);
        let gauge = self.memory_peak.get_or_create(&label);
        gauge.set(gauge.get().max(peak));
    }

    /// Counts events that were not shown to a plugin: `paused`, `missing` and so on.
    pub fn add_unserved(&self, reason: &'static str, events: u64) {
        let label = ReasonLabel { reason };
        self.unserved.get_or_create(&label).inc_by(events);
    }

    /// Says for how many tenants a version is paused on this node.
    pub fn set_paused(&self, name: Option<&str>, version: i32, tenants: usize) {
        let tenants = i64::try_from(tenants).unwrap_or(i64::MAX);
        let label = self.label(name, version);
        self.paused.get_or_create(&label).set(tenants);
    }

    /// Says which part of the events a shared plugin's version gets, from 0 to 1.
    pub fn set_share(&self, name: &str, version: i32, share: f64) {
        let label = self.label(Some(name), version);
        self.share.get_or_create(&label).set(share);
    }

    /// How the threads of the plugins are doing.
    pub fn set_host(&self, ticks: u64, waiting: usize, running: usize) {
        // Counted where the plugins run; only shown here.
        self.ticks.inner().store(ticks, Ordering::Relaxed);
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.running.set(i64::try_from(running).unwrap_or(i64::MAX));
    }

    pub(super) fn register(&self, r: &mut Registry) {
        r.register(
            "plugin_calls",
            "Calls of plugins by result",
            self.calls.clone(),
        );
        let seconds = Unit::Seconds;
        let text = "Time with plugins: waiting for a turn, making instances, in calls";
        r.register_with_unit("plugin_time", text, seconds, self.phases.clone());
        let text = "Processor time in plugins";
        r.register_with_unit("plugin_cpu", text, Unit::Seconds, self.cpu.clone());
        let text = "Most memory that one instance of a plugin held";
        let peak = self.memory_peak.clone();
        r.register_with_unit("plugin_memory_peak", text, Unit::Bytes, peak);
        let text = "Data handed to plugins";
        r.register_with_unit("plugin_input", text, Unit::Bytes, self.bytes_in.clone());
        let text = "Data that plugins handed back";
        r.register_with_unit("plugin_output", text, Unit::Bytes, self.bytes_out.clone());
        let text = "Lines that plugins logged: kept, or dropped and shortened";
        r.register("plugin_log_lines", text, self.lines.clone());
        for reason in UNSERVED {
            self.add_unserved(reason, 0);
        }
        let text = "Events that wait because their plugin could not be asked";
        r.register("plugin_unserved_events", text, self.unserved.clone());
        let text = "Tenants for which a version is paused because it kept failing";
        r.register("plugin_paused_tenants", text, self.paused.clone());
        let text = "Part of the events that a version gets";
        r.register("plugin_share_ratio", text, self.share.clone());
        let text = "Looks of running plugins at their deadline; stands still when they are not";
        r.register("plugin_ticker_ticks", text, self.ticks.clone());
        let text = "Batches that wait for a plugin thread";
        r.register("plugin_batches_waiting", text, self.waiting.clone());
        let text = "Batches on a plugin thread";
        r.register("plugin_batches_running", text, self.running.clone());
    }
}

/// Times of calls, over all plugins.
#[derive(Clone, Debug)]
pub struct PluginTimes {
    pub queue: Histogram,
    pub instantiate: Histogram,
    pub call: Histogram,
}

impl PluginTimes {
    pub(super) fn new(buckets: &[f64]) -> Self {
        let histogram = || Histogram::new(buckets.iter().copied());
        Self {
            queue: histogram(),
            instantiate: histogram(),
            call: histogram(),
        }
    }

    pub(super) fn register(&self, r: &mut Registry) {
        for (name, help, histogram) in [
            (
                "plugin_queue_duration",
                "Batches waiting for a plugin thread",
                &self.queue,
            ),
            (
                "plugin_instantiate_duration",
                "Making an instance of a plugin",
                &self.instantiate,
            ),
            ("plugin_call_duration", "Calls of plugins", &self.call),
        ] {
            r.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OTHERS, PluginMetrics, TENANTS};

    #[test]
    fn the_number_of_series_is_bounded() {
        let metrics = PluginMetrics::default();
        for version in 1..=1000 {
            let label = metrics.label(Some("busy"), version);
            let is_own = label.plugin == "busy";
            assert_eq!(is_own, version <= 200, "{label:?}");
        }
        assert_eq!(metrics.label(Some("late"), 1).plugin, OTHERS);
        assert_eq!(metrics.label(Some("busy"), 7).plugin, "busy");
        assert_eq!(metrics.label(None, 1).plugin, TENANTS);
    }
}
