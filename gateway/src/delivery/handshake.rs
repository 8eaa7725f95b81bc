//! Asks a receiver whether it wants to be sent events, and judges what it answers.
//!
//! A handshake is a delivery like any other: parked, sent through the same guard, tried again by
//! the schedule, with its attempts on record. What differs is the request and what counts as yes.
//! Changes no subscription: what came of it is handed on.

use futures_util::future::BoxFuture;
use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::request::OutgoingRequest;
use super::sender::Sent;
use crate::domain::attempt::Outcome;
use crate::domain::event::Event;
use crate::domain::ids::SubscriptionId;
use crate::domain::subscription::Subscription;
use crate::domain::verification::{HANDSHAKE_TYPE, Verification, hook_secret};

pub(super) const X_HOOK_SECRET: HeaderName = HeaderName::from_static("x-hook-secret");
pub(super) const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_CALLBACK: HeaderName = HeaderName::from_static("webhook-request-callback");
const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";
const ALLOWED_RATE: &str = "webhook-allowed-rate";

/// Who asks: the gateway as receivers know it.
#[derive(Clone, Debug)]
pub struct Origin {
    public_url: Url,
}

impl Origin {
    #[must_use]
    pub fn new(public_url: Url) -> Self {
        Self { public_url }
    }

    /// The name of the sending system.
    #[must_use]
    pub fn name(&self) -> &str {
        self.public_url.host_str().unwrap_or("hookgate")
    }

    /// Where a receiver may say yes later; whoever has the address may.
    fn callback(&self, subscription: &Subscription) -> Option<String> {
        let secret = hook_secret(subscription.secrets.first()?, subscription.id);
        let base = self.public_url.as_str().trim_end_matches('/');
        let id = subscription.id;
        Some(format!(
            "{base}/v1/subscriptions/{id}/confirm?token={secret}"
        ))
    }
}

/// What a handshake came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver wants events, at most so many a minute where it says so.
    Confirmed { allowed_rate: Option<u32> },
    /// It was told how to say yes, and may do so later.
    Waiting,
    /// Not this time; the words are for the subscription's owner.
    Refused(String),
}

/// Writes down what came of a handshake.
pub type Conclude =
    std::sync::Arc<dyn Fn(SubscriptionId, Verdict) -> BoxFuture<'static, ()> + Send + Sync>;

pub(super) fn is_handshake(event: &Event) -> bool {
    *event.event_type == *HANDSHAKE_TYPE
}

/// Turns a delivery's request into the handshake's.
pub(super) fn request(
    subscription: &Subscription,
    mut delivery: OutgoingRequest,
    origin: &Origin,
) -> OutgoingRequest {
    delivery.keeps_answer = true;
    if subscription.verification == Verification::CloudEvents {
        let mut headers = HeaderMap::new();
        for name in ["user-agent", "traceparent"] {
            if let Some(value) = delivery.headers.remove(name) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        put(&mut headers, REQUEST_ORIGIN, Some(origin.name().to_owned()));
        put(
            &mut headers,
            REQUEST_CALLBACK,
            origin.callback(subscription),
        );
        return OutgoingRequest {
            method: Method::OPTIONS,
            headers,
            body: bytes::Bytes::new(),
            keeps_answer: true,
        };
    }
    let key = subscription.secrets.first();
    let secret = key.map(|key| hook_secret(key, subscription.id));
    put(&mut delivery.headers, X_HOOK_SECRET, secret);
    delivery
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        headers.insert(name, value);
    }
}

/// What the answer means; `sent` becomes an attempt that was accepted or not accordingly.
pub(super) fn judge(subscription: &Subscription, sent: &mut Sent, origin: &Origin) -> Verdict {
    let verdict = match subscription.verification {
        // Changed meanwhile: whoever is not asked any more has said yes.
        Verification::None => Verdict::Confirmed { allowed_rate: None },
        Verification::Echo => echoed(subscription, sent),
        Verification::Delayed if sent.outcome == Outcome::Accepted => Verdict::Waiting,
        Verification::Delayed => Verdict::Refused(described(sent)),
        Verification::CloudEvents => allowed(sent, origin),
    };
    match &verdict {
        Verdict::Confirmed { .. } | Verdict::Waiting => sent.outcome = Outcome::Accepted,
        Verdict::Refused(reason) => {
            if sent.outcome == Outcome::Accepted {
                sent.outcome = Outcome::Refused;
            }
            sent.reason.get_or_insert_with(|| reason.clone());
        }
    }
    verdict
}

fn echoed(subscription: &Subscription, sent: &Sent) -> Verdict {
    if sent.outcome != Outcome::Accepted {
        return Verdict::Refused(described(sent));
    }
    let answered = sent.answered.get(&X_HOOK_SECRET);
    let mut keys = subscription.secrets.iter();
    let is_echo = answered.is_some_and(|answered| {
        keys.any(|key| answered.as_bytes() == hook_secret(key, subscription.id).as_bytes())
    });
    match (is_echo, answered) {
        (true, _) => Verdict::Confirmed { allowed_rate: None },
        (false, None) => Verdict::Refused("the answer has no X-Hook-Secret".to_owned()),
        (false, Some(_)) => Verdict::Refused("the answer has another X-Hook-Secret".to_owned()),
    }
}

/// The header alone says yes; without it the receiver may still call back, unless the request did
/// not get through.
fn allowed(sent: &Sent, origin: &Origin) -> Verdict {
    let text = |name: &str| {
        sent.answered
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    match text(ALLOWED_ORIGIN).map(str::trim) {
        Some(allowed) if allowed == "*" || allowed.eq_ignore_ascii_case(origin.name()) => {
            let rate = text(ALLOWED_RATE).and_then(|rate| rate.trim().parse().ok());
            Verdict::Confirmed {
                allowed_rate: rate.filter(|rate| *rate > 0),
            }
        }
        Some(other) => {
            let short: String = other.chars().take(100).collect();
            let name = origin.name();
            Verdict::Refused(format!("the receiver allows {short:?} and not {name:?}"))
        }
        None if sent.outcome == Outcome::Accepted => Verdict::Waiting,
        None => Verdict::Refused(described(sent)),
    }
}

fn described(sent: &Sent) -> String {
    match (sent.status, &sent.reason) {
        (_, Some(reason)) => reason.clone(),
        (Some(status), None) => format!("the answer was {status}"),
        (None, None) => "there was no answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn origin() -> Origin {
        Origin::new(Url::parse("https://gate.example:8443/").unwrap())
    }

    fn asked(verification: Verification) -> (Subscription, OutgoingRequest) {
        let mut subscription = testing::subscription("https://example.com/");
        subscription.verification = verification;
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", HeaderValue::from_static("Hookgate/0"));
        headers.insert("webhook-id", HeaderValue::from_static("dlv_1"));
        let delivery = OutgoingRequest {
            method: Method::POST,
            headers,
            body: "{}".into(),
            keeps_answer: false,
        };
        let request = request(&subscription, delivery, &origin());
        (subscription, request)
    }

    fn judged(
        subscription: &Subscription,
        status: u16,
        answer: &[(&'static str, &str)],
    ) -> (Verdict, Outcome) {
        let is_success = (200..300).contains(&status);
        let mut sent = Sent::of(if is_success {
            Outcome::Accepted
        } else {
            Outcome::Refused
        });
        sent.status = Some(status);
        for (name, value) in answer {
            sent.answered
                .insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let verdict = judge(subscription, &mut sent, &origin());
        (verdict, sent.outcome)
    }

    #[test]
    fn an_echo_is_the_very_secret_in_a_success() {
        let (subscription, request) = asked(Verification::Echo);
        assert_eq!(request.method, Method::POST);
        let secret = request.headers[X_HOOK_SECRET].to_str().unwrap().to_owned();
        let yes = (Verdict::Confirmed { allowed_rate: None }, Outcome::Accepted);
        assert_eq!(
            judged(&subscription, 200, &[("x-hook-secret", &secret)]),
            yes
        );
        for (status, answer) in [
            (500, &[("x-hook-secret", &*secret)][..]),
            (200, &[]),
            (200, &[("x-hook-secret", "other")]),
        ] {
            let (verdict, outcome) = judged(&subscription, status, answer);
            assert!(
                matches!(verdict, Verdict::Refused(_)),
                "{status} {answer:?}"
            );
            assert_eq!(outcome, Outcome::Refused);
        }
    }

    #[test]
    fn a_delayed_confirmation_waits_once_it_was_delivered() {
        let (subscription, request) = asked(Verification::Delayed);
        assert!(request.headers.contains_key(X_HOOK_SECRET));
        let waits = (Verdict::Waiting, Outcome::Accepted);
        assert_eq!(judged(&subscription, 204, &[]), waits);
        let (verdict, _) = judged(&subscription, 404, &[]);
        assert_eq!(verdict, Verdict::Refused("the answer was 404".to_owned()));
    }

    #[test]
    fn an_allowed_origin_is_a_yes_whatever_the_status() {
        let (subscription, request) = asked(Verification::CloudEvents);
        assert_eq!((request.method, request.body.len()), (Method::OPTIONS, 0));
        assert_eq!(request.headers[REQUEST_ORIGIN], "gate.example");
        let callback = request.headers[REQUEST_CALLBACK].to_str().unwrap();
        assert!(callback.starts_with("https://gate.example:8443/v1/subscriptions/sub_"));
        assert!(!request.headers.contains_key("webhook-id"));
        let yes = |allowed_rate| (Verdict::Confirmed { allowed_rate }, Outcome::Accepted);
        for (status, rate, allowed_rate) in
            [(200, "120", Some(120)), (405, "*", None), (204, "0", None)]
        {
            let answer = [(ALLOWED_ORIGIN, "*"), (ALLOWED_RATE, rate)];
            assert_eq!(judged(&subscription, status, &answer), yes(allowed_rate));
        }
        let named = [(ALLOWED_ORIGIN, "Gate.Example")];
        assert_eq!(judged(&subscription, 200, &named), yes(None));
        let other = judged(&subscription, 200, &[(ALLOWED_ORIGIN, "other.example")]);
        assert!(matches!(other, (Verdict::Refused(_), Outcome::Refused)));
        assert_eq!(judged(&subscription, 200, &[]).0, Verdict::Waiting);
        assert!(matches!(
            judged(&subscription, 405, &[]).0,
            Verdict::Refused(_)
        ));
    }
}
