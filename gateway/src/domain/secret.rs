//! Signing secrets in the open: made, shown and read here, sealed in `store`, used in `delivery`.
//!
//! Standard Webhooks 1.0: 24 to 64 random bytes, written as base64 behind `whsec_`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

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
