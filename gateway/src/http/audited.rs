//! Around every request: who acts, for the audit log, and what of the changes was refused.
//!
//! What is done is written by the store with the change itself. Here are only the refusals, which have no
//! transaction to be written in, and the table that says which routes change something: a test holds it
//! against the API's own description.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use tracing::warn;

use super::Api;
use super::problem::Kind;
use crate::domain::audit::{Deed, Operation};
use crate::store::audit::{self, Acting};

/// Routes that change something, as the audit log calls them.
const CHANGES: &[(&str, &str, Operation)] = &[
    ("POST", "/v1/keys", Operation::KeyCreate),
    ("DELETE", "/v1/keys/{id}", Operation::KeyRevoke),
    ("PUT", "/v1/tenants/{name}", Operation::TenantSet),
    ("POST", "/v1/tenants/{name}/portal", Operation::PortalLink),
    ("POST", "/v1/tenants/{tenant}/erase", Operation::TenantErase),
    ("POST", "/v1/sources", Operation::SourceCreate),
    ("PUT", "/v1/sources/{id}", Operation::SourceChange),
    ("DELETE", "/v1/sources/{id}", Operation::SourceDelete),
    (
        "POST",
        "/v1/sources/{id}/secret/rotate",
        Operation::SourceRotate,
    ),
    ("POST", "/v1/subscriptions", Operation::SubscriptionCreate),
    (
        "PUT",
        "/v1/subscriptions/{id}",
        Operation::SubscriptionChange,
    ),
    (
        "PATCH",
        "/v1/subscriptions/{id}",
        Operation::SubscriptionChange,
    ),
    (
        "DELETE",
        "/v1/subscriptions/{id}",
        Operation::SubscriptionDelete,
    ),
    (
        "POST",
        "/v1/subscriptions/{id}/pause",
        Operation::SubscriptionPause,
    ),
    (
        "POST",
        "/v1/subscriptions/{id}/resume",
        Operation::SubscriptionResume,
    ),
    (
        "POST",
        "/v1/subscriptions/{id}/test",
        Operation::SubscriptionTest,
    ),
    (
        "POST",
        "/v1/subscriptions/{id}/secret/rotate",
        Operation::SubscriptionRotate,
    ),
    (
        "GET",
        "/v1/subscriptions/{id}/confirm",
        Operation::SubscriptionConfirm,
    ),
    (
        "POST",
        "/v1/subscriptions/{id}/confirm",
        Operation::SubscriptionConfirm,
    ),
    (
        "POST",
        "/v1/subscriptions/{id}/missed/release",
        Operation::JobCreate,
    ),
    (
        "POST",
        "/v1/subscriptions/{id}/replay",
        Operation::JobCreate,
    ),
    ("POST", "/v1/deliveries/retry", Operation::JobCreate),
    (
        "POST",
        "/v1/deliveries/{id}/retry",
        Operation::DeliveryRetry,
    ),
    (
        "POST",
        "/v1/deliveries/{id}/cancel",
        Operation::DeliveryCancel,
    ),
    ("DELETE", "/v1/events/{id}", Operation::EventErase),
    ("DELETE", "/v1/jobs/{id}", Operation::JobCancel),
    ("PUT", "/v1/plugins/{name}", Operation::PluginUpload),
    ("DELETE", "/v1/plugins/{name}", Operation::PluginDelete),
    (
        "POST",
        "/v1/plugins/{name}/activate",
        Operation::PluginActivate,
    ),
    ("POST", "/v1/plugins/{name}/backtest", Operation::JobCreate),
];

/// Serves a request in the name of whoever it turns out to be.
pub(super) async fn around(State(api): State<Api>, request: Request, next: Next) -> Response {
    let acting = Acting::from_address(peer(&request));
    let change = change(&request);
    let response = audit::acting(acting.clone(), next.run(request)).await;
    if let Some((operation, object)) = change
        && response.status().is_client_error()
        && let Some(kind) = response.extensions().get::<Kind>()
        // Whoever brings no key at all is no news.
        && *kind != Kind::NoKey
    {
        let deed = Deed::new(operation, None, object).with(kind.slug());
        if let Err(error) = api.store().note_refused(&acting, deed).await {
            warn!(%error, "a refusal could not be written to the audit log");
        }
    }
    response
}

fn peer(request: &Request) -> Option<std::net::IpAddr> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(peer)| peer.ip())
}

/// What the request would change, and of which thing.
fn change(request: &Request) -> Option<(Operation, String)> {
    let route = request.extensions().get::<MatchedPath>()?.as_str();
    let operation = of_route(request.method(), route)?;
    // The thing is the path's one variable segment.
    let names = route.split('/').zip(request.uri().path().split('/'));
    let object = names
        .filter(|(name, _)| name.starts_with('{'))
        .map(|(_, segment)| segment.to_owned())
        .next();
    Some((operation, object.unwrap_or_default()))
}

fn of_route(method: &Method, route: &str) -> Option<Operation> {
    let found = CHANGES
        .iter()
        .find(|(of, path, _)| *of == method.as_str() && *path == route);
    found.map(|(_, _, operation)| *operation)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Not reads, and yet nothing that stays changed.
    const HARMLESS: &[&str] = &[
        "POST /in/{address}",
        "OPTIONS /in/{address}",
        "POST /v1/events",
        "POST /v1/events/batch",
        "POST /v1/subscriptions/check",
        "POST /v1/subscriptions/explain",
        "POST /v1/deliveries/{id}/verify",
        "POST /v1/plugins/run",
        "POST /v1/plugins/{name}/run",
    ];

    #[test]
    fn each_route_that_changes_something_is_in_the_table() {
        let described = super::super::router::described(super::super::plugins::routes());
        let document = serde_json::to_value(described.get_openapi()).unwrap();
        let mut known: BTreeSet<String> = HARMLESS.iter().map(|one| (*one).to_owned()).collect();
        known.extend(
            CHANGES
                .iter()
                .map(|(method, path, _)| format!("{method} {path}")),
        );
        let mut there = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                there.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let unknown: Vec<&String> = there
            .iter()
            .filter(|route| !route.starts_with("GET ") && !known.contains(*route))
            .collect();
        assert!(unknown.is_empty(), "audited or harmless? {unknown:?}");
        let gone: Vec<&String> = known.difference(&there).collect();
        assert!(gone.is_empty(), "no such routes: {gone:?}");
    }
}
