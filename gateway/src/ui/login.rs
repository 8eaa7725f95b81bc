//! Signing in with a key, and out again.
//!
//! The key is looked at once and not kept: the session stands for its hash.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use http::header::{HeaderMap, SET_COOKIE};
use maud::{Markup, html};
use serde::Deserialize;
use tracing::warn;

use super::form::{Filled, Open};
use super::frame::before_sign_in;
use super::refusal::Refusal;
use super::{Ui, session};
use crate::domain::audit::{Deed, Operation};
use crate::domain::key::Action;
use crate::store::{audit, keys, sessions};

/// How long a session lasts that a key opened.
const LASTS: Duration = Duration::from_secs(12 * 3600);

#[derive(Debug, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    next: String,
}

pub async fn show(State(ui): State<Ui>, Query(wanted): Query<Wanted>) -> Markup {
    form(&ui, &wanted.next, None)
}

fn form(ui: &Ui, next: &str, fault: Option<&str>) -> Markup {
    before_sign_in(
        ui,
        "Sign in",
        &html! {
            h1 { "Sign in" }
            @if let Some(fault) = fault {
                div.notice.bad role="alert" { p { (fault) } }
            }
            form.stack method="post" action="/ui/login" {
                input type="hidden" name="next" value=(next);
                label for="key" { "API key" }
                input #key name="key" type="password" required autofocus autocomplete="current-password"
                    aria-describedby="key-help" spellcheck="false";
                p.help #key-help {
                    "Any key that may read. The first admin key is printed when a gateway starts for \
                     the first time, and stays in its data folder as "
                    code { "admin-key" } "."
                }
                button { "Sign in" }
            }
        },
    )
}

/// Only places of the dashboard itself.
fn safe(next: &str) -> &str {
    let is_ours = next == "/ui" || next.starts_with("/ui/");
    let is_plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_ours && is_plain { next } else { "/ui" }
}

pub async fn sign_in(State(ui): State<Ui>, Open(fields): Open) -> Result<Response, Refusal> {
    let known = ui.parts();
    let refuse = async |fault: &str| {
        let deed = Deed::new(Operation::SessionOpen, None, "dashboard");
        if let Err(error) = known.store.note_refused(&audit::here(), deed).await {
            warn!(%error, "a refusal could not be written to the audit log");
        }
        let page = form(&ui, fields.text("next"), Some(fault));
        Ok((StatusCode::UNAUTHORIZED, page).into_response())
    };
    let hash = keys::hash(fields.text("key"));
    let Some(caller) = sessions::caller_of(&known.store, known.admin_key.as_ref(), &hash) else {
        return refuse("This key is not known, or was revoked.").await;
    };
    audit::this_is(&caller);
    if !caller.role.allows(Action::Read) {
        let fault = "A key that only sends events cannot look. Use one with another role.";
        return refuse(fault).await;
    }
    let opened = known.store.open_session(&hash, LASTS).await;
    let opened = opened.map_err(|error| Refusal::fault(&error))?;
    let seconds = i64::try_from(LASTS.as_secs()).unwrap_or(i64::MAX);
    let cookie = session::opening(&ui, &opened.secret, seconds);
    let mut response = Redirect::to(safe(fields.text("next"))).into_response();
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

pub async fn sign_out(
    State(ui): State<Ui>,
    headers: HeaderMap,
    Filled(..): Filled,
) -> Result<Response, Refusal> {
    if let Some(secret) = session::secret(&headers) {
        let ended = ui.parts().store.end_session(&secret).await;
        ended.map_err(|error| Refusal::fault(&error))?;
    }
    let mut response = Redirect::to("/ui/login").into_response();
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, session::ending(&ui));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn nobody_is_led_elsewhere() {
        assert_eq!(safe("/ui/events?type=a.*"), "/ui/events?type=a.*");
        for elsewhere in [
            "",
            "//evil.example",
            "/ui\\@evil",
            "https://evil.example",
            "/v1/keys",
            "/ui/\r\nx",
        ] {
            assert_eq!(safe(elsewhere), "/ui", "{elsewhere:?}");
        }
    }
}
