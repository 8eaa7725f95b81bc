//! `…/missed`: what a subscription did not get while it was disabled or expired, and sending it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::again::{AgainView, Answer, must_serve, started, subscription};
use super::caller::{Reader, Subscriber};
use super::fields::{Fields, rate, read_form};
use super::input::{Asked, Id, JsonBody};
use super::page::{Page, Paging};
use super::problem::{Problem, ProblemBody};
use crate::domain::ids::{DeliveryId, EventId, SubscriptionId};
use crate::domain::job::{JobSpec, ReleaseSpec};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(missed))
        .routes(routes!(release))
}

/// An event that a subscription missed while it was disabled or expired.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissedView {
    #[schema(value_type = String)]
    delivery: DeliveryId,
    #[schema(value_type = String)]
    event: EventId,
    event_type: String,
    received_at: String,
    /// Where the event's data is.
    data_url: String,
}

/// What a subscription missed while it was disabled or expired, oldest first.
#[utoipa::path(get, path = "/v1/subscriptions/{id}/missed", tag = "subscriptions",
    params(("id" = String, Path), Paging),
    responses((status = 200, body = Page<MissedView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn missed(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(id): Id<SubscriptionId>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<MissedView>>, Problem> {
    subscription(&api, &caller, id).await?;
    let limit = paging.limit();
    let rows = api.store().missed(id, paging.after()?, limit + 1).await?;
    let view = |(event, event_type): (EventId, String)| MissedView {
        delivery: DeliveryId {
            event,
            subscription: id,
        },
        event,
        event_type,
        received_at: event.received_at().to_rfc3339(),
        data_url: format!("/v1/events/{event}/data"),
    };
    Ok(Json(Page::new(rows, limit, |(event, _)| *event, view)))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseForm {
    /// Deliveries a second, 1 to 10,000; 1,000 where it is left out.
    rate: Option<u32>,
}

/// Deliver what a subscription missed, once it is active again.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/missed/release", tag = "subscriptions",
    params(("id" = String, Path)), request_body = ReleaseForm,
    responses((status = 202, body = AgainView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn release(
    Subscriber(caller): Subscriber,
    State(api): State<Api>,
    Id(id): Id<SubscriptionId>,
    JsonBody(body): JsonBody,
) -> Result<Answer, Problem> {
    let record = subscription(&api, &caller, id).await?;
    let form: ReleaseForm = read_form(body)?;
    let mut fields = Fields::default();
    let rate = rate(&mut fields, form.rate);
    fields.end()?;
    must_serve(&record)?;
    let spec = ReleaseSpec {
        subscription: id,
        rate,
    };
    started(&api, Some(record.tenant.0), JobSpec::Release(spec)).await
}
