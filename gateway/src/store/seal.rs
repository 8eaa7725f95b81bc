//! Seals signing secrets at rest.
//!
//! XChaCha20-Poly1305 under the master key, bound to tenant and subscription or source, so a sealed secret
//! that is copied to another row does not open there. A sealed secret is one byte that names the
//! key, 24 bytes of nonce, and the ciphertext with its tag.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};

use super::StoreError;
use crate::config::MasterKey;
use crate::domain::ids::{SourceId, SubscriptionId, TenantId};

const NONCE_BYTES: usize = 24;

/// What a sealed secret belongs to, and opens with alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub tenant: TenantId,
    pub subscription: SubscriptionId,
}

/// The same for the secrets of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceOwner {
    pub tenant: TenantId,
    pub source: SourceId,
}

/// What is authenticated beside a secret.
#[derive(Clone, Debug)]
pub struct Binding(Vec<u8>);

impl From<Owner> for Binding {
    fn from(owner: Owner) -> Self {
        let parts = [owner.tenant.get(), owner.subscription.get()];
        Self(parts.map(i32::to_be_bytes).concat())
    }
}

impl From<SourceOwner> for Binding {
    fn from(owner: SourceOwner) -> Self {
        let parts = [owner.tenant.get(), owner.source.get()];
        // Longer than that of a subscription, so that the two can never be the same.
        Self([&parts.map(i32::to_be_bytes).concat()[..], b"source"].concat())
    }
}

#[derive(Clone)]
pub struct Sealer {
    key_id: u8,
    cipher: XChaCha20Poly1305,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// `key_id` names the key in what it seals, so that keys can change.
    #[must_use]
    pub fn new(key_id: u8, key: &MasterKey) -> Self {
        Self {
            key_id,
            cipher: XChaCha20Poly1305::new(&Key::from(*key.bytes())),
        }
    }

    /// `nonce` must be random and never used again.
    #[must_use]
    pub fn seal(
        &self,
        owner: impl Into<Binding>,
        secret: &[u8],
        nonce: [u8; NONCE_BYTES],
    ) -> Vec<u8> {
        let Binding(bound_to) = owner.into();
        let (msg, aad) = (secret, &bound_to[..]);
        let ciphertext = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg, aad })
            .expect("a secret is shorter than the cipher's limit");
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + ciphertext.len());
        sealed.push(self.key_id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// # Errors
    /// Where it was sealed with another key, for another owner, or was changed since.
    pub fn open(&self, owner: impl Into<Binding>, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let key_id = sealed.first().copied().unwrap_or(0);
        let refuse = || StoreError::Sealed { key_id };
        let (nonce, msg) = sealed
            .get(1..)
            .and_then(|rest| rest.split_first_chunk::<NONCE_BYTES>())
            .filter(|_| key_id == self.key_id)
            .ok_or_else(refuse)?;
        let Binding(bound_to) = owner.into();
        let aad = &bound_to[..];
        self.cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg, aad })
            .map_err(|_| refuse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(tenant: i32, subscription: i32) -> Owner {
        Owner {
            tenant: TenantId::new(tenant),
            subscription: SubscriptionId::new(subscription),
        }
    }

    #[test]
    fn a_sealed_secret_opens_only_where_it_belongs() {
        let sealer = Sealer::new(1, &MasterKey::from_bytes([7; 32]));
        let secret = [9; 32];
        let sealed = sealer.seal(owner(1, 2), &secret, [3; 24]);

        assert_eq!(sealer.open(owner(1, 2), &sealed).unwrap(), secret);
        for other in [owner(1, 3), owner(2, 2)] {
            assert!(sealer.open(other, &sealed).is_err());
        }
        let source = SourceOwner {
            tenant: TenantId::new(1),
            source: SourceId::new(2),
        };
        assert!(sealer.open(source, &sealed).is_err());
        let other_key = Sealer::new(1, &MasterKey::from_bytes([8; 32]));
        assert!(other_key.open(owner(1, 2), &sealed).is_err());
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(sealer.open(owner(1, 2), &changed).is_err());
            assert!(sealer.open(owner(1, 2), &sealed[..position]).is_err());
        }
        assert!(!sealed.windows(secret.len()).any(|window| window == secret));
    }
}
