//! What a page cannot show or do, in the API's own words.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use tracing::error;

use super::frame;

/// A problem of the API on its way to a person.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub title: String,
    pub detail: String,
    pub errors: Vec<FieldFault>,
    pub checks: Vec<CheckLine>,
}

/// A field that breaks a rule.
#[derive(Clone, Debug, Deserialize)]
pub struct FieldFault {
    pub pointer: String,
    pub detail: String,
}

/// A check that an uploaded component went through.
#[derive(Clone, Debug, Deserialize)]
pub struct CheckLine {
    pub name: String,
    pub ok: bool,
    pub detail: String,
    #[serde(default)]
    pub cure: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<FieldFault>,
    #[serde(default)]
    checks: serde_json::Value,
}

impl Refusal {
    pub fn new(status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            title: title.to_owned(),
            detail: detail.into(),
            errors: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// Of a page that is not there.
    pub fn no_page() -> Self {
        let detail = "The address leads to no page of the dashboard.";
        Self::new(StatusCode::NOT_FOUND, "There is no such page", detail)
    }

    /// Of a form that did not come from this session's page.
    pub fn forged() -> Self {
        let detail =
            "The form did not come from this session. Load the page again and send it once more.";
        Self::new(StatusCode::FORBIDDEN, "This form cannot be taken", detail)
    }

    /// Of a form that breaks a rule before the API sees it.
    pub fn of_form(detail: impl Into<String>) -> Self {
        let title = "Something in the form cannot be read";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, title, detail)
    }

    /// Of a fault of ours: logged here, once.
    pub fn fault(fault: &dyn std::error::Error) -> Self {
        error!(error = %fault, "a page of the dashboard failed");
        let detail = "Try again; the gateway's log says more.";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The gateway failed",
            detail,
        )
    }

    pub fn read(status: StatusCode, body: &[u8]) -> Self {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => Self {
                status,
                title: problem.title,
                detail: problem.detail,
                errors: problem.errors,
                checks: serde_json::from_value(problem.checks).unwrap_or_default(),
            },
            Err(_) => Self::new(status, "The gateway refused", status.to_string()),
        }
    }

    /// For a page that goes on.
    pub fn notice(&self) -> Markup {
        html! {
            div.notice.bad role="alert" {
                p { strong { (self.title) } }
                @if self.errors.is_empty() {
                    p { (self.detail) }
                } @else {
                    ul {
                        @for fault in &self.errors {
                            li { code { (fault.pointer.trim_start_matches('#')) } " " (fault.detail) }
                        }
                    }
                }
                @let failed: Vec<_> = self.checks.iter().filter(|check| !check.ok).collect();
                @if !failed.is_empty() {
                    ul {
                        @for check in failed {
                            li {
                                code { (check.name) } " " (check.detail)
                                @if let Some(cure) = &check.cure { " " em { (cure) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = frame::bare(
            &self.title,
            &html! {
                h1 { (self.title) }
                (self.notice())
                p { a href="/ui" { "To the overview" } }
            },
        );
        (self.status, body).into_response()
    }
}
