//! The dashboard as a browser without scripts meets it: a cookie, pages, forms.

use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use reqwest::{Client, Method, redirect};

use crate::gateway::Gateway;

/// A session, or somebody who has none yet.
#[derive(Clone, Debug)]
pub struct Dashboard {
    client: Client,
    url: String,
    cookie: Option<String>,
}

/// What came back, before any redirect is followed.
#[derive(Clone, Debug)]
pub struct Shown {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Shown {
    /// Where it leads.
    #[must_use]
    pub fn leads_to(&self) -> Option<&str> {
        self.headers.get("location")?.to_str().ok()
    }

    /// The session's cookie with all that is said of it.
    #[must_use]
    pub fn session_cookie(&self) -> Option<&str> {
        let cookies = self.headers.get_all(SET_COOKIE).iter();
        let mut texts = cookies.filter_map(|value| value.to_str().ok());
        texts.find(|text| text.starts_with("hookgate_session="))
    }
}

impl Dashboard {
    /// # Panics
    /// Where no client can be made.
    #[must_use]
    pub fn of(gateway: &Gateway) -> Self {
        // Whoever comes second finds it installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            client: Client::builder()
                .no_proxy()
                .redirect(redirect::Policy::none())
                .build()
                .expect("a client can be built"),
            url: gateway.url().to_owned(),
            cookie: None,
        }
    }

    /// Signed in with a key.
    ///
    /// # Panics
    /// Where the key is not taken.
    pub async fn signed_in(gateway: &Gateway, key: &str) -> Self {
        let mut dashboard = Self::of(gateway);
        let shown = dashboard.post("/ui/login", &[("key", key)]).await;
        assert_eq!(shown.status, 303, "{}", shown.text);
        dashboard.keep(&shown);
        dashboard
    }

    /// Keeps the session that an answer opened.
    ///
    /// # Panics
    /// Where it opened none.
    pub fn keep(&mut self, shown: &Shown) {
        let cookie = shown.session_cookie().expect("a session was opened");
        self.cookie = cookie.split(';').next().map(str::to_owned);
    }

    pub async fn get(&self, path: &str) -> Shown {
        self.send(Method::GET, path, (&[], &[])).await
    }

    /// A form as it is given, without the session's token.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        self.send(Method::POST, path, (fields, &[])).await
    }

    /// A form of a page of this session.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        self.submit_with(path, fields, &[]).await
    }

    /// A form with headers of its own.
    pub async fn submit_with(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Shown {
        let token = self.token().await;
        let mut fields = fields.to_vec();
        fields.push(("form_token", &token));
        self.send(Method::POST, path, (&fields, headers)).await
    }

    /// What every form of this session carries.
    ///
    /// # Panics
    /// Where the session has no pages.
    pub async fn token(&self) -> String {
        let page = self.get("/ui").await;
        let mark = "name=\"form_token\" value=\"";
        let (_, rest) = page
            .text
            .split_once(mark)
            .unwrap_or_else(|| panic!("no form on the overview ({}): {}", page.status, page.text));
        rest.split('"').next().expect("it has an end").to_owned()
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        (fields, headers): (&[(&str, &str)], &[(&str, &str)]),
    ) -> Shown {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.url));
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        if method != Method::GET {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(encoded(fields));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("the gateway answers");
        Shown {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.expect("a page is text"),
        }
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let plain = |text: &str| -> String {
        text.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    let pairs = fields.iter();
    let pairs = pairs.map(|(name, value)| format!("{}={}", plain(name), plain(value)));
    pairs.collect::<Vec<_>>().join("&")
}
