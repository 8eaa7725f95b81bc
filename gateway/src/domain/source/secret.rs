//! What a provider signs with. Never prints itself.

use std::fmt;

use subtle::ConstantTimeEq as _;

/// 8 to 1024 bytes of text without control characters; what they mean depends on the verifier.
#[derive(Clone)]
pub struct SourceSecret(Box<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 8 to 1024 bytes without control characters")]
pub struct InvalidSourceSecret;

impl SourceSecret {
    /// # Errors
    /// Where it is too short, too long, or has control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidSourceSecret> {
        if (8..=1024).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidSourceSecret)
        }
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Takes as long for one wrong byte as for all.
    #[must_use]
    pub fn is(&self, given: &[u8]) -> bool {
        self.bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for SourceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceSecret(…)")
    }
}
