//! Verifies a delivery of Hookgate (Standard Webhooks), with the crates `base64`, `hmac` and `sha2`.
//! The crate `standardwebhooks` does the same.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const TOLERANCE_SECONDS: u64 = 300;

/// The three headers of a delivery.
pub struct Signed<'a> {
    pub id: &'a str,
    pub timestamp: &'a str,
    pub signatures: &'a str,
}

/// Whether `body`, as it arrived, comes from who knows the secret.
pub fn verify(secret: &str, signed: &Signed<'_>, body: &[u8]) -> Result<(), &'static str> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(|_| "this machine lives before 1970")?.as_secs();
    let then: u64 = signed.timestamp.parse().map_err(|_| "no timestamp")?;
    if now.abs_diff(then) > TOLERANCE_SECONDS {
        return Err("the timestamp is too old or too new");
    }
    let secret = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = STANDARD.decode(secret).map_err(|_| "the secret is none")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| "the secret is none")?;
    mac.update(format!("{}.{}.", signed.id, signed.timestamp).as_bytes());
    mac.update(body);
    // Several while a secret is changed; one that fits is enough. Compared in constant time.
    let fits = signed.signatures.split(' ').any(|signature| {
        let value = signature.strip_prefix("v1,").unwrap_or_default();
        let given = STANDARD.decode(value).unwrap_or_default();
        mac.clone().verify_slice(&given).is_ok()
    });
    fits.then_some(()).ok_or("no signature fits")
}
