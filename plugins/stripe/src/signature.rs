//! The header `t=1700000000,v1=…,v1=…`: when it was signed, and what with.
//!
//! There are several `v1` while an endpoint's secret is being changed; other schemes, such as
//! the `v0` of test events, are passed over.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const TAG_BYTES: usize = 32;
/// Stripe sends one for each secret, two at most.
const MAX_TAGS: usize = 16;

/// A header that could be read; nothing is verified yet.
#[derive(Debug)]
pub(crate) struct Signature<'a> {
    /// As it stands: this text was signed.
    time: &'a str,
    time_s: u64,
    tags: Vec<[u8; TAG_BYTES]>,
}

impl<'a> Signature<'a> {
    pub(crate) fn parse(header: &'a str) -> Result<Self, String> {
        let items = || {
            header
                .split(',')
                .filter_map(|item| item.trim().split_once('='))
        };
        let value = |name| {
            items()
                .filter(move |(it, _)| *it == name)
                .map(|(_, value)| value)
        };
        let time = value("t")
            .next()
            .ok_or("the Stripe-Signature header has no t")?;
        let is_number = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
        let time_s = time.parse().ok().filter(|_| is_number);
        let time_s = time_s.ok_or("the t of the Stripe-Signature header is no time")?;
        let tags: Vec<_> = value("v1").take(MAX_TAGS).filter_map(tag).collect();
        if tags.is_empty() {
            return Err("the Stripe-Signature header has no v1 of 64 hexadecimal digits".into());
        }
        Ok(Self { time, time_s, tags })
    }

    /// Seconds since 1970.
    pub(crate) fn time_s(&self) -> u64 {
        self.time_s
    }

    /// Whether one of the signatures is that of `body` under `secret`. Takes as long for a wrong
    /// one as for a right one, wherever they differ.
    pub(crate) fn is_genuine(&self, body: &[u8], secret: &str) -> bool {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .expect("HMAC takes keys of any length")
            .chain_update(self.time)
            .chain_update(".")
            .chain_update(body);
        self.tags.iter().fold(false, |found, tag| {
            found | mac.clone().verify_slice(tag).is_ok()
        })
    }
}

fn tag(text: &str) -> Option<[u8; TAG_BYTES]> {
    let mut tag = [0; TAG_BYTES];
    if text.len() != 2 * TAG_BYTES {
        return None;
    }
    for (byte, digits) in tag.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(tag)
}
