//! Signing keys in the open: made, shown and read here, sealed in `store`, used in `delivery`.
//!
//! Standard Webhooks 1.0: a shared secret of 24 to 64 random bytes, written as base64 behind
//! `whsec_`; or an ed25519 pair, of which receivers get the public half behind `whpk_` and nobody
//! the other.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};

/// How deliveries are signed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// HMAC-SHA256 with a secret that the receiver shares.
    #[default]
    V1,
    /// ed25519; the receiver verifies with the public key.
    V1a,
}

impl Scheme {
    /// As it stands before a signature, and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1a => "v1a",
        }
    }

    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::V1, Self::V1a]
            .into_iter()
            .find(|scheme| scheme.as_str() == text)
    }
}

/// What signs a subscription's deliveries. Never prints itself.
pub enum SigningKey {
    Shared(SigningSecret),
    Pair(KeyPair),
}

/// An ed25519 pair, made from 32 random bytes.
pub struct KeyPair {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A new key from random bytes.
    ///
    /// # Panics
    /// Never: 32 bytes make a key of either kind.
    #[must_use]
    pub fn new(scheme: Scheme, random: [u8; 32]) -> Self {
        Self::from_bytes(scheme, &random).expect("32 bytes make a key of either kind")
    }

    /// # Errors
    /// Where the bytes are too few or too many.
    pub fn from_bytes(scheme: Scheme, bytes: &[u8]) -> Result<Self, InvalidSecret> {
        match scheme {
            Scheme::V1 => SigningSecret::from_bytes(bytes).map(Self::Shared),
            Scheme::V1a => {
                let seed = bytes.try_into().map_err(|_| InvalidSecret)?;
                let pair = Ed25519KeyPair::from_seed_unchecked(bytes);
                let pair = pair.map_err(|_| InvalidSecret)?;
                Ok(Self::Pair(KeyPair { seed, pair }))
            }
        }
    }

    /// What is sealed and kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(secret) => secret.bytes(),
            Self::Pair(pair) => &pair.seed,
        }
    }

    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Shared(_) => Scheme::V1,
            Self::Pair(_) => Scheme::V1a,
        }
    }

    /// The secret as its subscriber keeps it; none where there is nothing to share.
    #[must_use]
    pub fn reveal(&self) -> Option<String> {
        match self {
            Self::Shared(secret) => Some(secret.reveal()),
            Self::Pair(_) => None,
        }
    }

    /// What receivers verify with, where it is no secret.
    #[must_use]
    pub fn public(&self) -> Option<String> {
        match self {
            Self::Shared(_) => None,
            Self::Pair(pair) => Some(pair.public()),
        }
    }
}

impl KeyPair {
    pub const PUBLIC_PREFIX: &'static str = "whpk_";

    #[must_use]
    pub fn public(&self) -> String {
        let public = self.pair.public_key().as_ref();
        format!("{}{}", Self::PUBLIC_PREFIX, STANDARD.encode(public))
    }

    /// 64 bytes over the whole message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature = self.pair.sign(message);
        signature
            .as_ref()
            .try_into()
            .expect("ed25519 signatures have 64 bytes")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, …)", self.scheme().as_str())
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(…)")
    }
}

/// A receiver's secret. Never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Box<[u8]>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is `whsec_` and the base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

impl SigningSecret {
    pub const PREFIX: &'static str = "whsec_";

    /// # Errors
    /// Where there are fewer than 24 or more than 64 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSecret> {
        if (24..=64).contains(&bytes.len()) {
            Ok(Self(bytes.into()))
        } else {
            Err(InvalidSecret)
        }
    }

    /// # Errors
    /// Where `text` is not a secret as [`Self::reveal`] writes it.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let body = text.strip_prefix(Self::PREFIX).ok_or(InvalidSecret)?;
        Self::from_bytes(&STANDARD.decode(body).map_err(|_| InvalidSecret)?)
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text that a subscriber keeps: shown on creation and on rotation, and never again.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{}{}", Self::PREFIX, STANDARD.encode(&self.0))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_pair_shows_its_public_half_alone() {
        let key = SigningKey::new(Scheme::V1a, [7; 32]);
        assert_eq!((key.scheme(), key.reveal()), (Scheme::V1a, None));
        let public = key.public().unwrap();
        assert!(!format!("{key:?}{public}").contains(&STANDARD.encode([7; 32])));
        let SigningKey::Pair(pair) = &key else {
            panic!("a pair was asked for")
        };
        let public = STANDARD.decode(&public["whpk_".len()..]).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, public);
        assert!(public.verify(b"message", &pair.sign(b"message")).is_ok());
        assert!(public.verify(b"other", &pair.sign(b"message")).is_err());
    }

    #[test]
    fn keys_survive_being_kept_as_bytes() {
        for scheme in [Scheme::V1, Scheme::V1a] {
            let key = SigningKey::new(scheme, [9; 32]);
            let again = SigningKey::from_bytes(scheme, key.bytes()).unwrap();
            assert_eq!(again.public(), key.public());
            assert_eq!(again.reveal(), key.reveal());
            assert_eq!(Scheme::from_stored(scheme.as_str()), Some(scheme));
            assert!(SigningKey::from_bytes(scheme, &[1; 23]).is_err());
        }
    }
}
