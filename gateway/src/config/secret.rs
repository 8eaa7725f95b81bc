//! Values that do not print: configured secrets, and the key that seals all others.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

/// A text that must not reach a log, a listing or an error.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// In constant time.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Seals and opens the secrets in the database: 32 random bytes, written as base64.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(Box<[u8; MasterKey::BYTES]>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the base64 of 32 random bytes; `openssl rand -base64 32` makes one")]
pub struct InvalidMasterKey;

impl MasterKey {
    pub const BYTES: usize = 32;

    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(Box::new(bytes))
    }

    /// # Errors
    /// Where `text` is not the base64 of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidMasterKey> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| InvalidMasterKey)?;
        bytes
            .try_into()
            .map(Self::from_bytes)
            .map_err(|_| InvalidMasterKey)
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}
