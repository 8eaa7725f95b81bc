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
    let keys = readable(verifier, source.keys.valid_at(now))?;
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

/// The keys that the verifier can use: one that it cannot read, left from other rules, does not shut
/// out who signs with the other.
fn readable<'a>(
    verifier: &Verifier,
    secrets: impl Iterator<Item = &'a SourceSecret>,
) -> Result<Vec<Key>, Refusal> {
    let mut keys = Vec::new();
    let mut unreadable = None;
    for secret in secrets {
        match Key::of(verifier, secret) {
            Ok(key) => keys.push(key),
            Err(refusal) => unreadable = unreadable.or(Some(refusal)),
        }
    }
    if keys.is_empty() {
        return Err(unreadable.unwrap_or(Refusal::NoSecret));
    }
    Ok(keys)
}

/// Whether a secret is one that the verifier can use.
///
/// # Errors
/// Says what a secret of this kind looks like.
pub fn check_secret(verifier: &Verifier, secret: &SourceSecret) -> Result<(), Refusal> {
    Key::of(verifier, secret).map(drop)
}
