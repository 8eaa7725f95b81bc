//! What stands around every page: headers that let a browser run nothing but our own script, and the
//! refusal of what another site's page sends.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use super::refusal::Refusal;
use super::{Ui, session};
use crate::store::audit::{self, Acting};

/// Nothing inline, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

pub async fn around(State(ui): State<Ui>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read && is_foreign(request.headers(), &ui.parts().public_url) {
        let mut response = Refusal::forged().into_response();
        harden(response.headers_mut());
        return response;
    }
    // What a page does by itself, such as signing in, is done by somebody too.
    let address = session::peer(request.extensions()).map(|peer| peer.ip());
    let acting = Acting::from_address(address);
    let mut response = audit::acting(acting, next.run(request)).await;
    harden(response.headers_mut());
    response
}

fn harden(headers: &mut HeaderMap) {
    let fixed: [(HeaderName, &'static str); 5] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // With `no-referrer` browsers would not say where a form comes from.
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        let value = HeaderValue::from_static(value);
        headers.entry(name).or_insert(value);
    }
}

/// Whether a browser says that another site's page sent this. Others than browsers say nothing, and
/// have no cookies that they do not mean.
fn is_foreign(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site != "same-origin";
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        return false;
    };
    let authority = |text: &str| {
        let url = Url::parse(text).ok()?;
        let host = url.host_str()?.to_owned();
        Some(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        })
    };
    let Some(from) = authority(origin) else {
        return true;
    };
    let is_here = text(HOST.as_str()).is_some_and(|host| host.eq_ignore_ascii_case(&from));
    !is_here && authority(public_url) != Some(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_known_by_what_the_browser_says() {
        let said = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            is_foreign(&headers, "https://hooks.example.com")
        };
        for own in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[
                ("origin", "http://127.0.0.1:8080"),
                ("host", "127.0.0.1:8080"),
            ],
            &[
                ("origin", "https://hooks.example.com"),
                ("host", "10.0.0.7:8080"),
            ],
        ] {
            assert!(!said(own), "{own:?}");
        }
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[
                ("origin", "https://evil.example"),
                ("host", "hooks.example.com"),
            ],
            &[("origin", "null"), ("host", "hooks.example.com")],
            &[("origin", "https://hooks.example.com.evil.example")],
        ] {
            assert!(said(foreign), "{foreign:?}");
        }
    }
}
