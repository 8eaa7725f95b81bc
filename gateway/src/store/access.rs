//! How a subscription's access to its receiver is kept: what may be seen as JSON, its one secret
//! sealed beside it.

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::seal::{Owner, Sealer};
use crate::domain::access::{AccessWish, Auth, Confidential, Mtls, OAuth2};
use crate::domain::target_url::TargetUrl;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredAccess {
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<StoredAuth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_pem: Option<Box<str>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredAuth {
    OAuth2 {
        token_url: String,
        client_id: Box<str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<Box<str>>,
    },
    Mtls {
        cert_pem: Box<str>,
    },
}

/// Everything but the secret.
pub(super) fn to_stored(access: &AccessWish) -> String {
    let auth = access.auth.as_ref().map(|auth| match auth {
        Auth::OAuth2(oauth2) => StoredAuth::OAuth2 {
            token_url: oauth2.token_url.to_string(),
            client_id: oauth2.client_id.clone(),
            scope: oauth2.scope.clone(),
        },
        Auth::Mtls(mtls) => StoredAuth::Mtls {
            cert_pem: mtls.cert_pem.clone(),
        },
    });
    let ca_pem = access.ca_pem.clone();
    serde_json::to_string(&StoredAccess { auth, ca_pem }).expect("an access is plain data")
}

/// Without its secret.
pub(super) fn from_stored(text: &str) -> Result<AccessWish, String> {
    let stored: StoredAccess = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let auth = match stored.auth {
        None => None,
        Some(StoredAuth::OAuth2 {
            token_url,
            client_id,
            scope,
        }) => Some(Auth::OAuth2(OAuth2 {
            token_url: TargetUrl::from_stored(&token_url).ok_or("its token_url")?,
            client_id,
            client_secret: None,
            scope,
        })),
        Some(StoredAuth::Mtls { cert_pem }) => Some(Auth::Mtls(Mtls {
            cert_pem,
            key_pem: None,
        })),
    };
    let ca_pem = stored.ca_pem;
    Ok(AccessWish { auth, ca_pem })
}

/// What becomes of the sealed secret when `access` is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SealedSecret {
    Keep,
    /// None: there is nothing to keep secret any more.
    Set(Option<Vec<u8>>),
}

impl SealedSecret {
    pub(super) fn of(
        access: &AccessWish,
        (sealer, owner): (&Sealer, Owner),
        nonce: impl FnOnce() -> [u8; 24],
    ) -> Self {
        match &access.auth {
            None => Self::Set(None),
            Some(auth) => match auth.secret() {
                None => Self::Keep,
                Some(secret) => {
                    let secret = secret.expose().as_bytes();
                    Self::Set(Some(sealer.seal(owner, secret, nonce())))
                }
            },
        }
    }

    /// Whether it is set, and to what.
    pub(super) fn column(self) -> (bool, Option<Vec<u8>>) {
        match self {
            Self::Keep => (false, None),
            Self::Set(sealed) => (true, sealed),
        }
    }
}

/// The access with the secret that was sealed for it.
pub(super) fn open(
    text: &str,
    sealed: Option<&[u8]>,
    (sealer, owner): (&Sealer, Owner),
) -> Result<Result<AccessWish, String>, StoreError> {
    let mut access = match from_stored(text) {
        Ok(access) => access,
        Err(reason) => return Ok(Err(reason)),
    };
    if let Some(auth) = access.auth.take() {
        let Some(sealed) = sealed else {
            return Ok(Err("its auth, which has no secret".to_owned()));
        };
        let secret = sealer.open(owner, sealed)?;
        let Ok(secret) = std::str::from_utf8(&secret) else {
            return Ok(Err("its auth's secret".to_owned()));
        };
        access.auth = Some(auth.with_secret(Confidential::new(secret)));
    }
    Ok(Ok(access))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MasterKey;
    use crate::domain::ids::{SubscriptionId, TenantId};

    fn wish(secret: Option<&str>) -> AccessWish {
        AccessWish {
            auth: Some(Auth::OAuth2(OAuth2 {
                token_url: TargetUrl::from_stored("https://a.example/token").unwrap(),
                client_id: "me".into(),
                client_secret: secret.map(Confidential::new),
                scope: Some("hooks".into()),
            })),
            ca_pem: Some("-----BEGIN".into()),
        }
    }

    #[test]
    fn an_access_survives_being_stored_and_its_secret_is_sealed() {
        let sealer = Sealer::new(1, &MasterKey::from_bytes([7; 32]));
        let owner = |id| Owner {
            tenant: TenantId::new(1),
            subscription: SubscriptionId::new(id),
        };
        let given = wish(Some("very-secret"));
        let text = to_stored(&given);
        assert!(!text.contains("very-secret"));
        assert_eq!(from_stored(&text), Ok(wish(None)));
        let of = |wish: &AccessWish| SealedSecret::of(wish, (&sealer, owner(2)), || [3; 24]);
        let (true, Some(sealed)) = of(&given).column() else {
            panic!("a secret that is given is kept")
        };
        let opened = open(&text, Some(&sealed), (&sealer, owner(2))).unwrap();
        assert_eq!(opened, Ok(given));
        assert!(open(&text, Some(&sealed), (&sealer, owner(3))).is_err());
        assert!(open(&text, None, (&sealer, owner(2))).unwrap().is_err());
        assert_eq!(of(&wish(None)), SealedSecret::Keep);
        assert_eq!(of(&AccessWish::default()), SealedSecret::Set(None));
        assert_eq!(from_stored("{}"), Ok(AccessWish::default()));
    }
}
