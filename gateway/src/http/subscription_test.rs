//! `/v1/subscriptions/{id}/test`, and what else goes to one subscription alone.
//!
//! Such an event is stored like any other; types and filters are not asked.

use axum::Json;
use axum::extract::State as Shared;
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::caller::{Subscriber, bound};
use super::input::Id;
use super::problem::{Kind, Problem, ProblemBody};
use super::subscriptions::found;
use crate::domain::audit::{Deed, Operation};
use crate::domain::event::Attributes;
use crate::domain::ids::{EventId, SubscriptionId, TenantId};
use crate::domain::subscription::State;
use crate::log::{Appended, NewEvent};

const TEST_TYPE: &str = "hookgate.test";

/// The event that was sent as a test.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestView {
    #[schema(value_type = String)]
    event: EventId,
}

/// Send a `hookgate.test` event to this subscription alone.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/test", tag = "subscriptions",
    params(("id" = String, Path)), responses((status = 202, body = TestView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn test(
    Subscriber(caller): Subscriber,
    Shared(api): Shared<Api>,
    Id(id): Id<SubscriptionId>,
) -> Result<(StatusCode, Json<TestView>), Problem> {
    let record = found(&api, id, bound(&caller)).await?;
    if record.state.0 != State::Active {
        let detail = format!("the subscription is {}; resume it first", record.state.0);
        return Err(Problem::new(Kind::Conflict, detail));
    }
    if record.wish.target.is_none() {
        let detail = "the subscription has no target; fetch its events instead";
        return Err(Problem::new(Kind::Conflict, detail));
    }
    let tenant = record.tenant.0;
    let event = send_alone(&api, tenant, (id, TEST_TYPE)).await?;
    let deed = Deed::new(Operation::SubscriptionTest, tenant, id);
    api.store().note(deed).await?;
    Ok((StatusCode::ACCEPTED, Json(TestView { event })))
}

/// Stores an event of the gateway's own for one subscription, whatever its types and filters.
pub(super) async fn send_alone(
    api: &Api,
    tenant: TenantId,
    (to, event_type): (SubscriptionId, &str),
) -> Result<EventId, Problem> {
    let event = NewEvent {
        tenant,
        event_type: event_type.into(),
        attributes: Attributes::default(),
        data: Bytes::from(format!(r#"{{"subscription":"{to}"}}"#)),
        targets: vec![to],
        parked: Vec::new(),
        idempotency: None,
        outbox: None,
    };
    let appended = api.log().append(vec![event]).await;
    let appended = appended.map_err(crate::ingest::accept::AcceptError::from)?;
    match appended.first() {
        Some(Appended::Stored { id, .. }) => Ok(*id),
        _ => Err(Problem::new(Kind::Busy, "try again")),
    }
}
