//! Certificates and keys as people hand them in: PEM texts, checked as a whole.
//!
//! Whether a receiver's certificate is good is judged at each handshake, by the TLS library; here
//! is only what can be said of the texts alone.

use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// Longest text of certificates or of a key.
pub const MAX_PEM_BYTES: usize = 64 * 1024;
const MAX_CERTIFICATES: usize = 32;

/// Why certificates or a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertificates {
    #[error("is longer than {MAX_PEM_BYTES} bytes")]
    TooLong,
    #[error("holds no certificate: it must be PEM with `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    #[error("holds more than {MAX_CERTIFICATES} certificates")]
    TooMany,
    #[error("cannot be read as PEM")]
    Pem,
    #[error("holds a certificate that cannot be trusted as an authority ({0})")]
    Authority(String),
    #[error("holds no private key: it must be PEM, unencrypted, as PKCS #8, SEC 1 or PKCS #1")]
    NoKey,
    #[error("does not belong to the certificate")]
    OtherKey,
    #[error("cannot be used ({0})")]
    Key(String),
}

/// Certificates that others may go back to.
///
/// # Errors
/// Names the first thing that makes them unusable.
pub fn authorities(pem: &str) -> Result<RootCertStore, InvalidCertificates> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem)? {
        store
            .add(certificate)
            .map_err(|error| InvalidCertificates::Authority(error.to_string()))?;
    }
    Ok(store)
}

/// A certificate chain, the own one first, and its key.
///
/// # Errors
/// Names the first thing that makes them unusable.
pub fn identity(cert_pem: &str, key_pem: &str) -> Result<CertifiedKey, InvalidCertificates> {
    let chain = certificates(cert_pem)?;
    if key_pem.len() > MAX_PEM_BYTES {
        return Err(InvalidCertificates::TooLong);
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|_| InvalidCertificates::NoKey)?;
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => InvalidCertificates::OtherKey,
        other => InvalidCertificates::Key(other.to_string()),
    })
}

/// At least one.
///
/// # Errors
/// Where the text holds none, too many, or something else.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, InvalidCertificates> {
    if pem.len() > MAX_PEM_BYTES {
        return Err(InvalidCertificates::TooLong);
    }
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|_| InvalidCertificates::Pem)?;
    match found.len() {
        0 => Err(InvalidCertificates::NoCertificate),
        1..=MAX_CERTIFICATES => Ok(found),
        _ => Err(InvalidCertificates::TooMany),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn texts_are_checked_as_a_whole() {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let other = KeyPair::generate().unwrap().serialize_pem();
        assert!(identity(&certificate, &key.serialize_pem()).is_ok());
        assert!(authorities(&certificate).is_ok());
        let bad = |cert: &str, key: &str| identity(cert, key).err().unwrap();
        assert_eq!(bad(&certificate, &other), InvalidCertificates::OtherKey);
        assert_eq!(bad(&certificate, "none"), InvalidCertificates::NoKey);
        assert_eq!(bad("none", &other), InvalidCertificates::NoCertificate);
        let broken = certificate.replace("-----END CERTIFICATE-----", "");
        assert_eq!(bad(&broken, &other), InvalidCertificates::Pem);
        let long = certificate.repeat(1 + MAX_PEM_BYTES / certificate.len());
        assert_eq!(bad(&long, &other), InvalidCertificates::TooLong);
        let rubbish = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            authorities(rubbish),
            Err(InvalidCertificates::Authority(_))
        ));
    }
}
