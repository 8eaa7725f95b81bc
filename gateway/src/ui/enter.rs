//! The way in by a portal's link.
//!
//! The link itself only shows a page, which then sends it as a form: so one that merely looks at
//! links uses none up, and the session's cookie is set by a request of our own site, after which
//! the browser sends it.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use maud::{Markup, html};
use serde::Deserialize;

use super::form::Open;
use super::frame::before_sign_in;
use super::refusal::Refusal;
use super::{Ui, session};

#[derive(Debug, Deserialize)]
pub struct Link {
    #[serde(default)]
    link: String,
}

pub async fn show(State(ui): State<Ui>, Query(Link { link }): Query<Link>) -> Markup {
    before_sign_in(
        &ui,
        "Open",
        &html! {
            h1 { "Open " (ui.parts().look.name) }
            form.stack method="post" action="/ui/enter" data-send-at-once {
                input type="hidden" name="link" value=(link);
                button { "Continue" }
            }
        },
    )
}

pub async fn enter(State(ui): State<Ui>, Open(fields): Open) -> Result<Response, Refusal> {
    let store = &ui.parts().store;
    let opened = store.follow_portal_link(fields.text("link")).await;
    let opened = opened.map_err(|error| Refusal::fault(&error))?;
    let Some(opened) = opened else {
        let page = before_sign_in(
            &ui,
            "This link is used up",
            &html! {
                h1 { "This link is used up" }
                p { "A link opens once, and only for a short time. Ask for a new one where you got it." }
            },
        );
        return Ok((StatusCode::GONE, page).into_response());
    };
    let lasts = opened.expires_at.since(store.clock().now());
    let seconds = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
    let cookie = session::opening(&ui, &opened.secret, seconds);
    let mut response = Redirect::to("/ui").into_response();
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}
