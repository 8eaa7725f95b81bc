//! Signs what goes out: Standard Webhooks 1.0, scheme `v1` (HMAC-SHA256).
//!
//! Signs the very bytes that are sent, anew for each attempt, with every secret that is valid now.
//! Keeps no secret and makes none.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::clock::Timestamp;
use crate::domain::secret::SigningSecret;

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The `webhook-id`, which holds no dot.
    pub id: &'a str,
    /// When the attempt is made.
    pub at: Timestamp,
    pub body: &'a [u8],
}

/// The value of `webhook-signature`: one signature for each secret, one space between them.
#[must_use]
pub fn header(secrets: &[Arc<SigningSecret>], signed: Signed<'_>) -> String {
    let prefix = format!("{}.{}.", signed.id, signed.at.as_unix_seconds());
    let mut value = String::with_capacity(48 * secrets.len());
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.bytes())
            .expect("HMAC takes keys of every length");
        mac.update(prefix.as_bytes());
        mac.update(signed.body);
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str("v1,");
        STANDARD.encode_string(mac.finalize().into_bytes(), &mut value);
    }
    value
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::*;

    fn secret(byte: u8) -> Arc<SigningSecret> {
        Arc::new(SigningSecret::from_bytes(&[byte; 32]).unwrap())
    }

    fn headers(signature: &str, at: i64) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", "dlv_1".parse().unwrap());
        headers.insert("webhook-timestamp", at.to_string().parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        headers
    }

    #[test]
    fn receivers_with_the_old_or_the_new_secret_can_verify() {
        // The reference library compares with the system's clock, and so must this test.
        let at = Timestamp::from(time::OffsetDateTime::now_utc());
        let (old, new) = (secret(1), secret(2));
        let body = br#"{"type":"invoice.paid"}"#;
        let signed = Signed {
            id: "dlv_1",
            at,
            body,
        };
        let value = header(&[new.clone(), old.clone()], signed);
        assert_eq!(value.split(' ').count(), 2);
        let headers = headers(&value, at.as_unix_seconds());
        for known in [old, new] {
            let webhook = Webhook::new(&known.reveal()).unwrap();
            assert!(webhook.verify(body, &headers).is_ok());
            assert!(webhook.verify(b"{}", &headers).is_err());
        }
        let stranger = Webhook::new(&secret(3).reveal()).unwrap();
        assert!(stranger.verify(body, &headers).is_err());
    }
}
