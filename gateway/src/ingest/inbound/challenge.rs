//! Questions of providers that are answered and not stored: is this address yours, and do you want
//! what we send?
//!
//! Only what the source's rules ask for is answered, and nothing that a stranger writes comes back
//! as anything but plain text.

use serde::Deserialize;
use url::form_urlencoded;

use super::{Refusal, Request};
use crate::domain::clock::Timestamp;
use crate::domain::source::{Source, Verifier};

/// Longest text that is given back.
const MAX_CHALLENGE_BYTES: usize = 1024;
const HOOK_SECRET: &str = "x-hook-secret";

/// The answer that a provider waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// Give this text back.
    Text(String),
    /// Give the header `X-Hook-Secret` back.
    HookSecret(String),
    /// The same, once the source has taken it as its secret.
    NewHookSecret(String),
    /// Let this origin send, so many requests a minute.
    Consent { origin: String, rate: Option<u32> },
    /// Heard; there is nothing to say.
    Nothing,
    /// Not asked for, or not by whom it should be.
    Refused,
}

/// A `GET`; None where this source answers none.
#[must_use]
pub fn of_get(source: &Source, query: &str) -> Option<Challenge> {
    let asked = &source.rules.challenges;
    if asked.websub.is_none() && !asked.meta {
        return None;
    }
    let member = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    let text = || member("hub.challenge").filter(|text| text.len() <= MAX_CHALLENGE_BYTES);
    let mode = member("hub.mode").unwrap_or_default();
    let is_ours = match (member("hub.verify_token"), &asked.websub) {
        (Some(token), _) if asked.meta => {
            let known = source.keys.verify_token.as_ref();
            mode == "subscribe" && known.is_some_and(|known| known.is(token.as_bytes()))
        }
        (_, Some(websub)) => {
            let topic = member("hub.topic").unwrap_or_default();
            let is_known = websub.topics.iter().any(|known| **known == *topic);
            if is_known && mode == "denied" {
                return Some(Challenge::Nothing);
            }
            is_known && matches!(&*mode, "subscribe" | "unsubscribe")
        }
        _ => false,
    };
    let answer = text().filter(|_| is_ours).map(Challenge::Text);
    Some(answer.unwrap_or(Challenge::Refused))
}

/// An `OPTIONS` with `WebHook-Request-Origin`; None where this source answers none.
#[must_use]
pub fn of_options(source: &Source, request: &Request<'_>) -> Option<Challenge> {
    let consent = source.rules.challenges.cloudevents.as_ref()?;
    let origin = request.header("webhook-request-origin")?.trim();
    if !consent.lets_in(origin) {
        return Some(Challenge::Refused);
    }
    // Whoever asks for a rate is told one.
    let wanted = request
        .header("webhook-request-rate")
        .and_then(|text| text.trim().parse::<u32>().ok());
    let allowed = consent.rate.map(std::num::NonZeroU32::get);
    Some(Challenge::Consent {
        origin: origin.to_owned(),
        rate: allowed.or(wanted),
    })
}

/// A `POST` that hands over a secret; None where it is no handshake, or the source wants none.
///
/// # Errors
/// Where the secret is another than the source's own.
pub fn of_hook_secret(
    source: &Source,
    request: &Request<'_>,
    now: Timestamp,
) -> Option<Result<Challenge, Refusal>> {
    let given = request.header(HOOK_SECRET)?;
    if !source.rules.challenges.x_hook_secret {
        return None;
    }
    let own = || given.to_owned();
    let mut known = source.keys.valid_at(now).peekable();
    if known.peek().is_none() {
        return Some(Ok(Challenge::NewHookSecret(own())));
    }
    Some(if known.any(|secret| secret.is(given.as_bytes())) {
        Ok(Challenge::HookSecret(own()))
    } else {
        Err(Refusal::HookSecret)
    })
}

/// A verified request that is a question; None where it is an event.
#[must_use]
pub fn of_verified(source: &Source, request: &Request<'_>) -> Option<Challenge> {
    #[derive(Deserialize)]
    struct UrlVerification {
        r#type: String,
        challenge: String,
    }
    if !matches!(source.rules.verify, Verifier::Slack(_)) {
        return None;
    }
    let asked: UrlVerification = serde_json::from_slice(request.body).ok()?;
    let is_asked =
        asked.r#type == "url_verification" && asked.challenge.len() <= MAX_CHALLENGE_BYTES;
    is_asked.then_some(Challenge::Text(asked.challenge))
}
