//! A receiver's consent: asked for by the engine, and brought back here by a receiver that takes
//! its time.
//!
//! Whoever has the secret of the handshake may confirm, without a key: that is what the secret is
//! for. What the API wants sent it parks, and the engine sends it.

use axum::Json;
use axum::extract::State as Shared;
use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use utoipa::{IntoParams, ToSchema};

use super::input::{Asked, Body, Id};
use super::problem::{Kind, Problem, ProblemBody};
use super::subscription_test::send_alone;
use super::{Api, AppliedView};
use crate::domain::ids::{SubscriptionId, TenantId};
use crate::domain::subscription::State;
use crate::domain::verification::{HANDSHAKE_TYPE, hook_secret};
use crate::log::work::ParkReason;

const SECRET_HEADER: &str = "x-hook-secret";
const RATE_HEADER: &str = "webhook-allowed-rate";

/// Asks the receiver of a subscription that is pending.
pub(super) async fn ask(api: &Api, tenant: TenantId, id: SubscriptionId) -> Result<(), Problem> {
    send_alone(api, tenant, (id, HANDSHAKE_TYPE))
        .await
        .map(drop)
}

/// The secret, where a receiver cannot set headers.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ConfirmForm {
    /// The `X-Hook-Secret` that the receiver was sent.
    secret: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ConfirmQuery {
    /// The same, as `WebHook-Request-Callback` has it.
    token: Option<String>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfirmedView {
    #[schema(value_type = String)]
    id: SubscriptionId,
    state: State,
    #[serde(flatten)]
    applied: AppliedView,
}

/// Confirm that a receiver wants to be sent events; the secret is the key.
///
/// It comes in the header `X-Hook-Secret`, in the body or as `token`. Again is fine.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/confirm", tag = "subscriptions", security(()),
    params(("id" = String, Path), ConfirmQuery,
        ("x-hook-secret" = Option<String>, Header, description = "As the receiver was sent it")),
    request_body = ConfirmForm,
    responses((status = 200, body = ConfirmedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn confirm(
    Shared(api): Shared<Api>,
    Id(id): Id<SubscriptionId>,
    Asked(query): Asked<ConfirmQuery>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Json<ConfirmedView>, Problem> {
    let secret = given(&headers, query, &body);
    accept(&api, id, secret, &headers).await
}

/// The same for receivers that follow the callback of CloudEvents' handshake with a GET.
#[utoipa::path(get, path = "/v1/subscriptions/{id}/confirm", tag = "subscriptions", security(()),
    params(("id" = String, Path), ConfirmQuery),
    responses((status = 200, body = ConfirmedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn confirm_by_get(
    Shared(api): Shared<Api>,
    Id(id): Id<SubscriptionId>,
    Asked(query): Asked<ConfirmQuery>,
    headers: HeaderMap,
) -> Result<Json<ConfirmedView>, Problem> {
    let secret = given(&headers, query, &Bytes::new());
    accept(&api, id, secret, &headers).await
}

fn given(headers: &HeaderMap, query: ConfirmQuery, body: &Bytes) -> Option<String> {
    let header = headers.get(SECRET_HEADER);
    let in_header = header
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let in_body = || serde_json::from_slice::<ConfirmForm>(body).ok()?.secret;
    in_header.or(query.token).or_else(in_body)
}

async fn accept(
    api: &Api,
    id: SubscriptionId,
    secret: Option<String>,
    headers: &HeaderMap,
) -> Result<Json<ConfirmedView>, Problem> {
    let refuse = |detail: &str| Problem::new(Kind::InvalidSecret, detail);
    let secret = secret.ok_or_else(|| {
        refuse("send the X-Hook-Secret as a header, as {\"secret\": …} or as ?token=")
    })?;
    api.store().feed().refresh().await?;
    let subscription = api.store().catalog().subscription(id);
    // Whether there is such a subscription is nobody's business who lacks its secret.
    let subscription = subscription.filter(|subscription| {
        let mut keys = subscription.secrets.iter();
        keys.any(|key| {
            let own = hook_secret(key, id);
            bool::from(own.as_bytes().ct_eq(secret.as_bytes()))
        })
    });
    let Some(subscription) = subscription else {
        return Err(refuse(
            "it is not the secret of this subscription's handshake",
        ));
    };
    let view = |applied| ConfirmedView {
        id,
        state: State::Active,
        applied,
    };
    match subscription.state {
        State::Pending => {}
        State::Active => return Ok(Json(view(api.applied(subscription.version).await))),
        state => {
            let detail = format!("a subscription that is {state} does not wait for this");
            return Err(Problem::new(Kind::Conflict, detail));
        }
    }
    let rate = headers.get(RATE_HEADER);
    let rate = rate.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let confirmed = api
        .store()
        .confirm(id, rate.filter(|rate| *rate > 0))
        .await?;
    let version = confirmed.unwrap_or_else(|| api.store().catalog().version());
    let applied = api.applied(version).await;
    api.log().wake(id, &[ParkReason::Paused]).await?;
    Ok(Json(view(applied)))
}
