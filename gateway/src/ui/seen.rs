//! What the API says, as far as pages show it. Members that are not named here are left alone, so
//! the API may grow.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub struct List<T> {
    pub data: Vec<T>,
    pub next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub tenant: Option<String>,
    pub received_at: String,
    pub source: Option<String>,
    pub subject: Option<String>,
    pub time: Option<String>,
    pub producer_id: Option<String>,
    pub key: Option<String>,
    pub content_type: String,
    pub size_bytes: u64,
    pub erased_at: Option<String>,
    /// Only of a single event.
    #[serde(default)]
    pub deliveries: Vec<Delivery>,
}

#[derive(Debug, Deserialize)]
pub struct Delivery {
    pub id: String,
    pub event: String,
    pub subscription: String,
    pub tenant: Option<String>,
    pub event_type: String,
    pub state: String,
    pub reason: Option<String>,
    pub finished_at: Option<String>,
    pub waits_for: Option<String>,
    pub due_at: Option<String>,
    /// Only of a single delivery.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
pub struct Attempt {
    pub number: u16,
    pub started_at: String,
    pub duration_ms: u64,
    pub outcome: String,
    pub status: Option<u16>,
    pub reason: Option<String>,
    pub excerpt: Option<String>,
    pub address: Option<String>,
    #[serde(default)]
    pub plugins: Vec<PluginRun>,
    pub node: i32,
    pub body_sha256: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct PluginRun {
    pub name: String,
    pub digest: String,
}

#[derive(Debug, Deserialize)]
pub struct Retraced {
    pub config_is_current: bool,
    pub steps: Vec<RetracedStep>,
    pub body: Option<Place>,
    pub body_is_the_same: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub struct RetracedStep {
    pub plugin: String,
    pub before: Place,
    pub after: Option<Place>,
    pub verdict: String,
    pub reason: Option<String>,
    pub duration_us: u64,
    #[serde(default)]
    pub logs: Vec<LogLine>,
}

#[derive(Debug, Deserialize)]
pub struct Place {
    pub content_type: String,
    pub size_bytes: u64,
    pub data: Option<String>,
    pub data_base64: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct LogLine {
    pub level: String,
    pub text: String,
}

#[derive(Debug, Deserialize)]
pub struct Subscription {
    pub id: String,
    pub state: String,
    pub state_reason: Option<String>,
    pub public_key: Option<String>,
    pub created_at: String,
    pub tenant: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub labels: Vec<String>,
    pub event_types: Vec<String>,
    #[serde(default)]
    pub filters: Option<Box<serde_json::value::RawValue>>,
    pub target_url: Option<String>,
    #[serde(default)]
    pub plugins: Value,
    #[serde(default)]
    pub delivery: Value,
    pub verification: String,
    pub expires_at: Option<String>,
    /// Only after it was made or its secret rotated.
    pub secret: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Missed {
    pub delivery: String,
    pub event: String,
    pub event_type: String,
    pub received_at: String,
}

#[derive(Debug, Deserialize)]
pub struct Explained {
    pub matches: bool,
    pub rules: Vec<Rule>,
    pub plugins: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct Rule {
    pub rule: String,
    pub holds: bool,
    pub detail: String,
}

/// What a replay or a retry would do.
#[derive(Debug, Deserialize)]
pub struct Counted {
    pub counts: BTreeMap<String, u64>,
    pub total: u64,
    pub complete: bool,
}

#[derive(Debug, Deserialize)]
pub struct Job {
    pub id: String,
    pub kind: String,
    pub tenant: Option<String>,
    pub state: String,
    pub progress: Progress,
    #[serde(default)]
    pub about: Value,
    #[serde(default)]
    pub result: Value,
    pub reason: Option<String>,
    pub node: Option<i32>,
    pub created_at: String,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Progress {
    pub done: u64,
    pub total: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub struct Plugin {
    pub name: String,
    pub tenant: Option<String>,
    pub owner: String,
    pub active_version: Option<i32>,
    pub canary_version: Option<i32>,
    pub previous_version: Option<i32>,
    pub versions: Vec<Version>,
    pub limits: Limits,
    pub calls: u64,
    pub failed_calls: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    #[serde(default)]
    pub last_failures: Vec<Failure>,
    pub refused_file: Option<RefusedFile>,
}

#[derive(Debug, Deserialize)]
pub struct Version {
    pub version: i32,
    pub digest: String,
    pub share: f64,
    pub size_bytes: u64,
    pub exports: Vec<String>,
    pub created_at: String,
    pub usage: Usage,
    #[serde(default)]
    pub paused: Vec<Pause>,
}

#[derive(Debug, Deserialize)]
pub struct Usage {
    pub calls: BTreeMap<String, u64>,
    pub p50_us: u64,
    pub p99_us: u64,
    pub memory_peak_bytes: u64,
}

#[derive(Debug, Deserialize)]
pub struct Pause {
    pub tenant: Option<String>,
    pub reason: String,
    pub until: String,
}

#[derive(Debug, Deserialize)]
pub struct Limits {
    pub time_per_event_ms: u64,
    pub memory_bytes: u64,
    pub log_lines: u64,
    pub log_bytes: u64,
    pub component_bytes: u64,
    pub output_bytes: u64,
}

#[derive(Debug, Deserialize)]
pub struct Failure {
    pub at: String,
    pub version: Option<i32>,
    pub event: String,
    pub delivery: String,
    pub kind: String,
    pub reason: String,
}

#[derive(Debug, Deserialize)]
pub struct RefusedFile {
    pub at: String,
    pub kind: String,
    pub reason: String,
}

#[derive(Debug, Deserialize)]
pub struct LoggedLine {
    pub at: String,
    pub level: String,
    pub text: String,
    pub event: String,
    pub version: i32,
}

#[derive(Debug, Deserialize)]
pub struct Logged {
    pub data: Vec<LoggedLine>,
}

#[derive(Debug, Deserialize)]
pub struct DryRun {
    pub verdict: String,
    pub reason: Option<String>,
    pub message: Option<RunMessage>,
    pub duration_us: u64,
    pub fuel: u64,
    pub memory_bytes: u64,
    pub logs: Vec<LogLine>,
    pub logs_cut: u32,
}

#[derive(Debug, Deserialize)]
pub struct RunMessage {
    pub content_type: Option<String>,
    pub body: Option<String>,
    pub body_base64: Option<String>,
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

#[derive(Debug, Deserialize)]
pub struct Key {
    pub id: String,
    pub role: String,
    pub tenant: Option<String>,
    pub description: String,
    pub created_at: String,
}

#[derive(Debug, Deserialize)]
pub struct NewKey {
    pub key: String,
}

#[derive(Debug, Deserialize)]
pub struct Tenant {
    pub name: String,
    pub created_at: String,
    pub quota: Quota,
}

#[derive(Debug, Default, Deserialize)]
pub struct Quota {
    pub events_per_second: Option<u64>,
    pub bytes_per_second: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub struct PortalLink {
    pub url: String,
    pub expires_at: String,
}

#[derive(Debug, Deserialize)]
pub struct Node {
    pub id: i32,
    pub addr: String,
    pub config_seen: i64,
    pub beat_at: String,
}

#[derive(Debug, Deserialize)]
pub struct Stats {
    pub events_accepted: u64,
    pub events_duplicate: u64,
    pub attempts_in_flight: i64,
    pub ready_deliveries: i64,
    pub due_deliveries: i64,
    pub lanes_held: i64,
    pub plugin_bytes_saved: u64,
}

#[derive(Debug, Default, Deserialize)]
pub struct Seen {
    pub events: u64,
    pub accepted: u64,
    pub failed: u64,
    pub ended: u64,
}

#[derive(Debug, Deserialize)]
pub struct Timeline {
    pub now: String,
    pub steps: Vec<Step>,
    pub total: Seen,
    pub p50_ms: Option<u64>,
    pub p99_ms: Option<u64>,
    pub oldest_due_seconds: Option<u64>,
    pub tenants: Vec<TenantSeen>,
    pub nodes: Vec<NodeSeen>,
}

#[derive(Debug, Deserialize)]
pub struct Step {
    pub at: String,
    #[serde(flatten)]
    pub seen: Seen,
    pub p50_ms: Option<u64>,
    pub p99_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub struct TenantSeen {
    pub tenant: Option<String>,
    #[serde(flatten)]
    pub seen: Seen,
    pub oldest_due_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub struct NodeSeen {
    pub node: i32,
    #[serde(flatten)]
    pub seen: Seen,
}

#[derive(Debug, Deserialize)]
pub struct AuditEntry {
    pub at: String,
    pub actor: String,
    pub key: Option<String>,
    pub role: Option<String>,
    pub address: Option<String>,
    pub tenant: Option<String>,
    pub operation: String,
    pub object: String,
    pub result: String,
    pub detail: String,
}

#[derive(Debug, Deserialize)]
pub struct Source {
    pub id: String,
    pub name: String,
    pub tenant: String,
    pub description: String,
    pub url: String,
    pub verify: Value,
    pub has_secret: bool,
    pub old_secret_until: Option<String>,
    pub created_at: String,
}

impl Source {
    pub fn kind(&self) -> &str {
        self.verify["kind"].as_str().unwrap_or("–")
    }
}

#[derive(Debug, Deserialize)]
pub struct NewSource {
    pub id: String,
    pub secret: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct SourceDetail {
    #[serde(flatten)]
    pub source: Source,
    pub seen: SourceSeen,
}

#[derive(Debug, Deserialize)]
pub struct SourceSeen {
    pub accepted: u64,
    pub duplicates: u64,
    pub challenges: u64,
    pub refused: u64,
    pub last_accepted_at: Option<String>,
    pub last_failures: Vec<SourceFailure>,
}

#[derive(Debug, Deserialize)]
pub struct SourceFailure {
    pub at: String,
    pub kind: String,
    pub reason: String,
}
