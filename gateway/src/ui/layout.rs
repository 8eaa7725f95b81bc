//! The page of somebody who is signed in: where they are, where they can go, and what they came for.

use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, html};

use super::form::TOKEN;
use super::session::{self, Visitor};
use super::{Ui, frame};

/// The parts of the dashboard, as the navigation names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Overview,
    Events,
    Deliveries,
    Subscriptions,
    Plugins,
    Sources,
    Jobs,
    Tenants,
    Keys,
    Audit,
    Nodes,
    Settings,
}

impl Part {
    const FOR_ALL: [Self; 7] = [
        Self::Overview,
        Self::Events,
        Self::Deliveries,
        Self::Subscriptions,
        Self::Plugins,
        Self::Sources,
        Self::Jobs,
    ];
    const FOR_OPERATORS: [Self; 5] = [
        Self::Tenants,
        Self::Keys,
        Self::Audit,
        Self::Nodes,
        Self::Settings,
    ];

    const fn shown(self) -> (&'static str, &'static str) {
        match self {
            Self::Overview => ("/ui", "Overview"),
            Self::Events => ("/ui/events", "Events"),
            Self::Deliveries => ("/ui/deliveries", "Deliveries"),
            Self::Subscriptions => ("/ui/subscriptions", "Subscriptions"),
            Self::Plugins => ("/ui/plugins", "Plugins"),
            Self::Sources => ("/ui/sources", "Sources"),
            Self::Jobs => ("/ui/jobs", "Jobs"),
            Self::Tenants => ("/ui/tenants", "Tenants"),
            Self::Keys => ("/ui/keys", "Keys"),
            Self::Audit => ("/ui/audit", "Audit log"),
            Self::Nodes => ("/ui/nodes", "Nodes"),
            Self::Settings => ("/ui/settings", "Settings"),
        }
    }
}

/// A page that is ready to be shown.
#[derive(Debug)]
pub struct Page {
    ui: Ui,
    markup: Markup,
    status: StatusCode,
    had_note: bool,
}

impl Page {
    /// With the status of what went wrong.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.markup).into_response();
        if self.had_note {
            response
                .headers_mut()
                .append(SET_COOKIE, session::noted(&self.ui));
        }
        response
    }
}

/// Goes on to a page, which says what was done.
pub fn done(ui: &Ui, place: &str, note: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let place = HeaderValue::try_from(place).unwrap_or(HeaderValue::from_static("/ui"));
    let headers = response.headers_mut();
    headers.insert(http::header::LOCATION, place);
    headers.append(SET_COOKIE, session::noting(ui, note));
    response
}

impl Visitor {
    /// A whole page. `title` is its heading and its name in the browser.
    pub fn page(&self, part: Part, title: &str, content: &Markup) -> Page {
        let look = &self.ui.parts().look;
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                (frame::head(title, &look.name, !look.theme.is_empty()))
                body {
                    a.skip href="#main" { "Skip to content" }
                    header.top {
                        a.brand href="/ui" { (frame::mark(&self.ui)) span { (look.name) } }
                        (self.account())
                    }
                    nav.main aria-label="Main" {
                        (self.links(&Part::FOR_ALL, part))
                        @if self.is_operator() {
                            p.group { "Operate" }
                            (self.links(&Part::FOR_OPERATORS, part))
                        }
                    }
                    main #main tabindex="-1" {
                        @if let Some(note) = &self.note {
                            div.notice.good role="status" { p { (note) } }
                        }
                        (content)
                    }
                }
            }
        };
        Page {
            ui: self.ui.clone(),
            markup,
            status: StatusCode::OK,
            had_note: self.note.is_some(),
        }
    }

    fn links(&self, parts: &[Part], here: Part) -> Markup {
        html! {
            ul {
                @for part in parts {
                    @let (place, name) = part.shown();
                    li { a href=(place) aria-current=[(*part == here).then_some("page")] { (name) } }
                }
            }
        }
    }

    fn account(&self) -> Markup {
        html! {
            div.account {
                span.who {
                    @if let Some((_, tenant)) = &self.caller.bound_to {
                        span.tag { (tenant) } " "
                    }
                    (self.caller.role)
                    @if self.is_portal { " of its portal" }
                }
                button.quiet.small type="button" data-theme-switch hidden { "Theme" }
                form method="post" action="/ui/logout" {
                    (self.token_field())
                    button.quiet.small { "Sign out" }
                }
            }
        }
    }

    /// The field without which no form is taken.
    pub fn token_field(&self) -> Markup {
        html! { input type="hidden" name=(TOKEN) value=(self.token); }
    }
}
