//! How receivers are known over TLS: by certificates that go back to one we trust, always.
//!
//! There is no switch that turns verification off. Each way to a receiver gets a configuration of
//! its own, because session tickets of one tenant are no business of another's.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use tracing::warn;

use crate::domain::access::ReceiverTls;

/// Sessions kept for resumption by one way.
const MAX_SESSIONS: usize = 8;

/// What a way's configuration is made from.
#[derive(Debug)]
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    authorities: Arc<RootCertStore>,
}

impl Trust {
    pub(super) fn new(authorities: RootCertStore) -> Self {
        Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            authorities: Arc::new(authorities),
        }
    }

    /// A configuration with tickets of its own. Certificates of `wish` stand instead of the
    /// deployment's.
    ///
    /// # Panics
    /// Where the TLS library lacks what it is built with.
    pub(super) fn config(&self, wish: Option<&ReceiverTls>) -> Arc<ClientConfig> {
        let own = wish.and_then(|wish| wish.authorities.clone());
        let authorities = own.unwrap_or_else(|| self.authorities.clone());
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(authorities);
        let mut config = match wish.and_then(|wish| wish.identity.clone()) {
            Some(identity) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
        Arc::new(config)
    }
}

/// Certificates that the system trusts.
#[must_use]
pub fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        warn!(errors = ?found.errors, "no system certificates found, https targets cannot be verified: install ca-certificates");
    }
    roots
}
