//! `POST /v1/subscriptions/check`: whether a subscription could be made like this. Nothing is made.

use axum::extract::State as Shared;
use http::StatusCode;

use super::Api;
use super::caller::Subscriber;
use super::input::JsonText;
use super::problem::{Problem, ProblemBody};
use super::subscription_form::{SubscriptionForm, Valid, filters_text};
use super::subscriptions::{check_expiry, check_plugins, scope_of_form};
use crate::domain::tenant::TenantName;
use crate::store::catalog::Catalog;

/// Say whether a subscription could be made like this; nothing is made.
#[utoipa::path(post, path = "/v1/subscriptions/check", tag = "subscriptions",
    request_body = SubscriptionForm,
    responses((status = 204),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn check(
    Subscriber(caller): Subscriber,
    Shared(api): Shared<Api>,
    body: JsonText,
) -> Result<StatusCode, Problem> {
    let filters = filters_text(&body);
    let Valid { tenant, wish } =
        SubscriptionForm::read(body.value, filters.as_deref(), &api.form_rules())?;
    let of = match scope_of_form(&caller, tenant.as_ref())? {
        Some(of) => Some(of),
        None => api
            .store()
            .catalog()
            .tenant_id(&tenant.unwrap_or_else(TenantName::unnamed)),
    };
    // A tenant that is not there yet has the shared plugins.
    check_plugins(&api, of.unwrap_or(Catalog::SHARED), &wish)?;
    check_expiry(&api, wish.expires_at)?;
    Ok(StatusCode::NO_CONTENT)
}
