//! How receivers are known over TLS: by certificates that go back to one we trust, always.
//!
//! There is no switch that turns verification off. Each way to a receiver gets a configuration of
//! its own, because session tickets of one tenant are no business of another's.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use tracing::warn;

/// Sessions kept for resumption by one way.
const MAX_SESSIONS: usize = 8;

/// What a way's configuration is made from.
#[derive(Debug)]
pub(super) struct Trust {
    base: ClientConfig,
}

impl Trust {
    /// # Panics
    /// Where the TLS library lacks what it is built with.
    pub(super) fn new(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut base = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        base.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { base }
    }

    /// A configuration with tickets of its own.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        let mut config = self.base.clone();
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
