//! `GET /v1/deliveries/{id}/retrace`: the way of one delivery through its plugins, each with what it
//! was shown and what it made of it.
//!
//! Made by running again what ran, in the versions and with the configuration of then. Nothing is
//! sent, and what came of it then is not looked at: `…/verify` compares.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Reader;
use super::input::{Asked, Id};
use super::past::{Past, conflict};
use super::plugin_run_view::shown;
use super::problem::{Problem, ProblemBody};
use crate::domain::ids::DeliveryId;
use crate::plugin::retrace::{Shown, Step};
use crate::store::history::PastAttempt;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(retrace))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RetraceQuery {
    /// The attempt's number; the last one where it is left out.
    attempt: Option<u16>,
}

/// Data before or after a plugin: text where it is UTF-8, else base64.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaceView {
    content_type: String,
    size_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

/// One plugin on the way.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetraceStepView {
    plugin: String,
    digest: String,
    #[schema(value_type = Object)]
    config: Value,
    before: PlaceView,
    /// Null where it ended there.
    after: Option<PlaceView>,
    /// `pass`, `drop`, `replace`, `deliver` or `failed`.
    verdict: &'static str,
    /// Why it was dropped, or what failed.
    reason: Option<String>,
    duration_us: u128,
    #[schema(value_type = Vec<Object>)]
    logs: Vec<hookgate_plugin_host::LogLine>,
}

/// The way through the plugins of an attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetraceView {
    #[schema(value_type = String)]
    delivery: DeliveryId,
    attempt: u16,
    /// False where plugins or delivery policy have changed since; it is told with those of then.
    config_is_current: bool,
    steps: Vec<RetraceStepView>,
    /// The body of the request that this makes; null where nothing goes out, or many events in one.
    body: Option<PlaceView>,
    /// Whether it is the very body that this attempt sent; null where it sent none.
    body_is_the_same: Option<bool>,
}

impl From<Shown> for PlaceView {
    fn from(place: Shown) -> Self {
        let (data, data_base64) = shown(&place.data);
        Self {
            content_type: place.content_type.to_string(),
            size_bytes: place.data.len(),
            data,
            data_base64,
        }
    }
}

impl From<Step> for RetraceStepView {
    fn from(step: Step) -> Self {
        Self {
            plugin: step.used.name.to_string(),
            digest: step.digest.to_string(),
            config: step.used.config,
            before: step.before.into(),
            after: step.after.map(PlaceView::from),
            verdict: step.verdict,
            reason: step.reason,
            duration_us: step.took.as_micros(),
            logs: step.logs,
        }
    }
}

/// See what each plugin of a past attempt was shown and made of it.
#[utoipa::path(get, path = "/v1/deliveries/{id}/retrace", tag = "deliveries",
    params(("id" = String, Path), RetraceQuery),
    responses((status = 200, body = RetraceView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn retrace(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(id): Id<DeliveryId>,
    Asked(query): Asked<RetraceQuery>,
) -> Result<Json<RetraceView>, Problem> {
    let past = Past::of(&api, &caller, id, |all| chosen(all, query.attempt)).await?;
    let (events, steps) = past.made_of(&api).await?;
    let is_alone = events.len() == 1;
    // Of a batch: the way of the one whose delivery this is; the body is everybody's.
    let event = events.into_iter().next_back();
    let event = event.ok_or_else(|| conflict("there is nothing to make it of"))?;
    let (steps, made) = past.retrace(&api, event, steps).await?;
    let made = made.ok().filter(|_| is_alone);
    let body = made.map(|item| past.body(&api, vec![item]));
    let now: Option<[u8; 32]> = body.as_ref().map(|body| Sha256::digest(body).into());
    Ok(Json(RetraceView {
        delivery: id,
        attempt: past.attempt.number,
        config_is_current: past.wish.is_current,
        steps: steps.into_iter().map(RetraceStepView::from).collect(),
        body_is_the_same: past
            .attempt
            .body_hash
            .filter(|_| is_alone)
            .map(|sent| Some(sent) == now),
        body: body.map(|data| {
            let content_type = "".into();
            Shown { content_type, data }.into()
        }),
    }))
}

fn chosen(attempts: Vec<PastAttempt>, number: Option<u16>) -> Result<PastAttempt, Problem> {
    let is_meant = |one: &PastAttempt| number.is_none_or(|number| one.number == number);
    let mut attempts = attempts.into_iter();
    let found = attempts.rfind(is_meant);
    found.ok_or_else(|| conflict("there is no such attempt yet, so no plugin has run"))
}
