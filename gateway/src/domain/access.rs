//! How a receiver is told who calls it, and by which certificates it is known.
//!
//! What was chosen may lack its secret: whoever reads a subscription and writes it back has none to
//! give, and means the one that is kept. What is used always has it.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

use super::certificates::{InvalidCertificates, authorities, identity};
use super::target_url::TargetUrl;

/// A text that never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Confidential(Box<str>);

impl Confidential {
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Confidential(…)")
    }
}

/// What a subscription's owner chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessWish {
    pub auth: Option<Auth>,
    /// The certificates that the receiver's has to go back to, in PEM. None: those that the
    /// gateway's system trusts.
    pub ca_pem: Option<Box<str>>,
}

/// How the gateway shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    OAuth2(OAuth2),
    Mtls(Mtls),
}

/// OAuth 2.0 client credentials (RFC 6749, section 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    pub token_url: TargetUrl,
    pub client_id: Box<str>,
    /// None: the one that is kept.
    pub client_secret: Option<Confidential>,
    pub scope: Option<Box<str>>,
}

/// A certificate of our own, in PEM with those between it and its authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mtls {
    pub cert_pem: Box<str>,
    /// None: the one that is kept.
    pub key_pem: Option<Confidential>,
}

impl Auth {
    #[must_use]
    pub fn secret(&self) -> Option<&Confidential> {
        match self {
            Self::OAuth2(oauth2) => oauth2.client_secret.as_ref(),
            Self::Mtls(mtls) => mtls.key_pem.as_ref(),
        }
    }

    /// The same with the secret that was kept.
    #[must_use]
    pub fn with_secret(mut self, secret: Confidential) -> Self {
        match &mut self {
            Self::OAuth2(oauth2) => oauth2.client_secret = Some(secret),
            Self::Mtls(mtls) => mtls.key_pem = Some(secret),
        }
        self
    }

    /// Whether a secret that was given with `earlier` still serves: it goes to nobody new.
    #[must_use]
    pub fn keeps_secret_of(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::OAuth2(now), Self::OAuth2(then)) => {
                now.token_url == then.token_url && now.client_id == then.client_id
            }
            (Self::Mtls(now), Self::Mtls(then)) => now.cert_pem == then.cert_pem,
            _ => false,
        }
    }
}

/// What deliveries of a subscription use. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// With its secret.
    pub oauth2: Option<Arc<OAuth2>>,
    /// Where TLS is not the deployment's own.
    pub tls: Option<Arc<ReceiverTls>>,
}

/// TLS as one subscription wants it.
#[derive(Debug)]
pub struct ReceiverTls {
    /// Of all that it was made from; the same means the same.
    pub digest: [u8; 32],
    pub authorities: Option<Arc<RootCertStore>>,
    pub identity: Option<Arc<CertifiedKey>>,
}

impl Access {
    /// # Errors
    /// Where certificates or their key cannot be used.
    pub fn new(wish: AccessWish) -> Result<Self, InvalidCertificates> {
        let (oauth2, mtls) = match wish.auth {
            None => (None, None),
            Some(Auth::OAuth2(oauth2)) => (Some(Arc::new(oauth2)), None),
            Some(Auth::Mtls(mtls)) => (None, Some(mtls)),
        };
        if mtls.is_none() && wish.ca_pem.is_none() {
            return Ok(Self { oauth2, tls: None });
        }
        let ca_pem = wish.ca_pem.as_deref();
        let mut digest = Sha256::new();
        digest.update(ca_pem.unwrap_or_default());
        let own = match &mtls {
            None => None,
            Some(mtls) => {
                let key_pem = mtls.key_pem.as_ref().map_or("", Confidential::expose);
                for text in [&mtls.cert_pem, key_pem] {
                    digest.update([0]);
                    digest.update(text);
                }
                Some(Arc::new(identity(&mtls.cert_pem, key_pem)?))
            }
        };
        let tls = ReceiverTls {
            digest: digest.finalize().into(),
            authorities: ca_pem.map(authorities).transpose()?.map(Arc::new),
            identity: own,
        };
        Ok(Self {
            oauth2,
            tls: Some(Arc::new(tls)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth2(token_url: &str, client_id: &str) -> Auth {
        Auth::OAuth2(OAuth2 {
            token_url: TargetUrl::from_stored(token_url).unwrap(),
            client_id: client_id.into(),
            client_secret: Some(Confidential::new("very-secret")),
            scope: None,
        })
    }

    #[test]
    fn a_kept_secret_goes_to_nobody_new() {
        let before = oauth2("https://a.example/token", "me");
        assert!(oauth2("https://a.example/token", "me").keeps_secret_of(&before));
        assert!(!oauth2("https://b.example/token", "me").keeps_secret_of(&before));
        assert!(!oauth2("https://a.example/token", "you").keeps_secret_of(&before));
        let mtls = Auth::Mtls(Mtls {
            cert_pem: "x".into(),
            key_pem: None,
        });
        assert!(!mtls.keeps_secret_of(&before));
        assert!(!format!("{before:?}").contains("very-secret"));
    }
}
