//! Requests as providers send them, genuine and not, as tables.

use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use http::HeaderMap;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::challenge::{self, Challenge};
use super::verify::verify;
use super::{Refusal, Request, draft};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ConfigVersion, SourceId, TenantId};
use crate::domain::source::{Source, SourceKeys, SourceRules, SourceSecret};
use crate::ingest::Identity;

fn source(verify: &str, secret: &str) -> Source {
    with_rules(&format!("{{\"verify\": {verify}}}"), Some(secret))
}

fn with_rules(rules: &str, secret: Option<&str>) -> Source {
    let rules: SourceRules = serde_json::from_str(rules).unwrap();
    let keys = SourceKeys {
        current: secret.map(|secret| SourceSecret::parse(secret).unwrap()),
        ..SourceKeys::default()
    };
    Source {
        id: SourceId::new(1),
        tenant: TenantId::new(1),
        tenant_name: "acme".parse().unwrap(),
        name: "shop".into(),
        address: "address".into(),
        rules: Arc::new(rules),
        keys,
        version: ConfigVersion::default(),
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        let name: http::HeaderName = name.parse().unwrap();
        (name, value.parse().unwrap())
    });
    pairs.collect()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(seconds * 1000)
}

/// Requests as their providers publish them in their documentation or in an RFC, and some of our own
/// that another implementation of HMAC signed.
struct Vector {
    verify: &'static str,
    secret: String,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static str,
    at: i64,
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn vectors() -> Vec<Vector> {
    let slack = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
        &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
        &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
        %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015\
        .47445629121.803a0bc887a14d10d2c447fce8b6703c";
    vec![
        Vector {
            verify: r#"{"kind": "standard-webhooks"}"#,
            secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
            headers: vec![
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                ),
            ],
            body: r#"{"test": 2432232314}"#,
            at: 1_614_265_330,
        },
        Vector {
            verify: r#"{"kind": "github"}"#,
            secret: "It's a Secret to Everybody".to_owned(),
            headers: vec![(
                "x-hub-signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            )],
            body: "Hello, World!",
            at: 0,
        },
        Vector {
            verify: r#"{"kind": "slack"}"#,
            secret: "8f742231b10e8888abcd99yyyzzz85a5".to_owned(),
            headers: vec![
                ("x-slack-request-timestamp", "1531420618"),
                (
                    "x-slack-signature",
                    "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
                ),
            ],
            body: slack,
            at: 1_531_420_618,
        },
        Vector {
            verify: r#"{"kind": "stripe"}"#,
            secret: "whsec_test_secret".to_owned(),
            headers: vec![(
                "stripe-signature",
                "t=1492774577,v1=4ee5e8d695c9619e003fd480d3d51700d924e29697337d379a6ef6e06e703ab4,\
                 v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39",
            )],
            body: r#"{"id":"evt_1","type":"charge.succeeded"}"#,
            at: 1_492_774_577,
        },
        Vector {
            verify: r#"{"kind": "shopify"}"#,
            secret: "hush-hush".to_owned(),
            headers: vec![(
                "x-shopify-hmac-sha256",
                "Tee3YpF35pCcQ4VpA7xaRvUaU8jattd/Rf/Cvq0k0tU=",
            )],
            body: r#"{"id":820982911946154508}"#,
            at: 0,
        },
        // RFC 4231, case 6, and RFC 2202, case 6.
        Vector {
            verify: r#"{"kind": "hmac", "header": "X-Signature", "secret_encoding": "hex"}"#,
            secret: "aa".repeat(131),
            headers: vec![(
                "x-signature",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            )],
            body: "Test Using Larger Than Block-Size Key - Hash Key First",
            at: 0,
        },
        Vector {
            verify: r#"{"kind": "hmac", "header": "X-Signature", "secret_encoding": "hex",
                "algorithm": "sha1", "prefix": "sha1="}"#,
            secret: "aa".repeat(80),
            headers: vec![(
                "x-signature",
                "sha1=aa4ae5e15272d00e95705637ce8a3b55ed402112",
            )],
            body: "Test Using Larger Than Block-Size Key - Hash Key First",
            at: 0,
        },
        Vector {
            verify: r#"{"kind": "hmac", "header": "X-Signature", "algorithm": "sha512",
                "timestamp_header": "X-Time", "tolerance": "1m"}"#,
            secret: "JefeJefe".to_owned(),
            headers: vec![
                ("x-time", "1700000000"),
                (
                    "x-signature",
                    "83742197b8304f96d9fd9a8a52f608a317bea5440b6e476b3a3c71698d4a2293\
                     ea6e745b7d215a6e1be0b67ee1322d785da31a907c8789a916abffff300b2f42",
                ),
            ],
            body: "what do ya want",
            at: 1_700_000_000,
        },
    ]
}

#[test]
fn what_providers_sign_is_believed_and_nothing_else() {
    for vector in vectors() {
        let source = source(vector.verify, &vector.secret);
        let good = headers(&vector.headers);
        let body = Bytes::from(vector.body);
        let now = at(vector.at);
        let ask = |headers: &HeaderMap, body: &Bytes, now| {
            verify(&source, &Request { headers, body }, now)
        };
        assert_eq!(ask(&good, &body, now), Ok(()), "{}", vector.verify);

        let longer = Bytes::from(format!("{} ", vector.body));
        let changed = ask(&good, &longer, now);
        assert_eq!(changed, Err(Refusal::Signature), "{}", vector.verify);
        let other = super::tests::source(vector.verify, &changed_secret(&vector.secret));
        let request = Request {
            headers: &good,
            body: &body,
        };
        assert_eq!(verify(&other, &request, now), Err(Refusal::Signature));
        for (name, _) in &vector.headers {
            let mut without = good.clone();
            without.remove(*name);
            let refused = ask(&without, &body, now);
            assert!(
                matches!(refused, Err(Refusal::NoHeader(_))),
                "{name}: {refused:?}"
            );
        }
        let later = at(vector.at + 301);
        let late = ask(&good, &body, later);
        match source.rules.verify.tolerance() {
            Some(_) => {
                assert_eq!(late.unwrap_err().kind(), "timestamp", "{}", vector.verify);
                let early = ask(&good, &body, at(vector.at - 301));
                assert_eq!(early.unwrap_err().kind(), "timestamp");
            }
            None => assert_eq!(late, Ok(())),
        }
    }
}

/// Of the same form, and another one.
fn changed_secret(secret: &str) -> String {
    let last = if secret.ends_with('a') { 'b' } else { 'a' };
    let at = secret.len() - 1;
    let changed = format!("{}{last}", &secret[..at]);
    // The last character of base64 holds unused bits where it is padded; none of ours is.
    changed
}

#[test]
fn a_time_that_was_changed_is_a_wrong_signature() {
    for vector in vectors() {
        let source = source(vector.verify, &vector.secret);
        if source.rules.verify.tolerance().is_none() {
            continue;
        }
        let moved = vector.at + 400;
        let (old, new) = (vector.at.to_string(), moved.to_string());
        let pairs: Vec<(&str, String)> = vector
            .headers
            .iter()
            .map(|(name, value)| (*name, value.replace(&old, &new)))
            .collect();
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let (headers, body) = (headers(&pairs), Bytes::from(vector.body));
        let request = Request {
            headers: &headers,
            body: &body,
        };
        let refused = verify(&source, &request, at(moved));
        assert_eq!(refused, Err(Refusal::Signature), "{}", vector.verify);
    }
}

#[test]
fn one_of_several_signatures_and_either_of_two_secrets_is_enough() {
    let vector = vectors().remove(0);
    let mut source = source(vector.verify, "whsec_bmV3ZXIgc2VjcmV0IG9mIDI0IGJ5dGVz");
    let old = SourceSecret::parse(&vector.secret).unwrap();
    source.keys.old = Some((old, at(vector.at + 60)));
    let mut pairs = vector.headers.clone();
    pairs[2].1 = "v1a,AAAA v2,x v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let (headers, body) = (headers(&pairs), Bytes::from(vector.body));
    let request = Request {
        headers: &headers,
        body: &body,
    };
    assert_eq!(verify(&source, &request, at(vector.at)), Ok(()));
    let over = verify(&source, &request, at(vector.at + 60));
    assert_eq!(over, Err(Refusal::Signature), "the overlap is over");
    source.keys = SourceKeys::default();
    assert_eq!(verify(&source, &request, at(0)), Err(Refusal::NoSecret));
}

#[test]
fn a_public_key_verifies_v1a() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
    let base64 = &base64::engine::general_purpose::STANDARD;
    let public = format!("whpk_{}", base64.encode(pair.public_key()));
    let source = source(r#"{"kind": "standard-webhooks"}"#, &public);
    let signature = base64.encode(pair.sign(b"msg_1.100.{}"));
    let signature = format!("v1,{signature} v1a,{signature}");
    let headers = headers(&[
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", "100"),
        ("webhook-signature", &signature),
    ]);
    let ask = |body: &'static str| {
        let body = Bytes::from(body);
        let request = Request {
            headers: &headers,
            body: &body,
        };
        verify(&source, &request, at(100))
    };
    assert_eq!(ask("{}"), Ok(()));
    assert_eq!(ask("{ }"), Err(Refusal::Signature));
}

#[test]
fn a_genuine_request_is_an_event_whatever_it_says() {
    let own = r#"{"verify": {"kind": "stripe"}, "type_from": {"header": "x-kind", "prefix": "pay."},
        "id_from": {"header": "x-id"}}"#;
    let cases = [
        (
            source(r#"{"kind": "stripe"}"#, "12345678"),
            vec![("content-type", "application/json; charset=utf-8")],
            r#"{ "id": "evt_1", "type":"charge.succeeded" }"#,
            (
                "stripe.charge.succeeded",
                Some("evt_1"),
                "application/json; charset=utf-8",
            ),
        ),
        (
            source(r#"{"kind": "shopify"}"#, "12345678"),
            vec![
                ("x-shopify-topic", "orders/create"),
                ("x-shopify-webhook-id", "w-1"),
            ],
            "{}",
            ("shopify.orders.create", Some("w-1"), "application/json"),
        ),
        (
            source(r#"{"kind": "slack"}"#, "12345678"),
            vec![("content-type", "application/x-www-form-urlencoded")],
            "token=x",
            (
                "slack.webhook.received",
                None,
                "application/x-www-form-urlencoded",
            ),
        ),
        (
            source(r#"{"kind": "github"}"#, "12345678"),
            vec![
                ("content-type", "application/json"),
                ("x-github-event", "push"),
            ],
            "{broken",
            ("github.push", None, "application/octet-stream"),
        ),
        (
            with_rules(own, None),
            vec![("x-kind", "card/charged"), ("x-id", "7")],
            "\u{1F600}",
            ("pay.card.charged", Some("7"), "application/octet-stream"),
        ),
    ];
    for (source, pairs, body, (event_type, id, content_type)) in cases {
        let (headers, body) = (headers(&pairs), Bytes::from(body));
        let incoming = draft::of_request(
            &source,
            &Request {
                headers: &headers,
                body: &body,
            },
        );
        assert_eq!(&*incoming.event_type, event_type);
        assert_eq!(incoming.attributes.producer_id.as_deref(), id);
        assert_eq!(incoming.attributes.source.as_deref(), Some("shop"));
        assert_eq!(incoming.attributes.content_type(), content_type);
        assert_eq!(incoming.data, body, "byte for byte");
        let is_known = incoming.identity == Identity::SourceAndId;
        assert_eq!(is_known, id.is_some());
    }
}

#[test]
fn only_challenges_that_were_asked_for_are_answered() {
    let mut meta = with_rules(
        r#"{"verify": {"kind": "github"}, "challenges": {"meta": true}}"#,
        None,
    );
    meta.keys.verify_token = Some(SourceSecret::parse("verify-me").unwrap());
    let websub = with_rules(
        r#"{"verify": {"kind": "hmac", "header": "x-hub-signature"},
            "challenges": {"websub": {"topics": ["https://a.example/feed"]}}}"#,
        None,
    );
    let plain = source(r#"{"kind": "github"}"#, "12345678");
    let text = |text: &str| Some(Challenge::Text(text.to_owned()));
    for (source, query, expected) in [
        (
            &meta,
            "hub.mode=subscribe&hub.challenge=115&hub.verify_token=verify-me",
            text("115"),
        ),
        (
            &meta,
            "hub.mode=subscribe&hub.challenge=115&hub.verify_token=other",
            Some(Challenge::Refused),
        ),
        (
            &meta,
            "hub.mode=subscribe&hub.challenge=115",
            Some(Challenge::Refused),
        ),
        (
            &websub,
            "hub.mode=subscribe&hub.topic=https%3A%2F%2Fa.example%2Ffeed&hub.challenge=a%20b",
            text("a b"),
        ),
        (
            &websub,
            "hub.mode=subscribe&hub.topic=https://b.example&hub.challenge=x",
            Some(Challenge::Refused),
        ),
        (
            &websub,
            "hub.mode=denied&hub.topic=https://a.example/feed",
            Some(Challenge::Nothing),
        ),
        (&plain, "hub.mode=subscribe&hub.challenge=1", None),
    ] {
        assert_eq!(challenge::of_get(source, query), expected, "{query}");
    }
}

#[test]
fn consent_is_given_to_the_origins_that_were_named() {
    let plain = source(r#"{"kind": "github"}"#, "12345678");
    let consent = r#"{"verify": {"kind": "github"},
        "challenges": {"cloudevents": {"origins": ["events.example"], "rate": 60}}}"#;
    let consent = with_rules(consent, None);
    let body = Bytes::new();
    let ask = |source: &Source, pairs: &[(&str, &str)]| {
        let headers = headers(pairs);
        challenge::of_options(
            source,
            &Request {
                headers: &headers,
                body: &body,
            },
        )
    };
    let allowed = Challenge::Consent {
        origin: "Events.example".to_owned(),
        rate: Some(60),
    };
    let origin = ("webhook-request-origin", "Events.example");
    assert_eq!(ask(&consent, &[origin]), Some(allowed));
    let stranger = ("webhook-request-origin", "b.example");
    assert_eq!(ask(&consent, &[stranger]), Some(Challenge::Refused));
    assert_eq!(ask(&consent, &[]), None);
    assert_eq!(ask(&plain, &[origin]), None);
}

#[test]
fn a_hook_secret_is_taken_once_and_echoed_to_whoever_knows_it() {
    let rules = r#"{"verify": {"kind": "hmac", "header": "x-hook-signature"},
        "challenges": {"x_hook_secret": true}}"#;
    let body = Bytes::new();
    let ask = |source: &Source, secret: &str| {
        let headers = headers(&[("x-hook-secret", secret)]);
        challenge::of_hook_secret(
            source,
            &Request {
                headers: &headers,
                body: &body,
            },
            at(0),
        )
    };
    let new = Challenge::NewHookSecret("12345678".to_owned());
    assert_eq!(ask(&with_rules(rules, None), "12345678"), Some(Ok(new)));
    let own = with_rules(rules, Some("12345678"));
    let echo = Challenge::HookSecret("12345678".to_owned());
    assert_eq!(ask(&own, "12345678"), Some(Ok(echo)));
    assert_eq!(ask(&own, "87654321"), Some(Err(Refusal::HookSecret)));
    let plain = source(r#"{"kind": "github"}"#, "12345678");
    assert_eq!(ask(&plain, "12345678"), None);
}

#[test]
fn slack_is_answered_once_it_is_verified() {
    let body = Bytes::from(r#"{"token":"x","challenge":"3eZbrw","type":"url_verification"}"#);
    let headers = HeaderMap::new();
    let request = Request {
        headers: &headers,
        body: &body,
    };
    let slack = source(r#"{"kind": "slack"}"#, "12345678");
    let text = Some(Challenge::Text("3eZbrw".to_owned()));
    assert_eq!(challenge::of_verified(&slack, &request), text);
    let stripe = source(r#"{"kind": "stripe"}"#, "12345678");
    assert_eq!(challenge::of_verified(&stripe, &request), None);
}

/// The rules were changed before the secret was: one of the two is in another encoding.
#[test]
fn a_secret_that_cannot_be_read_shuts_out_only_who_signs_with_it() {
    let rules = r#"{"verify": {"kind": "hmac", "header": "x-sig", "secret_encoding": "hex"}}"#;
    let secret = |text: &str| SourceSecret::parse(text).unwrap();
    let hex = "6b65792d6f662d746573747321";
    let until = at(1000);
    let body = Bytes::from_static(b"{}");
    let signed = ring::hmac::sign(
        &ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"key-of-tests!"),
        &body,
    );
    let signature = data_encoding::HEXLOWER.encode(signed.as_ref());
    let headers = headers(&[("x-sig", &signature)]);
    let request = Request {
        headers: &headers,
        body: &body,
    };
    for (current, old, expected) in [
        (hex, "not in hex at all", Ok(())),
        ("not in hex at all", hex, Ok(())),
        ("not in hex at all", "nor is this", Err("secret")),
    ] {
        let mut source = with_rules(rules, Some(current));
        source.keys.old = Some((secret(old), until));
        let verified = verify(&source, &request, at(999));
        assert_eq!(
            verified.map_err(|refusal| refusal.kind()),
            expected,
            "{current} and {old}"
        );
    }
    let mut source = with_rules(rules, Some("not in hex at all"));
    source.keys.old = Some((secret(hex), until));
    let refusal = verify(&source, &request, at(1001)).unwrap_err();
    assert_eq!(refusal.kind(), "secret", "the other one's time is up");
}
