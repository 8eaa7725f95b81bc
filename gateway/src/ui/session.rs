//! Who looks: the session's cookie, the caller it stands for, and the token that shows that a form
//! is this session's own.
//!
//! The cookie is out of reach for scripts and is not sent from other sites. A page without a session
//! leads to the sign-in; what is no page says 401.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::{IntoResponse, Redirect, Response};
use data_encoding::HEXLOWER;
use http::header::{COOKIE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Ui;
use super::door::Place;
use super::refusal::Refusal;
use crate::domain::key::{Action, Caller};
use crate::store::audit;

const SESSION: &str = "hookgate_session";
const NOTE: &str = "hookgate_note";
const MAX_NOTE: usize = 600;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub ui: Ui,
    pub caller: Caller,
    /// Whether a link of a portal let them in.
    pub is_portal: bool,
    /// The other end of the connection.
    pub peer: Option<SocketAddr>,
    /// Goes with every form.
    pub token: String,
    /// What the last form came to, to be said once.
    pub note: Option<String>,
}

impl Visitor {
    pub fn may(&self, action: Action) -> bool {
        self.caller.role.allows(action)
    }

    /// May do everything, on all tenants.
    pub fn is_operator(&self) -> bool {
        self.may(Action::Administer) && self.caller.bound_to.is_none()
    }

    pub fn sees_all_tenants(&self) -> bool {
        self.caller.bound_to.is_none()
    }

    /// Whether a form carries this session's token.
    pub fn owns(&self, token: &str) -> bool {
        bool::from(self.token.as_bytes().ct_eq(token.as_bytes()))
    }
}

impl FromRequestParts<Ui> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ui: &Ui) -> Result<Self, Response> {
        let Some(secret) = cookie(&parts.headers, SESSION) else {
            return Err(to_sign_in(parts));
        };
        let known = ui.parts();
        let session = known.store.session(&secret, known.admin_key.as_ref());
        let session = session
            .await
            .map_err(|error| Refusal::fault(&error).into_response())?;
        let Some(session) = session else {
            return Err(to_sign_in(parts));
        };
        audit::this_is(&session.caller);
        Ok(Self {
            ui: ui.clone(),
            caller: session.caller,
            is_portal: session.is_portal,
            peer: peer(&parts.extensions),
            token: token_of(&secret),
            note: cookie(&parts.headers, NOTE).and_then(|text| unpack(&text)),
        })
    }
}

/// The other end of a request's connection.
pub fn peer(of: &http::Extensions) -> Option<SocketAddr> {
    of.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0)
}

/// The text that forms of a session carry.
fn token_of(secret: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"hookgate form token\0");
    hash.update(secret.as_bytes());
    HEXLOWER.encode(&hash.finalize())
}

fn to_sign_in(parts: &Parts) -> Response {
    let accepts_pages = parts
        .headers
        .get(http::header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_none_or(|accept| accept.contains("text/html") || accept.contains("*/*"));
    if !accepts_pages {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut place = Place::of(&["ui", "login"]);
    if parts.method == Method::GET && parts.uri.path() != "/ui" {
        let wanted = parts.uri.path_and_query().map_or("", |it| it.as_str());
        place = place.with("next", wanted);
    }
    Redirect::to(place.as_str()).into_response()
}

/// The secret of the session that a request has, known or not.
pub fn secret(headers: &HeaderMap) -> Option<String> {
    cookie(headers, SESSION)
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    texts
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.to_owned())
}

/// The cookie that opens a session.
pub fn opening(ui: &Ui, secret: &str, seconds: i64) -> HeaderValue {
    set(ui, (SESSION, secret), seconds)
}

/// The cookie that ends one.
pub fn ending(ui: &Ui) -> HeaderValue {
    set(ui, (SESSION, ""), 0)
}

/// The cookie that carries a note to the next page.
pub fn noting(ui: &Ui, note: &str) -> HeaderValue {
    let mut end = note.len().min(MAX_NOTE);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    set(ui, (NOTE, &HEXLOWER.encode(&note.as_bytes()[..end])), 30)
}

/// The cookie that takes the note away once it was said.
pub fn noted(ui: &Ui) -> HeaderValue {
    set(ui, (NOTE, ""), 0)
}

fn unpack(text: &str) -> Option<String> {
    String::from_utf8(HEXLOWER.decode(text.as_bytes()).ok()?).ok()
}

fn set(ui: &Ui, (name, value): (&str, &str), seconds: i64) -> HeaderValue {
    let secure = if ui.is_https() { "; Secure" } else { "" };
    let cookie =
        format!("{name}={value}; Path=/ui; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::try_from(cookie).expect("secrets and notes are plain ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(
            COOKIE,
            HeaderValue::from_static("a=1; hookgate_session=hgs_x"),
        );
        headers.append(COOKIE, HeaderValue::from_static("b=2"));
        assert_eq!(secret(&headers).as_deref(), Some("hgs_x"));
        assert_eq!(cookie(&headers, "b").as_deref(), Some("2"));
        assert_eq!(cookie(&headers, "session"), None);
    }

    #[test]
    fn a_token_belongs_to_one_session_and_does_not_show_it() {
        assert_ne!(token_of("hgs_a"), token_of("hgs_b"));
        assert!(!token_of("hgs_a").contains("hgs_a"));
    }
}
