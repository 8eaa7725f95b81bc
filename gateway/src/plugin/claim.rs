//! Claim checks: signed addresses under which a receiver of a skinny payload fetches the full event.
//!
//! The address of an event is the same at every time and on every node: its expiry hangs on the
//! event and its key on the master key, so a plugin stays a function of its event and config.
//! Nothing here looks whether the event still exists.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::Url;

use crate::config::MasterKey;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{DeliveryId, EventId, SubscriptionId};

const CONTEXT: &[u8] = b"hookgate claim check v1";
/// Subscription, expiry, HMAC.
const TOKEN_BYTES: usize = 4 + 8 + 32;

/// Signs claim checks and tells true ones from others. Cheap to clone.
#[derive(Clone)]
pub struct ClaimSigner {
    keyed: Hmac<Sha256>,
    public_url: Url,
    retention: Duration,
}

/// Why a claim check opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClaim {
    #[error("the token was not made for this event")]
    Forged,
    #[error("the token has expired")]
    Expired,
}

impl ClaimSigner {
    /// `retention` is how long an event is kept, and so how long its address opens.
    #[must_use]
    pub fn new(master: &MasterKey, public_url: Url, retention: Duration) -> Self {
        let derived = keyed(master.bytes())
            .chain_update(CONTEXT)
            .finalize()
            .into_bytes();
        Self {
            keyed: keyed(&derived),
            public_url,
            retention,
        }
    }

    /// Where this deployment is reached, without a slash at its end.
    #[must_use]
    pub fn public_url(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }

    /// The address under which the receiver of `delivery` reads its event in full.
    #[must_use]
    pub fn url(&self, delivery: DeliveryId) -> String {
        let base = self.public_url();
        let token = self.token(delivery);
        format!("{base}/v1/events/{}/data?token={token}", delivery.event)
    }

    fn token(&self, delivery: DeliveryId) -> String {
        let expires_at = delivery.event.received_at().plus(self.retention);
        let mut bytes = delivery.subscription.get().to_be_bytes().to_vec();
        bytes.extend_from_slice(&expires_at.as_ms().to_be_bytes());
        let mac = self.mac(delivery, expires_at).finalize();
        bytes.extend_from_slice(&mac.into_bytes());
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// For whom `token` opens `event` at `now`.
    ///
    /// # Errors
    /// Where it was made for another event, by another deployment, or too long ago.
    pub fn verify(
        &self,
        event: EventId,
        token: &str,
        now: Timestamp,
    ) -> Result<SubscriptionId, InvalidClaim> {
        let bytes: [u8; TOKEN_BYTES] = BASE64URL_NOPAD
            .decode(token.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(InvalidClaim::Forged)?;
        let (subscription, rest) = bytes.split_first_chunk().expect("longer than four");
        let (expires_at, mac) = rest.split_first_chunk().expect("longer than twelve");
        let subscription = SubscriptionId::new(i32::from_be_bytes(*subscription));
        let expires_at = Timestamp::from_ms(i64::from_be_bytes(*expires_at));
        let delivery = DeliveryId {
            event,
            subscription,
        };
        self.mac(delivery, expires_at)
            .verify_slice(mac)
            .map_err(|_| InvalidClaim::Forged)?;
        if now > expires_at {
            return Err(InvalidClaim::Expired);
        }
        Ok(subscription)
    }

    fn mac(&self, delivery: DeliveryId, expires_at: Timestamp) -> Hmac<Sha256> {
        self.keyed
            .clone()
            .chain_update(delivery.event.get().to_be_bytes())
            .chain_update(delivery.subscription.get().to_be_bytes())
            .chain_update(expires_at.as_ms().to_be_bytes())
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

impl std::fmt::Debug for ClaimSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClaimSigner")
            .field("public_url", &self.public_url.as_str())
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::LaneId;

    const DAY: Duration = Duration::from_secs(86_400);

    fn signer(key: u8) -> ClaimSigner {
        let url = Url::parse("https://hooks.example.com/gate/").unwrap();
        ClaimSigner::new(&MasterKey::from_bytes([key; 32]), url, 7 * DAY)
    }

    fn delivery(ms: i64) -> DeliveryId {
        DeliveryId {
            event: EventId::first_at(Timestamp::from_ms(ms), LaneId::new(3)),
            subscription: SubscriptionId::new(42),
        }
    }

    fn token(url: &str) -> &str {
        url.split_once("token=").unwrap().1
    }

    #[test]
    fn an_address_opens_its_own_event_until_it_expires() {
        let at = Timestamp::from_ms(1_700_000_000_000);
        let delivery = delivery(at.as_ms());
        let url = signer(1).url(delivery);
        assert!(url.starts_with("https://hooks.example.com/gate/v1/events/evt_"));
        assert_eq!(url, signer(1).url(delivery), "the same on every node");

        let verify = |now| signer(1).verify(delivery.event, token(&url), now);
        assert_eq!(verify(at), Ok(delivery.subscription));
        assert_eq!(verify(at.plus(7 * DAY)), Ok(delivery.subscription));
        assert_eq!(verify(at.plus(8 * DAY)), Err(InvalidClaim::Expired));
    }

    #[test]
    fn an_address_opens_nothing_else() {
        let at = Timestamp::from_ms(1_700_000_000_000);
        let url = signer(1).url(delivery(at.as_ms()));
        let other = delivery(at.as_ms() + 1).event;
        let refused = Err(InvalidClaim::Forged);
        assert_eq!(signer(1).verify(other, token(&url), at), refused);
        let own = delivery(at.as_ms()).event;
        assert_eq!(signer(2).verify(own, token(&url), at), refused);
        for text in ["", "x", &token(&url)[1..], &token(&url).to_uppercase()] {
            assert_eq!(signer(1).verify(own, text, at), refused, "{text}");
        }
    }
}
