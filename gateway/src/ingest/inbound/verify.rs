//! Whether a request is a provider's own, by the source's secrets and the database's clock.

use std::time::Duration;

use super::signature::{self, Key};
use super::{Refusal, Request};
use crate::domain::clock::Timestamp;
use crate::domain::source::{Source, SourceSecret, Verifier};

/// # Errors
/// Says for the operator why it is not believed.
pub fn verify(source: &Source, request: &Request<'_>, now: Timestamp) -> Result<(), Refusal> {
    let verifier = &source.rules.verify;
    let keys: Vec<Key> = source
        .keys
        .valid_at(now)
        .map(|secret| Key::of(verifier, secret))
        .collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let claim = signature::claim(verifier, request)?;
    if !claim.is_signed_with(&keys) {
        return Err(Refusal::Signature);
    }
    let (Some(at), Some(tolerance)) = (claim.at, verifier.tolerance()) else {
        return Ok(());
    };
    let apart = Duration::from_secs((now.as_ms() / 1000).abs_diff(at));
    if apart > tolerance {
        return Err(Refusal::Time { apart, tolerance });
    }
    Ok(())
}

/// Whether a secret is one that the verifier can use.
///
/// # Errors
/// Says what a secret of this kind looks like.
pub fn check_secret(verifier: &Verifier, secret: &SourceSecret) -> Result<(), Refusal> {
    Key::of(verifier, secret).map(drop)
}
