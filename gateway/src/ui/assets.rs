//! The files that pages ask for: a style sheet, a script, an icon, the operator's theme and logo.
//!
//! All are inside the binary or were read at the start. Their addresses carry a hash of what they
//! hold, so a browser keeps them for as long as it likes and never shows an old one.

use std::sync::LazyLock;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use data_encoding::HEXLOWER;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use sha2::{Digest as _, Sha256};

use super::Ui;
use super::refusal::Refusal;

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/dashboard.js");
const ICON: &str = include_str!("assets/icon.svg");
const KEEP: &str = "public, max-age=31536000, immutable";

static MARK: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for part in [STYLE, SCRIPT, ICON] {
        hash.update(part.as_bytes());
    }
    HEXLOWER.encode(&hash.finalize()[..6])
});

/// The address of one of the files inside the binary.
pub fn address(name: &str) -> String {
    format!("/ui/assets/{name}?v={}", *MARK)
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, KEEP)], text).into_response()
}

pub async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

pub async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

pub async fn icon() -> Response {
    file("image/svg+xml", ICON)
}

/// The operator's variables, over those of the style sheet.
pub async fn theme(State(ui): State<Ui>) -> Response {
    let theme = &ui.parts().look.theme;
    let (light, dark) = (theme.declarations(false), theme.declarations(true));
    let css = format!(
        ":root{{{light}}}\n\
         @media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n\
         :root[data-theme=dark]{{{dark}}}\n"
    );
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response()
}

/// The operator's picture; a script in it has no rights.
pub async fn logo(State(ui): State<Ui>) -> Result<Response, Refusal> {
    let logo = ui.parts().look.logo.as_ref();
    let logo = logo.ok_or_else(Refusal::no_page)?;
    let headers = [
        (CONTENT_TYPE, logo.media_type),
        (
            CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    Ok((headers, logo.bytes.clone()).into_response())
}
