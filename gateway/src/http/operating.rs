//! What operators and machines ask: is it alive, is it ready, what does it do.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::caller::Operator;
use super::problem::{Problem, ProblemBody};
use crate::domain::attempt::Outcome;
use crate::store::nodes::Node;
use crate::telemetry::metrics::OutcomeLabel;

const NO_STORE: [(http::HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the process runs. Asks nobody else.
#[utoipa::path(get, path = "/livez", tag = "operating", security(()), responses((status = 200)))]
pub async fn livez() -> Response {
    (NO_STORE, "ok\n").into_response()
}

/// What readiness hangs on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// It answers, and has heard from this node lately.
    database: bool,
    /// There is a lane to store events in.
    lane: bool,
    /// The last events could be stored, or it is time to try again.
    storing: bool,
    /// What is due gets its turn.
    delivering: bool,
    /// It is not about to stop.
    running: bool,
}

impl Readiness {
    async fn of(api: &Api) -> Self {
        Self {
            database: api.store().ping().await.is_ok() && api.log().pulse().is_fresh(),
            lane: api.metrics().lanes_held.get() > 0,
            storing: api.metrics().flow.is_storing(),
            delivering: api.metrics().flow.is_delivering(),
            running: !api.is_stopping(),
        }
    }

    fn is_ready(&self) -> bool {
        self.database && self.lane && self.storing && self.delivering && self.running
    }
}

/// Whether it can take events now; `?verbose` says why not.
#[utoipa::path(get, path = "/readyz", tag = "operating", security(()),
    params(("verbose" = Option<String>, Query)),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub async fn readyz(State(api): State<Api>, uri: Uri) -> Response {
    let readiness = Readiness::of(&api).await;
    let (status, word) = if readiness.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    };
    let is_verbose = uri
        .query()
        .is_some_and(|query| query.starts_with("verbose"));
    if is_verbose {
        (status, NO_STORE, Json(readiness)).into_response()
    } else {
        (status, NO_STORE, word).into_response()
    }
}

/// Metrics as OpenMetrics text for whoever accepts it, else as Prometheus text; without a key only over
/// loopback, and elsewhere with one that is bound to no tenant.
#[utoipa::path(get, path = "/metrics", tag = "operating",
    responses((status = 200, content(
            (String = "text/plain"),
            (String = "application/openmetrics-text"))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn metrics(
    _: super::server::LocalOrOperator,
    State(api): State<Api>,
    headers: HeaderMap,
) -> Response {
    api.plugins().refresh_metrics();
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accepted.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
        ([(CONTENT_TYPE, OPENMETRICS)], api.metrics().open_metrics()).into_response()
    } else {
        ([(CONTENT_TYPE, PROMETHEUS)], api.metrics().prometheus()).into_response()
    }
}

/// A gateway process on this database.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeView {
    id: i32,
    addr: String,
    /// The newest configuration that it applies.
    config_seen: i64,
    beat_at: String,
}

impl From<Node> for NodeView {
    fn from(node: Node) -> Self {
        Self {
            id: node.id.get(),
            addr: node.addr,
            config_seen: node.config_seen.get(),
            beat_at: node.beat_at.to_rfc3339(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Nodes {
    data: Vec<NodeView>,
}

/// Nodes that were heard of within the last minute; for keys that are bound to no tenant.
#[utoipa::path(get, path = "/v1/nodes", tag = "operating", responses((status = 200, body = Nodes),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn nodes(_: Operator, State(api): State<Api>) -> Result<Json<Nodes>, Problem> {
    let nodes = api.store().list_nodes().await?;
    let data = nodes.into_iter().map(NodeView::from).collect();
    Ok(Json(Nodes { data }))
}

/// Counts of this node since it started.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stats {
    events_accepted: u64,
    events_duplicate: u64,
    attempts_in_flight: i64,
    ready_deliveries: i64,
    due_deliveries: i64,
    lanes_held: i64,
    plugin_bytes_saved: u64,
    deliveries: Vec<OutcomeCount>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OutcomeCount {
    outcome: Outcome,
    count: u64,
}

/// Counts of this node since it started, of all tenants; for keys that are bound to none.
#[utoipa::path(get, path = "/v1/stats", tag = "operating", responses((status = 200, body = Stats),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn stats(_: Operator, State(api): State<Api>) -> Json<Stats> {
    let metrics = api.metrics();
    let count = |outcome| OutcomeCount {
        outcome,
        count: metrics
            .deliveries
            .get_or_create(&OutcomeLabel { outcome })
            .get(),
    };
    Json(Stats {
        events_accepted: metrics.events_accepted.get(),
        events_duplicate: metrics.events_duplicate.get(),
        attempts_in_flight: metrics.attempts_in_flight.get(),
        ready_deliveries: metrics.ready_deliveries.get(),
        due_deliveries: metrics.due_deliveries.get(),
        lanes_held: metrics.lanes_held.get(),
        plugin_bytes_saved: metrics.plugin_bytes_saved.get(),
        deliveries: Outcome::all().map(count).collect(),
    })
}
