//! All that is to be decided about a source, but for its name and its secrets.

use serde::{Deserialize, Serialize};

use super::place::{Place, TypeFrom};
use super::verifier::Verifier;

/// Stored as one JSON text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceRules {
    pub verify: Verifier,
    /// None: as is usual for the verifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_from: Option<TypeFrom>,
    /// None: as is usual for the verifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_from: Option<Place>,
    #[serde(default)]
    pub challenges: Challenges,
}

impl SourceRules {
    #[must_use]
    pub fn type_from(&self) -> TypeFrom {
        self.type_from
            .clone()
            .unwrap_or_else(|| self.verify.type_from())
    }

    #[must_use]
    pub fn id_from(&self) -> Option<Place> {
        self.id_from.clone().or_else(|| self.verify.id_from())
    }
}

/// Questions of providers that are answered before there is a signature. None is, unless asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Challenges {
    /// `OPTIONS` with `WebHook-Request-Origin`, as CloudEvents has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudevents: Option<Consent>,
    /// `GET` with `hub.challenge` and `hub.topic`, as WebSub has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websub: Option<Topics>,
    /// `GET` with `hub.challenge` and the source's `verify_token`, as Meta has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub meta: bool,
    /// `POST` with `X-Hook-Secret`, which is echoed; a source without a secret takes it as its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub x_hook_secret: bool,
}

/// Who may send, and how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Names of systems as they call themselves, or `*` for all.
    pub origins: Vec<Box<str>>,
    /// Requests a minute that the sender is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub rate: Option<std::num::NonZeroU32>,
}

/// What may be subscribed to on our behalf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Topics {
    /// Exactly as the hub names them.
    pub topics: Vec<Box<str>>,
}

impl Consent {
    #[must_use]
    pub fn lets_in(&self, origin: &str) -> bool {
        let mut origins = self.origins.iter();
        origins.any(|known| &**known == "*" || known.eq_ignore_ascii_case(origin))
    }
}
