//! The API as a client meets it: a request, and an answer that is looked at before it is trusted.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde::Serialize;
use serde_json::Value;

/// A client of one gateway with one key.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    url: String,
    key: Option<String>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    asked: String,
}

impl Api {
    /// `url` without a slash at its end.
    #[must_use]
    pub fn new(url: &str, key: Option<&str>) -> Self {
        Self {
            client: client(),
            url: url.to_owned(),
            key: key.map(str::to_owned),
        }
    }

    /// The same gateway, called with another key, or with none.
    #[must_use]
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self {
            key: key.map(str::to_owned),
            ..self.clone()
        }
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request that still lacks its body or headers; hand it to [`Self::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// # Panics
    /// Where there is no answer at all.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request)
            .await
            .unwrap_or_else(|error| panic!("the gateway did not answer: {error:?}"))
    }

    /// # Errors
    /// Where the gateway is gone, or goes away before its answer is complete.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let request = request.build()?;
        let asked = format!("{} {}", request.method(), request.url());
        let response = self.client.execute(request).await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?,
            asked,
        })
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &impl Serialize) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &impl Serialize) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body))
            .await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// A body of any kind, byte for byte.
    pub async fn post_bytes(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        self.upload(Method::POST, path, (content_type, body.into()))
            .await
    }

    /// A body of any kind, byte for byte: components.
    pub async fn put_bytes(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        self.upload(Method::PUT, path, (content_type, body.into()))
            .await
    }

    async fn upload(
        &self,
        method: Method,
        path: &str,
        (content_type, body): (&str, Bytes),
    ) -> Answer {
        let request = self.request(method, path);
        self.send(request.header("content-type", content_type).body(body))
            .await
    }
}

impl Answer {
    /// The body as JSON; null where it is empty.
    ///
    /// # Panics
    /// Where it is something else.
    #[must_use]
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: no JSON ({error}): {}", self.asked, self.text()))
    }

    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, once the status is as expected.
    ///
    /// # Panics
    /// Where it is not, showing the whole answer.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text());
        self.json()
    }
}

/// A client without a provider for TLS cannot even be built, though nothing here speaks TLS.
fn client() -> Client {
    // Whoever comes second finds it installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .build()
        .expect("a client without options can be built")
}
