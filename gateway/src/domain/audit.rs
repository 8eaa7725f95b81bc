//! What the audit log says: who did what to which thing, and whether it was done or refused.
//!
//! Only names, ids and roles go in. A secret, a URL or a body never does, so an entry may be shown to
//! whoever may read the log.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::Serialize;

use super::ids::{KeyId, TenantId};
use super::key::Role;

macro_rules! operations {
    ($($name:ident = $text:literal;)*) => {
        /// What somebody did, or tried to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Operation { $($name),* }

        impl Operation {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

operations! {
    KeyCreate = "key.create";
    KeyRevoke = "key.revoke";
    TenantCreate = "tenant.create";
    TenantSet = "tenant.set";
    TenantErase = "tenant.erase";
    PortalLink = "portal.link";
    SessionOpen = "session.open";
    SessionEnd = "session.end";
    SourceCreate = "source.create";
    SourceChange = "source.change";
    SourceRotate = "source.rotate_secret";
    SourceDelete = "source.delete";
    SubscriptionCreate = "subscription.create";
    SubscriptionChange = "subscription.change";
    SubscriptionConfirm = "subscription.confirm";
    SubscriptionPause = "subscription.pause";
    SubscriptionResume = "subscription.resume";
    SubscriptionDisable = "subscription.disable";
    SubscriptionExpire = "subscription.expire";
    SubscriptionRotate = "subscription.rotate_secret";
    SubscriptionTest = "subscription.test";
    SubscriptionDelete = "subscription.delete";
    PluginUpload = "plugin.upload";
    PluginActivate = "plugin.activate";
    PluginDelete = "plugin.delete";
    JobCreate = "job.create";
    JobCancel = "job.cancel";
    DeliveryRetry = "delivery.retry";
    DeliveryCancel = "delivery.cancel";
    EventErase = "event.erase";
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    pub operation: Operation,
    /// Whose thing it is; None: no tenant's, or all tenants'.
    pub tenant: Option<TenantId>,
    /// Its id or its name.
    pub object: String,
    /// What a reader needs beside that, in a few words. Never a secret.
    pub detail: String,
}

impl Deed {
    pub fn new(
        operation: Operation,
        tenant: impl Into<Option<TenantId>>,
        object: impl fmt::Display,
    ) -> Self {
        Self {
            operation,
            tenant: tenant.into(),
            object: object.to_string(),
            detail: String::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, detail: impl fmt::Display) -> Self {
        self.detail = detail.to_string();
        self
    }
}

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A key that was made, or a session that stands for it with this role.
    Key(KeyId, Role),
    /// The admin key of the configuration, or a session that stands for it with this role.
    FirstKey(Role),
    /// Somebody who came without a key that is known.
    Keyless,
    /// The gateway by itself.
    Gateway,
}

impl Actor {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key(..) => "key",
            Self::FirstKey(_) => "first_key",
            Self::Keyless => "keyless",
            Self::Gateway => "gateway",
        }
    }

    #[must_use]
    pub const fn key(self) -> Option<KeyId> {
        match self {
            Self::Key(id, _) => Some(id),
            _ => None,
        }
    }

    #[must_use]
    pub const fn role(self) -> Option<Role> {
        match self {
            Self::Key(_, role) | Self::FirstKey(role) => Some(role),
            _ => None,
        }
    }
}

/// Who, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doer {
    pub actor: Actor,
    /// The other end of the connection; None for the gateway itself.
    pub address: Option<IpAddr>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditResult {
    Done,
    Refused,
}

impl AuditResult {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

impl FromStr for AuditResult {
    type Err = UnknownResult;

    fn from_str(text: &str) -> Result<Self, UnknownResult> {
        [Self::Done, Self::Refused]
            .into_iter()
            .find(|result| result.as_str() == text)
            .ok_or(UnknownResult)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a result is done or refused")]
pub struct UnknownResult;

/// An object's name as it is kept: short, without control characters.
#[must_use]
pub fn plain(text: &str, max_chars: usize) -> String {
    let visible = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c });
    visible.take(max_chars).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_operation_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Operation::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(names.len(), Operation::ALL.len());
        for name in names {
            let (what, does) = name.split_once('.').unwrap();
            assert!(
                !what.is_empty() && !does.is_empty() && name.len() <= 64,
                "{name}"
            );
        }
    }

    #[test]
    fn what_strangers_name_is_kept_short_and_plain() {
        assert_eq!(plain("a\u{1b}[2J\nb", 200), "a\u{fffd}[2J\u{fffd}b");
        assert_eq!(plain(&"x".repeat(300), 200).len(), 200);
    }
}
