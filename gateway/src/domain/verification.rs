//! How a receiver says that it wants to be sent events, before it is sent any.
//!
//! Pure: which ways there are, and the secret of the handshake. It is derived from the
//! subscription's signing key, so nothing more has to be kept, and says nothing about that key.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::ids::SubscriptionId;
use super::secret::SigningKey;

/// Type of the event whose delivery is the handshake.
pub const HANDSHAKE_TYPE: &str = "hookgate.verification";
const CONTEXT: &[u8] = b"hookgate handshake v1";

/// How a receiver consents.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Verification {
    /// It is not asked.
    #[default]
    None,
    /// It answers the handshake with the `X-Hook-Secret` that it was sent.
    Echo,
    /// It is sent an `X-Hook-Secret`, and brings it back when it likes.
    Delayed,
    /// It answers an OPTIONS request with `WebHook-Allowed-Origin`, or calls back.
    CloudEvents,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a verification is none, echo, delayed or cloudevents")]
pub struct UnknownVerification;

impl Verification {
    const ALL: [Self; 4] = [Self::None, Self::Echo, Self::Delayed, Self::CloudEvents];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Echo => "echo",
            Self::Delayed => "delayed",
            Self::CloudEvents => "cloudevents",
        }
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Verification {
    type Err = UnknownVerification;

    fn from_str(text: &str) -> Result<Self, UnknownVerification> {
        Self::ALL
            .into_iter()
            .find(|verification| verification.as_str() == text)
            .ok_or(UnknownVerification)
    }
}

/// The `X-Hook-Secret` of a subscription: 64 hexadecimal digits, the same on every node for as long
/// as its signing key is.
#[must_use]
pub fn hook_secret(key: &SigningKey, subscription: SubscriptionId) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.bytes()).expect("HMAC takes keys of every length");
    mac.update(CONTEXT);
    mac.update(&subscription.get().to_be_bytes());
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Scheme;

    #[test]
    fn each_subscription_and_key_has_a_secret_of_its_own() {
        let key = |byte| SigningKey::new(Scheme::V1, [byte; 32]);
        let secret = |byte, id| hook_secret(&key(byte), SubscriptionId::new(id));
        assert_eq!(secret(1, 7), secret(1, 7));
        assert_eq!(secret(1, 7).len(), 64);
        assert_ne!(secret(1, 7), secret(1, 8));
        assert_ne!(secret(1, 7), secret(2, 7));
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for verification in Verification::ALL {
            assert_eq!(verification.as_str().parse(), Ok(verification));
        }
        assert_eq!("x".parse::<Verification>(), Err(UnknownVerification));
    }
}
