//! Signs what goes out: Standard Webhooks 1.0, `v1` (HMAC-SHA256) and `v1a` (ed25519), and the
//! `X-Hook-Signature` of REST Hooks.
//!
//! Signs the very bytes that are sent, anew for each attempt, with every key that is valid now.
//! Keeps no key and makes none.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::clock::Timestamp;
use crate::domain::secret::SigningKey;

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The `webhook-id`, which holds no dot.
    pub id: &'a str,
    /// When the attempt is made.
    pub at: Timestamp,
    pub body: &'a [u8],
}

/// The value of `webhook-signature`: one signature for each key, one space between them.
#[must_use]
pub fn header(keys: &[Arc<SigningKey>], signed: Signed<'_>) -> String {
    let prefix = format!("{}.{}.", signed.id, signed.at.as_unix_seconds());
    let mut value = String::with_capacity(96 * keys.len());
    for key in keys {
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(key.scheme().as_str());
        value.push(',');
        match &**key {
            SigningKey::Shared(secret) => {
                let mac = mac(secret.bytes(), &[prefix.as_bytes(), signed.body]);
                STANDARD.encode_string(mac, &mut value);
            }
            SigningKey::Pair(pair) => {
                let message = [prefix.as_bytes(), signed.body].concat();
                STANDARD.encode_string(pair.sign(&message), &mut value);
            }
        }
    }
    value
}

/// The value of `X-Hook-Signature`: HMAC-SHA256 of the body in hex, keyed with the secret's text as
/// its subscriber knows it, `whsec_` included. During a rotation's overlap there are two, the newer
/// first, with a comma between them. None where there is no shared secret.
#[must_use]
pub fn hook_header(keys: &[Arc<SigningKey>], body: &[u8]) -> Option<String> {
    let secrets = keys.iter().filter_map(|key| key.reveal());
    let each: Vec<String> = secrets
        .map(|secret| HEXLOWER.encode(&mac(secret.as_bytes(), &[body])))
        .collect();
    (!each.is_empty()).then(|| each.join(","))
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};
    use standardwebhooks::Webhook;

    use super::*;
    use crate::domain::secret::Scheme;

    fn key(byte: u8) -> Arc<SigningKey> {
        Arc::new(SigningKey::new(Scheme::V1, [byte; 32]))
    }

    fn webhook(key: &SigningKey) -> Webhook {
        Webhook::new(&key.reveal().unwrap()).unwrap()
    }

    fn headers(signature: &str, at: i64) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", "dlv_1".parse().unwrap());
        headers.insert("webhook-timestamp", at.to_string().parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        headers
    }

    /// The reference library compares with the system's clock, and so must its tests.
    fn now() -> Timestamp {
        Timestamp::from(time::OffsetDateTime::now_utc())
    }

    fn signed(at: Timestamp, body: &[u8]) -> Signed<'_> {
        Signed {
            id: "dlv_1",
            at,
            body,
        }
    }

    #[test]
    fn receivers_with_the_old_or_the_new_secret_can_verify() {
        let at = now();
        let (old, new) = (key(1), key(2));
        let body = br#"{"type":"invoice.paid"}"#;
        let value = header(&[new.clone(), old.clone()], signed(at, body));
        assert_eq!(value.split(' ').count(), 2);
        let headers = headers(&value, at.as_unix_seconds());
        for known in [old, new] {
            assert!(webhook(&known).verify(body, &headers).is_ok());
            assert!(webhook(&known).verify(b"{}", &headers).is_err());
        }
        assert!(webhook(&key(3)).verify(body, &headers).is_err());
    }

    #[test]
    fn a_thousand_payloads_are_accepted_and_their_forgeries_refused() {
        let at = now();
        let (good, other) = (key(1), key(2));
        for number in 0..1000_u32 {
            // Bodies of all lengths, JSON and not, with characters of one to four bytes.
            let filler = "aß€😀\\".repeat((number % 97) as usize);
            let body = format!(r#"{{"n":{number},"text":"{filler}"}}"#);
            let value = header(std::slice::from_ref(&good), signed(at, body.as_bytes()));
            let verify = |webhook: &Webhook, body: &str, value: &str, at: i64| {
                let headers = headers(value, at);
                webhook.verify(body.as_bytes(), &headers).is_ok()
            };
            let seconds = at.as_unix_seconds();
            assert!(verify(&webhook(&good), &body, &value, seconds), "{body}");
            assert!(!verify(&webhook(&other), &body, &value, seconds));
            assert!(!verify(
                &webhook(&good),
                &format!("{body} "),
                &value,
                seconds
            ));
            for shift in [-301, -1, 1, 301] {
                assert!(!verify(&webhook(&good), &body, &value, seconds + shift));
            }
            let mut changed = value.into_bytes();
            let position = 3 + number as usize % 40;
            changed[position] = if changed[position] == b'A' {
                b'B'
            } else {
                b'A'
            };
            let changed = String::from_utf8(changed).unwrap();
            assert!(!verify(&webhook(&good), &body, &changed, seconds));
        }
    }

    #[test]
    fn a_pair_signs_for_whoever_has_its_public_key() {
        let at = now();
        let pair = Arc::new(SigningKey::new(Scheme::V1a, [5; 32]));
        let public = pair.public().unwrap();
        let public = STANDARD.decode(&public["whpk_".len()..]).unwrap();
        let shared = key(1);
        let body = br#"{"type":"invoice.paid"}"#;
        // As after a change of the signature: both kinds sign for a while.
        let value = header(&[pair, shared.clone()], signed(at, body));
        let (v1a, v1) = value.split_once(' ').unwrap();
        assert!(v1.starts_with("v1,"));
        let signature = STANDARD.decode(v1a.strip_prefix("v1a,").unwrap()).unwrap();
        let message = format!("dlv_1.{}.", at.as_unix_seconds());
        let message = [message.as_bytes(), &body[..]].concat();
        let public = UnparsedPublicKey::new(&ED25519, public);
        assert!(public.verify(&message, &signature).is_ok());
        assert!(public.verify(&message[1..], &signature).is_err());
        // Libraries that know `v1` alone skip the other.
        let headers = headers(&value, at.as_unix_seconds());
        assert!(webhook(&shared).verify(body, &headers).is_ok());
    }

    #[test]
    fn the_hook_signature_is_the_body_s_hmac_in_hex() {
        // The value was made with another implementation, Python's.
        let value = hook_header(&[key(0)], b"{\"a\":1}").unwrap();
        let expected = "4bea1cbc2be3e265ff4cab779c18003d31db9fd5509693ced562ea6a7d564a78";
        assert_eq!(value, expected);
        let two = hook_header(&[key(1), key(0)], b"{\"a\":1}").unwrap();
        assert!(two.ends_with(&format!(",{value}")));
        let pair = Arc::new(SigningKey::new(Scheme::V1a, [5; 32]));
        assert_eq!(hook_header(&[pair], b"1"), None);
    }
}
