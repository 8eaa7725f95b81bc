//! Who may call: API keys, their roles, and what a role allows.
//!
//! A key's secret is 256 random bits, so a plain SHA-256 is all that needs to be stored. Nothing
//! here looks a key up; the catalog does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::{KeyId, TenantId};
use super::tenant::TenantName;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Send events.
    Publisher,
    /// The subscriptions, plugins, sources and deliveries of its tenant.
    Subscriber,
    /// Read.
    Viewer,
}

/// An action that a role allows or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    SendEvents,
    Read,
    ManageSubscriptions,
    ManagePlugins,
    Administer,
}

impl Role {
    #[must_use]
    pub const fn allows(self, action: Action) -> bool {
        match self {
            Self::Admin => true,
            Self::Publisher => matches!(action, Action::SendEvents),
            Self::Subscriber => {
                matches!(
                    action,
                    Action::Read | Action::ManageSubscriptions | Action::ManagePlugins
                )
            }
            Self::Viewer => matches!(action, Action::Read),
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Publisher => "publisher",
            Self::Subscriber => "subscriber",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::Admin, Self::Publisher, Self::Subscriber, Self::Viewer]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role: admin, publisher, subscriber or viewer")]
pub struct UnknownRole(String);

/// SHA-256 of a key's whole text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// Who calls, once the key is known: the role, and the tenant that the key is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// None for the admin key that comes from the configuration.
    pub key: Option<KeyId>,
    pub role: Role,
    pub bound_to: Option<(TenantId, TenantName)>,
}
