//! Access tokens for receivers that want OAuth 2.0: asked for by client credentials, kept for as
//! long as they serve, asked for again before they end and once where a receiver refuses one.
//!
//! A token is fetched through the same guard and within the same bounds as a delivery. Where there
//! is none, the delivery's attempt says why; what the receiver's owner reads never holds a secret.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use url::form_urlencoded;

use super::kept::Kept;
use super::request::OutgoingRequest;
use super::sender::{Route, Sender, Sent};
use crate::domain::access::{Confidential, OAuth2};
use crate::domain::attempt::Outcome;
use crate::domain::ids::{ConfigVersion, SubscriptionId};
use crate::domain::subscription::Subscription;

const MAX_TOKENS: usize = 10_000;
/// Of a token whose server does not say.
const UNSAID_LIFE: Duration = Duration::from_secs(300);
/// A day; servers that say more are asked sooner.
const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long before its end a token is not used any more; a quarter of its life where that is less.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a failure spares the token's server.
const FAILURE_LIFE: Duration = Duration::from_secs(2);
const MAX_DETAIL_CHARS: usize = 200;

/// Tokens by subscription, as it is configured now.
pub(super) struct Tokens {
    kept: Kept<(SubscriptionId, ConfigVersion), Result<Token, Refused>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Token {
    /// `Bearer …`
    authorization: HeaderValue,
    life: Duration,
}

/// Why there is no token.
#[derive(Clone)]
struct Refused {
    outcome: Outcome,
    reason: String,
    retry_after: Option<Duration>,
}

impl From<Refused> for Sent {
    fn from(refused: Refused) -> Self {
        let mut sent = Self::of(refused.outcome);
        sent.reason = Some(refused.reason);
        sent.retry_after = refused.retry_after;
        sent
    }
}

impl Tokens {
    pub(super) fn new() -> Self {
        let kept = Kept::new(MAX_TOKENS, |token: &Result<Token, Refused>| match token {
            Ok(token) => token.life,
            Err(_) => FAILURE_LIFE,
        });
        Self { kept }
    }

    /// Sends `request` for `subscription`, with a token where it wants one. All together take at
    /// most what one attempt may.
    pub(super) async fn send(
        &self,
        sender: &Sender,
        subscription: &Subscription,
        (route, request): (Route<'_>, OutgoingRequest),
    ) -> Sent {
        let limit = subscription.policy.timeout;
        let Some(oauth2) = &subscription.access.oauth2 else {
            return sender.send(route, request, limit).await;
        };
        let until = Instant::now() + limit;
        let with_token =
            self.send_with_token(sender, subscription, oauth2, (route, request), until);
        // The sender keeps to the time that is left; this bounds waiting for somebody else's token.
        timeout_at(until, with_token).await.unwrap_or_else(|_| {
            let mut sent = Sent::of(Outcome::TimedOut);
            sent.reason = Some(format!("no whole answer within {limit:?}"));
            sent
        })
    }

    async fn send_with_token(
        &self,
        sender: &Sender,
        subscription: &Subscription,
        oauth2: &OAuth2,
        (route, request): (Route<'_>, OutgoingRequest),
        until: Instant,
    ) -> Sent {
        let key = (subscription.id, subscription.version);
        let left = || until.saturating_duration_since(Instant::now());
        let mut is_first = true;
        loop {
            let fetch = || fetch(sender, route, oauth2, left());
            let token = match self.kept.get(key, fetch).await {
                Ok(token) => token,
                Err(refused) => return refused.into(),
            };
            let mut authorized = request.clone();
            let authorization = token.authorization.clone();
            authorized
                .headers
                .insert(header::AUTHORIZATION, authorization);
            let sent = sender.send(route, authorized, left()).await;
            let is_refused = sent.status == Some(StatusCode::UNAUTHORIZED.as_u16());
            if is_refused {
                let is_same = |kept: &Result<Token, Refused>| matches!(kept, Ok(kept) if kept.authorization == token.authorization);
                self.kept.forget(&key, is_same);
            }
            if !is_refused || !is_first {
                return sent;
            }
            is_first = false;
        }
    }
}

/// What a token's server answers (RFC 6749, section 5).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Denied {
    error: String,
    error_description: String,
}

async fn fetch(
    sender: &Sender,
    route: Route<'_>,
    oauth2: &OAuth2,
    limit: Duration,
) -> Result<Token, Refused> {
    let route = Route {
        target: &oauth2.token_url,
        tls: None,
        ..route
    };
    let sent = sender.send(route, request(oauth2), limit).await;
    let refused = |outcome, detail: &str| Refused {
        outcome,
        reason: format!("no access token: {detail}"),
        retry_after: sent.retry_after,
    };
    match (sent.outcome, sent.status) {
        (Outcome::Accepted, _) => read(&sent.answer).map_err(|why| refused(Outcome::Refused, why)),
        (Outcome::Refused, Some(status)) => {
            let said = denied(&sent.answer);
            let detail = format!("the token endpoint answered {status}{said}");
            Err(refused(Outcome::Refused, &detail))
        }
        (outcome, _) => {
            let why = sent.reason.as_deref().unwrap_or("no answer");
            Err(refused(outcome, &format!("the token endpoint: {why}")))
        }
    }
}

/// The credentials go into the header, where every server has to take them.
fn request(oauth2: &OAuth2) -> OutgoingRequest {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &oauth2.scope {
        form.append_pair("scope", scope);
    }
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let secret = oauth2.client_secret.as_ref();
    let secret = encoded(secret.map_or("", Confidential::expose));
    let pair = STANDARD.encode(format!("{}:{secret}", encoded(&oauth2.client_id)));
    let mut basic = HeaderValue::try_from(format!("Basic {pair}")).expect("base64 is ASCII");
    basic.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, basic);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, form_type);
    OutgoingRequest {
        method: Method::POST,
        headers,
        body: Bytes::from(form.finish()),
        keeps_answer: true,
    }
}

fn read(answer: &[u8]) -> Result<Token, &'static str> {
    let granted: Granted = serde_json::from_slice(answer)
        .map_err(|_| "the token endpoint's answer is no JSON with access_token and token_type")?;
    if !granted.token_type.eq_ignore_ascii_case("bearer") {
        return Err("the token endpoint gave a token that is not a bearer token");
    }
    let authorization = HeaderValue::try_from(format!("Bearer {}", granted.access_token));
    let mut authorization =
        authorization.map_err(|_| "the token endpoint gave a token that fits into no header")?;
    authorization.set_sensitive(true);
    let said = granted.expires_in.map(Duration::from_secs);
    let whole = said.unwrap_or(UNSAID_LIFE).min(MAX_LIFE);
    let life = whole - MARGIN.min(whole / 4);
    Ok(Token {
        authorization,
        life,
    })
}

/// What the server says of its own accord, short and printable.
fn denied(answer: &[u8]) -> String {
    let denied: Denied = serde_json::from_slice(answer).unwrap_or_default();
    let texts = [denied.error, denied.error_description];
    let said: Vec<_> = texts.iter().filter(|text| !text.is_empty()).collect();
    let text: String = said
        .iter()
        .flat_map(|text| [": ", text.as_str()])
        .flat_map(str::chars)
        .filter(|c| !c.is_control())
        .take(MAX_DETAIL_CHARS)
        .collect();
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::target_url::TargetUrl;

    #[test]
    fn a_token_is_given_up_before_it_ends() {
        for (said, seconds) in [
            ("3600", 3_540),
            ("100", 75),
            ("0", 0),
            ("null", 240),
            ("99999999", 86_340),
        ] {
            let answer =
                format!(r#"{{"access_token":"a","token_type":"bearer","expires_in":{said}}}"#);
            let token = read(answer.as_bytes()).ok().unwrap();
            assert_eq!(token.life, Duration::from_secs(seconds), "{said}");
            assert_eq!(token.authorization, "Bearer a");
            assert!(!format!("{:?}", token.authorization).contains("Bearer"));
        }
    }

    #[test]
    fn what_is_no_bearer_token_is_refused() {
        for answer in [
            "",
            "{}",
            r#"{"access_token":"a","token_type":"mac"}"#,
            r#"{"access_token":"a\nb","token_type":"Bearer"}"#,
        ] {
            assert!(read(answer.as_bytes()).is_err(), "{answer}");
        }
    }

    #[test]
    fn credentials_are_encoded_before_they_are_joined() {
        let request = request(&OAuth2 {
            token_url: TargetUrl::from_stored("https://a.example/").unwrap(),
            client_id: "a:b".into(),
            client_secret: Some(Confidential::new("c d&")),
            scope: Some("x y".into()),
        });
        let pair = STANDARD.encode("a%3Ab:c+d%26");
        assert_eq!(
            request.headers[header::AUTHORIZATION],
            format!("Basic {pair}")
        );
        assert_eq!(request.body, "grant_type=client_credentials&scope=x+y");
    }

    #[test]
    fn what_a_server_says_is_short_and_printable() {
        assert_eq!(denied(b"<html>"), "");
        let said = br#"{"error":"invalid_client","error_description":"no\u001bsuch"}"#;
        assert_eq!(denied(said), ": invalid_client: nosuch");
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(1_000));
        assert_eq!(denied(long.as_bytes()).chars().count(), MAX_DETAIL_CHARS);
    }
}
