//! How a receiver is told who calls and is known itself, as subscribers write it, and the rules
//! that it obeys. Secrets come in and are never shown again.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::check::Check;
use crate::domain::access::{AccessWish, Auth, Confidential, Mtls, OAuth2};
use crate::domain::certificates::{authorities, certificates, identity};
use crate::domain::target_url::{TargetRules, TargetUrl};

const AUTH: &str = "/delivery/auth";
const CA_PEM: &str = "/delivery/ca_pem";
const MAX_ID_BYTES: usize = 255;
const MAX_SECRET_BYTES: usize = 4096;
const MAX_SCOPE_BYTES: usize = 1000;

/// How the gateway shows who it is: one of the two.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthForm {
    oauth2: Option<OAuth2Form>,
    mtls: Option<MtlsForm>,
}

/// OAuth 2.0 client credentials: a token is fetched and kept, and sent with every delivery.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OAuth2Form {
    /// Judged like a target.
    #[schema(example = "https://auth.example.com/token")]
    token_url: String,
    client_id: String,
    /// Sealed at rest and never shown. May be left out in a change: then the one that was given for
    /// this `token_url` and `client_id` stays.
    client_secret: Option<String>,
    scope: Option<String>,
}

/// A certificate of the gateway's own for this receiver.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MtlsForm {
    /// PEM: the certificate, then those between it and its authority.
    cert_pem: String,
    /// PEM, unencrypted. Sealed at rest and never shown. May be left out in a change that keeps
    /// `cert_pem`.
    key_pem: Option<String>,
}

/// How the gateway shows who it is, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthView {
    OAuth2(OAuth2View),
    Mtls(MtlsView),
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OAuth2View {
    token_url: String,
    client_id: Box<str>,
    scope: Option<Box<str>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MtlsView {
    cert_pem: Box<str>,
}

impl From<Auth> for AuthView {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::OAuth2(oauth2) => Self::OAuth2(OAuth2View {
                token_url: oauth2.token_url.to_string(),
                client_id: oauth2.client_id,
                scope: oauth2.scope,
            }),
            Auth::Mtls(mtls) => Self::Mtls(MtlsView {
                cert_pem: mtls.cert_pem,
            }),
        }
    }
}

impl Check {
    /// What a subscriber wrote as `auth` and `ca_pem`.
    pub(super) fn access(
        &mut self,
        (auth, ca_pem): (Option<Value>, Option<Value>),
        rules: &TargetRules,
    ) -> AccessWish {
        let auth = auth.filter(|auth| !auth.is_null());
        let auth = auth.and_then(|auth| {
            let form: AuthForm = self.object(AUTH, auth);
            self.auth(form, rules)
        });
        let ca_pem: Option<Box<str>> = self.value(CA_PEM, ca_pem);
        if let Some(pem) = &ca_pem {
            self.parsed(CA_PEM, authorities(pem));
        }
        AccessWish { auth, ca_pem }
    }

    fn auth(&mut self, form: AuthForm, rules: &TargetRules) -> Option<Auth> {
        match (form.oauth2, form.mtls) {
            (Some(oauth2), None) => Some(Auth::OAuth2(self.oauth2(oauth2, rules)?)),
            (None, Some(mtls)) => Some(Auth::Mtls(self.mtls(mtls))),
            _ => {
                self.error(AUTH, "must have one of oauth2 and mtls");
                None
            }
        }
    }

    fn oauth2(&mut self, form: OAuth2Form, rules: &TargetRules) -> Option<OAuth2> {
        let at = |member: &str| format!("{AUTH}/oauth2/{member}");
        self.visible(&at("client_id"), &form.client_id, MAX_ID_BYTES);
        if let Some(secret) = &form.client_secret {
            self.visible(&at("client_secret"), secret, MAX_SECRET_BYTES);
        }
        if let Some(scope) = &form.scope {
            self.visible(&at("scope"), scope, MAX_SCOPE_BYTES);
        }
        let token_url = TargetUrl::parse(&form.token_url, rules);
        Some(OAuth2 {
            token_url: self.parsed(&at("token_url"), token_url)?,
            client_id: form.client_id.into(),
            client_secret: form.client_secret.as_deref().map(Confidential::new),
            scope: form.scope.map(Into::into),
        })
    }

    fn mtls(&mut self, form: MtlsForm) -> Mtls {
        let at = |member: &str| format!("{AUTH}/mtls/{member}");
        let chain = certificates(&form.cert_pem);
        if self.parsed(&at("cert_pem"), chain).is_some()
            && let Some(key) = &form.key_pem
        {
            self.parsed(&at("key_pem"), identity(&form.cert_pem, key));
        }
        Mtls {
            cert_pem: form.cert_pem.into(),
            key_pem: form.key_pem.as_deref().map(Confidential::new),
        }
    }

    fn visible(&mut self, pointer: &str, text: &str, max_bytes: usize) {
        let is_visible = |c: char| c == ' ' || c.is_ascii_graphic();
        if text.is_empty() || text.len() > max_bytes || !text.chars().all(is_visible) {
            let detail = format!("must have 1 to {max_bytes} visible ASCII characters");
            self.error(pointer, detail);
        }
    }
}

/// Where a secret was left out that has to be given: its place, without the `#`. `earlier` is what
/// the subscription had before.
pub(super) fn missing_secret(
    access: &AccessWish,
    earlier: Option<&AccessWish>,
) -> Option<&'static str> {
    let auth = access
        .auth
        .as_ref()
        .filter(|auth| auth.secret().is_none())?;
    let earlier = earlier.and_then(|earlier| earlier.auth.as_ref());
    if earlier.is_some_and(|earlier| auth.keeps_secret_of(earlier)) {
        return None;
    }
    Some(match auth {
        Auth::OAuth2(_) => "/delivery/auth/oauth2/client_secret",
        Auth::Mtls(_) => "/delivery/auth/mtls/key_pem",
    })
}
