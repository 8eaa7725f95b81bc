//! All routes, the document that describes them, and what is answered beside them.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, StatusCode};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{Kind, MEDIA_TYPE, Problem};
use super::{
    Api, confirm, deliveries, events, explain, keys, operating, samples, subscription_test,
    subscriptions, tenants,
};
use crate::telemetry::metrics::{RequestLabel, RouteLabel};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hookgate",
        description = "A hook gateway that anybody can extend with WebAssembly plugins.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    security(("key" = [])),
    modifiers(&BearerKey)
)]
struct Description;

struct BearerKey;

impl utoipa::Modify for BearerKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("key", scheme);
    }
}

/// Every route that is described. `more` brings those of other parts of the API.
#[must_use]
pub fn described(more: OpenApiRouter<Api>) -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(events::send, events::list))
        .routes(routes!(events::send_batch))
        .routes(routes!(events::one))
        .routes(routes!(events::data))
        .routes(routes!(subscriptions::create, subscriptions::list))
        .routes(routes!(
            subscriptions::one,
            subscriptions::replace,
            subscriptions::patch,
            subscriptions::delete
        ))
        .routes(routes!(explain::explain))
        .routes(routes!(super::subscription_check::check))
        .routes(routes!(confirm::confirm, confirm::confirm_by_get))
        .routes(routes!(samples::samples))
        .routes(routes!(subscriptions::pause))
        .routes(routes!(subscriptions::resume))
        .routes(routes!(subscription_test::test))
        .routes(routes!(subscriptions::rotate))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::one))
        .routes(routes!(deliveries::retry))
        .routes(routes!(deliveries::cancel))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(tenants::list))
        .routes(routes!(tenants::put))
        .routes(routes!(operating::nodes))
        .routes(routes!(operating::stats))
        .routes(routes!(operating::livez))
        .routes(routes!(operating::readyz))
        .routes(routes!(operating::metrics))
        .merge(super::jobs::routes())
        .merge(super::backtest::routes())
        .merge(super::again::routes())
        .merge(super::missed::routes())
        .merge(super::pull::routes())
        .merge(super::tail::routes())
        .merge(super::erase::routes())
        .merge(super::verify::routes())
        .merge(super::sources::routes())
        .merge(super::inbound::routes())
        .merge(super::retrace::routes())
        .merge(super::timeline::routes())
        .merge(super::portal::routes())
        .merge(super::audit::routes())
        .merge(more)
}

/// The API, ready to be served.
pub fn router(api: Api, more: OpenApiRouter<Api>) -> Router {
    let (routes, document) = described(more).split_for_parts();
    let mut document = serde_json::to_value(named(document)).expect("the document is plain data");
    super::document::finish(&mut document);
    let document: bytes::Bytes = document.to_string().into();
    let serve_document = move || {
        let document = document.clone();
        async move { ([(CONTENT_TYPE, "application/json")], document) }
    };
    routes
        .route("/openapi.json", axum::routing::get(serve_document))
        .merge(super::docs::routes())
        .fallback(async || Problem::new(Kind::NotFound, "see /openapi.json for the routes"))
        .layer(from_fn_with_state(api.clone(), super::audited::around))
        .layer(from_fn_with_state(api.clone(), observed))
        .with_state(api)
}

/// Gives each operation a name of its own: what it is about, then what it does.
fn named(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let operations = document.paths.paths.values_mut().flat_map(|item| {
        [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
            &mut item.options,
        ]
    });
    for operation in operations.flatten() {
        let about = operation.tags.as_ref().and_then(|tags| tags.first());
        if let (Some(about), Some(does)) = (about, &operation.operation_id) {
            operation.operation_id = Some(format!("{about}_{does}"));
        }
    }
    document
}

/// Counts requests, and turns what the framework says by itself into problems.
async fn observed(State(api): State<Api>, request: Request, next: Next) -> Response {
    let method = known(request.method());
    let begun_at = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let response = next.run(request).await;
    let response = as_problem(response);
    let metrics = api.metrics();
    let place = RouteLabel { method, route };
    let seconds = begun_at.elapsed().as_secs_f64();
    metrics.http_seconds.get_or_create(&place).observe(seconds);
    let RouteLabel { method, route } = place;
    let status = response.status().as_u16();
    let label = RequestLabel {
        method,
        route,
        status,
    };
    metrics.http_requests.get_or_create(&label).inc();
    response
}

/// Callers may write any word as a method; metrics count the known ones.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn as_problem(response: Response) -> Response {
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == MEDIA_TYPE);
    if is_problem {
        return response;
    }
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::method_not_allowed(response.headers().get(ALLOW).cloned()).into_response()
        }
        StatusCode::NOT_FOUND => Problem::not_found("thing").into_response(),
        StatusCode::INTERNAL_SERVER_ERROR => {
            Problem::new(Kind::Internal, "the gateway's log says more").into_response()
        }
        _ => response,
    }
}
