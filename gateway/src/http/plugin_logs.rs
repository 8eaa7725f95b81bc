//! `GET /v1/plugins/{name}/logs`: what a plugin logged and where it failed, on the node that is asked.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::{Reader, scope};
use super::input::{Asked, Id};
use super::page::limit;
use super::plugins::find;
use super::problem::{Problem, ProblemBody};
use crate::domain::ids::{EventId, SubscriptionId};
use crate::domain::plugin::PluginName;
use crate::domain::tenant::TenantName;
use crate::plugin::journal::{JournalLine, JournalQuery};

/// Which lines.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Only about events of this tenant.
    #[param(value_type = Option<String>)]
    tenant: Option<TenantName>,
    /// `next` of the answer before: only lines since then. The last lines where it is left out.
    after: Option<u64>,
    /// 1 to 500; 50 where it is left out.
    limit: Option<u16>,
}

/// A line that a plugin logged, or a call that came to nothing.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogLineView {
    /// Counts up on this node.
    number: u64,
    at: String,
    /// `debug`, `info`, `warn` or `error`; `failed` where there was no answer.
    level: &'static str,
    text: String,
    #[schema(value_type = String)]
    event: EventId,
    #[schema(value_type = String)]
    subscription: SubscriptionId,
    /// The version's; null where none could be run.
    digest: Option<String>,
}

/// Lines in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogsView {
    data: Vec<LogLineView>,
    /// Ask with `after` set to this for what comes.
    next: u64,
}

impl From<JournalLine> for LogLineView {
    fn from(line: JournalLine) -> Self {
        Self {
            number: line.number,
            at: line.at.to_rfc3339(),
            level: line.level,
            text: line.text,
            event: line.delivery.event,
            subscription: line.delivery.subscription,
            digest: line.digest.map(|digest| digest.to_string()),
        }
    }
}

/// What a plugin logged, and where it failed: the last lines of this node, kept in memory.
#[utoipa::path(get, path = "/v1/plugins/{name}/logs", tag = "plugins",
    params(("name" = String, Path), LogQuery),
    responses((status = 200, body = LogsView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn logs(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(name): Id<PluginName>,
    Asked(query): Asked<LogQuery>,
) -> Result<Json<LogsView>, Problem> {
    let plugin = find(&api, &caller, query.tenant.as_ref(), &name).await?;
    let (lines, next) = api.plugins().records().journal().read(&JournalQuery {
        plugin: &plugin.key,
        tenant: scope(&api, &caller, query.tenant.as_ref())?,
        after: query.after,
        limit: limit(query.limit).into(),
    });
    Ok(Json(LogsView {
        data: lines.into_iter().map(LogLineView::from).collect(),
        next,
    }))
}
