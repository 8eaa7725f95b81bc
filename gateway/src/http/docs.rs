//! The page at `/docs`: the API's document to read and to try, from the binary alone.
//!
//! Loads nothing from elsewhere, runs no script but its own, and cannot be framed. Holds no key: who
//! tries something types it, and the page forgets it.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderName;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

use super::Api;

const HEADERS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-cache"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// The page and its two parts. They describe nothing of the API, so the document leaves them out.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(
            "/docs",
            get(async || part("text/html; charset=utf-8", include_str!("docs/page.html"))),
        )
        .route(
            "/docs/page.css",
            get(async || part("text/css; charset=utf-8", include_str!("docs/page.css"))),
        )
        .route(
            "/docs/page.js",
            get(async || {
                let script = include_str!("docs/page.js");
                part("text/javascript; charset=utf-8", script)
            }),
        )
}

fn part(kind: &'static str, text: &'static str) -> Response {
    (HEADERS, [(CONTENT_TYPE, kind)], text).into_response()
}
