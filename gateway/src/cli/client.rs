//! The client of the API that all commands share: one way to call, one way to explain a refusal.
//!
//! Speaks only to a gateway; what is sent to receivers has a sender of its own.

mod frames;
mod lines;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::Value;

use super::output::check_lines;
pub(super) use frames::Frame;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Which gateway, and as whom.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Gateway")]
pub struct ClientArgs {
    /// Where the gateway is.
    #[arg(
        long,
        env = "HOOKGATE_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub url: Url,
    /// Your key. On the gateway's own machine the admin key in its data folder is found by itself.
    #[arg(
        long = "api-key",
        env = "HOOKGATE_API_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub api_key: Option<String>,
    /// The data folder of a gateway on this machine.
    #[arg(
        long,
        env = "HOOKGATE_DATA_DIR",
        value_name = "DIR",
        default_value = "hookgate-data"
    )]
    pub data_dir: PathBuf,
}

/// The key must not reach a log.
impl fmt::Debug for ClientArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientArgs")
            .field("url", &self.url.as_str())
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

/// Why a command could not be done. Says what, why and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "no gateway answers at {url}: {reason}\n  cure: `hookgate serve` starts one here; HOOKGATE_URL or --url names another"
    )]
    Unreachable { url: String, reason: String },
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error(
        "{url} answered, but not as Hookgate does: {reason}\n  cure: check HOOKGATE_URL or --url"
    )]
    NotHookgate { url: String, reason: String },
    #[error("the key cannot be sent: it has characters that no header may hold")]
    UnusableKey,
    #[error("no HTTP client can be made here: {0}")]
    Client(reqwest::Error),
}

/// A problem (RFC 9457) that the gateway answered with.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: u16,
    title: String,
    detail: Option<String>,
    /// Further members, as `name: value`.
    more: Vec<String>,
    /// Every check that a component went through.
    checks: Vec<Value>,
    /// What the answer itself advises, or what its status suggests.
    cure: Option<String>,
}

/// Calls one gateway with one key.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
}

/// A good answer: the text as it came, for `--json`, and read, for people.
#[derive(Clone, Debug)]
pub struct Reply {
    pub text: String,
    pub value: Value,
}

/// Any answer: its status, and its body read; null where there is none.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub value: Value,
}

/// A client that sends this key, or none, and follows nobody.
fn http_client(key: Option<&str>) -> Result<reqwest::Client, ClientError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let mut value: reqwest::header::HeaderValue = format!("Bearer {key}")
            .parse()
            .map_err(|_| ClientError::UnusableKey)?;
        value.set_sensitive(true);
        headers.insert(reqwest::header::AUTHORIZATION, value);
    }
    // Whoever comes second finds it installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .default_headers(headers)
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(ClientError::Client)
}

impl Client {
    /// Costs no round trip: nothing is asked yet.
    ///
    /// # Errors
    /// Where the key cannot be sent in a header.
    pub fn new(args: &ClientArgs) -> Result<Self, ClientError> {
        let key = args.api_key.clone().or_else(|| kept_key(args));
        let http = http_client(key.as_deref())?;
        Ok(Self {
            http,
            base: args.url.clone(),
        })
    }

    /// # Errors
    /// Where the gateway is not there or refuses.
    pub async fn get(&self, path: &str) -> Result<Reply, ClientError> {
        self.ask(self.request(Method::GET, path)).await
    }

    /// What is no JSON of the API: an event's data.
    ///
    /// # Errors
    /// Where the gateway is not there or refuses.
    pub async fn get_bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        self.ask_bytes(self.request(Method::GET, path)).await
    }

    /// # Errors
    /// Where the gateway is not there or refuses.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply, ClientError> {
        self.ask(self.request(Method::POST, path).json(body)).await
    }

    /// A body that is sent exactly as it is.
    ///
    /// # Errors
    /// Where the gateway is not there or refuses.
    pub async fn post_json_text(&self, path: &str, body: String) -> Result<Reply, ClientError> {
        let request = self.request(Method::POST, path);
        self.ask(request.header(CONTENT_TYPE, "application/json").body(body))
            .await
    }

    /// Puts a component.
    ///
    /// # Errors
    /// Where the gateway is not there or refuses.
    pub async fn put_wasm(&self, path: &str, component: Vec<u8>) -> Result<Reply, ClientError> {
        let request = self.request(Method::PUT, path);
        self.ask(
            request
                .header(CONTENT_TYPE, "application/wasm")
                .body(component),
        )
        .await
    }

    /// # Errors
    /// Where the gateway is not there or refuses.
    pub async fn delete(&self, path: &str) -> Result<Reply, ClientError> {
        self.ask(self.request(Method::DELETE, path)).await
    }

    /// The same gateway, called with another key.
    ///
    /// # Errors
    /// Where the key cannot be sent in a header.
    pub fn with_key(&self, key: &str) -> Result<Self, ClientError> {
        Ok(Self {
            http: http_client(Some(key))?,
            base: self.base.clone(),
        })
    }

    /// Whatever the answer is: for those who look at refusals themselves.
    ///
    /// # Errors
    /// Where the gateway is not there, or answers with what is not JSON.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status().as_u16();
        let text = answer.text().await;
        let text = text.map_err(|error| self.unreachable(&error))?;
        let value = match text.as_str() {
            "" => Value::Null,
            text => {
                serde_json::from_str(text).map_err(|error| self.not_hookgate(&error.to_string()))?
            }
        };
        Ok(Answer { status, value })
    }

    /// The same without a key.
    ///
    /// # Errors
    /// Like [`Self::call`].
    pub async fn call_without_key(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let stranger = Self {
            http: http_client(None)?,
            base: self.base.clone(),
        };
        stranger.call(method, path, body).await
    }

    /// What lies behind an address that somebody gave, without a key.
    ///
    /// # Errors
    /// Where nobody answers there, or not with 2xx.
    pub async fn fetch(&self, address: &str) -> Result<Vec<u8>, ClientError> {
        let answer = http_client(None)?.get(address).send().await;
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        if !answer.status().is_success() {
            return Err(self.not_hookgate(&format!("{address} answered {}", answer.status())));
        }
        let body = answer.bytes().await;
        Ok(body.map_err(|error| self.unreachable(&error))?.to_vec())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let base = self.base.as_str().trim_end_matches('/');
        self.http.request(method, format!("{base}{path}"))
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Reply, ClientError> {
        let body = self.ask_bytes(request).await?;
        let text = String::from_utf8(body.into())
            .map_err(|_| self.not_hookgate("the answer is not UTF-8"))?;
        if text.is_empty() {
            let value = Value::Null;
            return Ok(Reply { text, value });
        }
        let value =
            serde_json::from_str(&text).map_err(|error| self.not_hookgate(&error.to_string()))?;
        Ok(Reply { text, value })
    }

    async fn ask_bytes(&self, request: RequestBuilder) -> Result<Bytes, ClientError> {
        let answer = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let body = answer
            .bytes()
            .await
            .map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(self.refusal(status.as_u16(), &String::from_utf8_lossy(&body)))
        }
    }

    /// A problem that came after the answer had begun.
    pub(super) fn told(&self, text: &str) -> ClientError {
        let problem: Option<Value> = serde_json::from_str(text).ok();
        let status = problem
            .as_ref()
            .and_then(|problem| problem["status"].as_u64());
        let status = status.and_then(|status| u16::try_from(status).ok());
        self.refusal(status.unwrap_or(500), text)
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        // The innermost cause is the one that says something: "connection refused".
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        ClientError::Unreachable {
            url: self.base.to_string(),
            reason: cause.to_string(),
        }
    }

    fn not_hookgate(&self, reason: &str) -> ClientError {
        ClientError::NotHookgate {
            url: self.base.to_string(),
            reason: reason.to_owned(),
        }
    }

    fn refusal(&self, status: u16, text: &str) -> ClientError {
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(problem)) if problem.contains_key("title") => {
                ClientError::Refused(Box::new(Refusal::read(status, &problem)))
            }
            _ => self.not_hookgate(&format!("status {status} without a problem document")),
        }
    }
}

impl Refusal {
    fn read(status: u16, problem: &serde_json::Map<String, Value>) -> Self {
        let text = |member: &str| Some(problem.get(member)?.as_str()?.to_owned());
        let known = [
            "type", "title", "status", "detail", "instance", "cure", "errors", "checks",
        ];
        let list = |member: &str| problem.get(member).and_then(Value::as_array);
        let errors = list("errors").into_iter().flatten();
        let others = problem
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", plain(value)));
        let more = errors.map(fault).chain(others);
        Self {
            status,
            title: text("title").unwrap_or_default(),
            detail: text("detail"),
            more: more.collect(),
            checks: list("checks").cloned().unwrap_or_default(),
            cure: text("cure").or_else(|| usual_cure(status).map(str::to_owned)),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.title, self.status)?;
        if let Some(detail) = &self.detail {
            write!(f, "\n  why: {detail}")?;
        }
        for line in &self.more {
            write!(f, "\n  {line}")?;
        }
        if !self.checks.is_empty() {
            write!(f, "\n{}", check_lines(&self.checks))?;
        }
        match &self.cure {
            Some(cure) => write!(f, "\n  cure: {cure}"),
            None => Ok(()),
        }
    }
}

/// One entry of `errors`: a place and what is wrong with it.
fn fault(entry: &Value) -> String {
    let member = |name: &str| entry.get(name).map(plain).unwrap_or_default();
    format!("{}: {}", member("pointer"), member("detail"))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn usual_cure(status: u16) -> Option<&'static str> {
    match status {
        401 => Some(
            "set HOOKGATE_API_KEY or --api-key; `hookgate serve` printed the first key and keeps it in admin.key of its data folder",
        ),
        403 => {
            Some("use a key whose role allows this; `hookgate keys create --help` tells the roles")
        }
        404 => Some("check the id, and that your key belongs to its tenant"),
        429 | 503 => Some("try again in a moment"),
        _ => None,
    }
}

/// The admin key of a gateway on this machine. Never sent anywhere else.
fn kept_key(args: &ClientArgs) -> Option<String> {
    let is_here = match args.url.host()? {
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
        url::Host::Domain(name) => name == "localhost",
    };
    is_here.then(|| read_key(&args.data_dir)).flatten()
}

fn read_key(data_dir: &Path) -> Option<String> {
    let key = std::fs::read_to_string(data_dir.join("admin.key")).ok()?;
    Some(key.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_says_what_and_why_and_what_to_do() {
        let problem = json!({
            "type": "https://hookgate.example/problems/invalid", "status": 422,
            "title": "the event is not valid", "detail": "type is empty", "position": 7,
            "errors": [{"pointer": "#/type", "detail": "must not be empty"}],
            "checks": [{"name": "size", "ok": true}, {"name": "imports", "ok": false, "detail": "wasi", "cure": "drop it"}],
        });
        let refusal = Refusal::read(422, problem.as_object().unwrap());
        assert_eq!(
            refusal.to_string(),
            format!(
                "the event is not valid (422)\n  why: type is empty\n  #/type: must not be empty\n  \
             position: 7\n  ok       size\n  refused  imports        wasi\n\
             {:<26}cure: drop it\n  the checks after it were not made",
                ""
            )
        );
        let problem = json!({"title": "no key"});
        let refusal = Refusal::read(401, problem.as_object().unwrap());
        assert!(refusal.to_string().contains("HOOKGATE_API_KEY"));
    }
}
