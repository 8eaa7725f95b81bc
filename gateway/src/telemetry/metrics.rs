//! Every metric in one list: names follow Prometheus' rules (base units, `_total` on counters, no
//! label whose values users choose).
//!
//! Counting costs an atomic addition; the text is made when somebody asks for it, in OpenMetrics or in
//! Prometheus' own format. Refuses to know what an event, a tenant or a receiver is called.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::exposition;
use super::flow::Flow;
use super::plugins::{PluginMetrics, PluginTimes};
use super::process::ProcessCollector;
use super::pulse::Pulse;
use crate::domain::attempt::Outcome;

/// Label of [`Metrics::deliveries`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    pub outcome: Outcome,
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

/// Label of [`Metrics::http_requests`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabel {
    pub method: &'static str,
    pub route: String,
    pub status: u16,
}

/// Label of [`Metrics::source_requests`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SourceLabel {
    /// `accepted`, `duplicate`, `challenge` or `refused`.
    pub outcome: &'static str,
    /// Why it was refused, else empty.
    pub reason: &'static str,
}

/// Label of [`Metrics::outbox_waiting`]: `own`, or the host and the name of another database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutboxLabel {
    pub outbox: String,
}

/// Label of [`Metrics::http_seconds`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabel {
    pub method: &'static str,
    pub route: String,
}

type Seconds = Gauge<f64, AtomicU64>;

/// All counters, gauges and histograms of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    pub events_accepted: Counter,
    pub events_duplicate: Counter,
    pub deliveries: Family<OutcomeLabel, Counter>,
    pub attempt_seconds: Histogram,
    pub attempts_in_flight: Gauge,
    pub ready_deliveries: Gauge,
    pub due_deliveries: Gauge,
    pub oldest_due_seconds: Seconds,
    pub lanes_held: Gauge,
    pub flush_events: Histogram,
    pub flush_seconds: Histogram,
    pub complete_outcomes: Histogram,
    pub complete_seconds: Histogram,
    pub plugins: PluginMetrics,
    pub plugin_times: PluginTimes,
    pub plugin_bytes_saved: Counter,
    pub plugin_reloads_failed: Counter,
    pub http_requests: Family<RequestLabel, Counter>,
    /// By tenant, for charts; not exported.
    pub pulse: Pulse,
    /// What readiness hangs on; not exported.
    pub flow: Flow,
    pub http_held_bytes: Gauge,
    pub http_seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
    pub outbox_events: Counter,
    pub outbox_refused: Counter,
    pub outbox_waiting: Family<OutboxLabel, Gauge>,
    pub outbox_seconds: Histogram,
    pub source_requests: Family<SourceLabel, Counter>,
}

/// From a tenth of a millisecond to half a minute.
const SECONDS: [f64; 16] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

impl Metrics {
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Arc::new(Registry::default()),
            events_accepted: Counter::default(),
            events_duplicate: Counter::default(),
            deliveries: Family::default(),
            attempt_seconds: Histogram::new(SECONDS),
            attempts_in_flight: Gauge::<i64, AtomicI64>::default(),
            ready_deliveries: Gauge::default(),
            due_deliveries: Gauge::default(),
            oldest_due_seconds: Seconds::default(),
            lanes_held: Gauge::default(),
            flush_events: Histogram::new(SIZES),
            flush_seconds: Histogram::new(SECONDS),
            complete_outcomes: Histogram::new(SIZES),
            complete_seconds: Histogram::new(SECONDS),
            plugins: PluginMetrics::default(),
            plugin_times: PluginTimes::new(&SECONDS),
            plugin_bytes_saved: Counter::default(),
            plugin_reloads_failed: Counter::default(),
            http_requests: Family::default(),
            pulse: Pulse::default(),
            flow: Flow::default(),
            http_held_bytes: Gauge::default(),
            http_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            outbox_events: Counter::default(),
            outbox_refused: Counter::default(),
            outbox_waiting: Family::default(),
            outbox_seconds: Histogram::new(SECONDS),
            source_requests: Family::default(),
        };
        for outcome in Outcome::all() {
            let _ = metrics.deliveries.get_or_create(&OutcomeLabel { outcome });
        }
        metrics.registry = Arc::new(metrics.register());
        metrics
    }

    fn register(&self) -> Registry {
        let mut root = Registry::default();
        // Under the names that every process has, whatever it does.
        root.register_collector(Box::new(ProcessCollector));
        let registry = root.sub_registry_with_prefix("hookgate");
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The release that runs", version);
        self.register_log(registry);
        self.register_deliveries(registry);
        self.register_plugins(registry);
        self.register_http(registry);
        self.register_outbox(registry);
        root
    }

    fn register_http(&self, r: &mut Registry) {
        let requests = self.http_requests.clone();
        let help = "Requests by method, route and status";
        r.register("http_requests", help, requests);
        r.register_with_unit(
            "http_held",
            "Bytes of requests that are being read or wait for their answer",
            Unit::Bytes,
            self.http_held_bytes.clone(),
        );
        let inbound = self.source_requests.clone();
        r.register("source_requests", "Requests at sources by outcome", inbound);
        r.register_with_unit(
            "http_request_duration",
            "Requests until the head of their answer",
            Unit::Seconds,
            self.http_seconds.clone(),
        );
    }

    fn register_log(&self, r: &mut Registry) {
        r.register(
            "events_accepted",
            "Events committed",
            self.events_accepted.clone(),
        );
        let duplicate = self.events_duplicate.clone();
        r.register(
            "events_duplicate",
            "Events that were there already",
            duplicate,
        );
        let lanes = self.lanes_held.clone();
        r.register("lanes_held", "Lanes that this node writes", lanes);
        let events = self.flush_events.clone();
        r.register("flush_events", "Events in one flush of a lane", events);
        seconds(
            r,
            "flush_duration",
            "Flushes of events, commit included",
            &self.flush_seconds,
        );
        let outcomes = self.complete_outcomes.clone();
        r.register("complete_outcomes", "Outcomes in one flush", outcomes);
        seconds(
            r,
            "complete_duration",
            "Flushes of outcomes",
            &self.complete_seconds,
        );
        let due = self.due_deliveries.clone();
        r.register("due_deliveries", "Parked deliveries that are due", due);
        r.register_with_unit(
            "oldest_due_age",
            "Age of the parked delivery that has been due longest",
            Unit::Seconds,
            self.oldest_due_seconds.clone(),
        );
    }

    fn register_deliveries(&self, r: &mut Registry) {
        let deliveries = self.deliveries.clone();
        r.register("deliveries", "Attempts and verdicts by outcome", deliveries);
        seconds(
            r,
            "attempt_duration",
            "Whole attempts",
            &self.attempt_seconds,
        );
        let in_flight = self.attempts_in_flight.clone();
        r.register("attempts_in_flight", "Requests under way", in_flight);
        let ready = self.ready_deliveries.clone();
        r.register("ready_deliveries", "Due deliveries held in memory", ready);
    }

    fn register_plugins(&self, r: &mut Registry) {
        self.plugins.register(r);
        self.plugin_times.register(r);
        r.register_with_unit(
            "plugin_saved",
            "Bytes that plugins took off the data",
            Unit::Bytes,
            self.plugin_bytes_saved.clone(),
        );
        let failed = self.plugin_reloads_failed.clone();
        r.register(
            "plugin_reloads_failed",
            "Plugin files that were refused",
            failed,
        );
    }

    fn register_outbox(&self, r: &mut Registry) {
        let events = self.outbox_events.clone();
        r.register("outbox_events", "Events that came by SQL", events);
        let refused = self.outbox_refused.clone();
        r.register(
            "outbox_refused",
            "Rows of an outbox that could become no event and were set aside",
            refused,
        );
        let waiting = self.outbox_waiting.clone();
        r.register(
            "outbox_waiting",
            "Rows that the last look into an outbox found, at most 10000",
            waiting,
        );
        seconds(
            r,
            "outbox_delay",
            "From hookgate.emit to the event's own commit, the rest of the caller's transaction included",
            &self.outbox_seconds,
        );
    }

    /// The OpenMetrics 1.0 text.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }

    /// The same in Prometheus' own text format, 0.0.4.
    #[must_use]
    pub fn prometheus(&self) -> String {
        exposition::to_prometheus(&self.open_metrics())
    }
}

fn seconds(registry: &mut Registry, name: &str, help: &str, histogram: &Histogram) {
    registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
