//! A source: where a provider's webhooks come in, how they are verified, and what they become.
//!
//! Holds the rules, already parsed, and the secrets in the open. Verifying is the business of
//! `ingest`, keeping them that of `store`.

mod place;
mod rules;
mod secret;
mod verifier;

use std::sync::Arc;

use super::clock::Timestamp;
use super::ids::{ConfigVersion, SourceId, TenantId};
use super::tenant::TenantName;

pub use place::{InvalidTypeFrom, Place, TypeFrom, TypeOrigin};
pub use rules::{Challenges, Consent, SourceRules, Topics};
pub use secret::{InvalidSourceSecret, SourceSecret};
pub use verifier::{Algorithm, Encoding, HmacRules, KeyEncoding, Verifier};

/// Longest name of a source.
pub const MAX_NAME_BYTES: usize = 64;

/// A source as requests need it.
#[derive(Clone, Debug)]
pub struct Source {
    pub id: SourceId,
    pub tenant: TenantId,
    pub tenant_name: TenantName,
    /// 1 to 64 visible characters; the `source` of its events.
    pub name: Box<str>,
    /// What follows `/in/`.
    pub address: Box<str>,
    pub rules: Arc<SourceRules>,
    pub keys: SourceKeys,
    /// The configuration that this is part of.
    pub version: ConfigVersion,
}

/// What a source knows its provider by.
#[derive(Clone, Debug, Default)]
pub struct SourceKeys {
    pub current: Option<SourceSecret>,
    /// The one before, and until when it is taken too.
    pub old: Option<(SourceSecret, Timestamp)>,
    /// Of a Meta challenge.
    pub verify_token: Option<SourceSecret>,
}

impl SourceKeys {
    /// The secrets that verify at `now`, newest first.
    pub fn valid_at(&self, now: Timestamp) -> impl Iterator<Item = &SourceSecret> {
        let old = self.old.as_ref().filter(move |(_, until)| now < *until);
        self.current.iter().chain(old.map(|(secret, _)| secret))
    }
}

/// Whether a text can name a source.
///
/// # Errors
/// Names the rule.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let is_fine = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if is_fine {
        Ok(())
    } else {
        Err("must have 1 to 64 bytes, without spaces and control characters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_secret_is_taken_until_its_time_is_up() {
        let secret = |text: &str| SourceSecret::parse(text).unwrap();
        let keys = SourceKeys {
            current: Some(secret("new-secret")),
            old: Some((secret("old-secret"), Timestamp::from_ms(1000))),
            verify_token: None,
        };
        assert_eq!(keys.valid_at(Timestamp::from_ms(999)).count(), 2);
        let left: Vec<_> = keys.valid_at(Timestamp::from_ms(1000)).collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].bytes(), b"new-secret");
        assert!(!format!("{keys:?}").contains("new-secret"));
    }
}
