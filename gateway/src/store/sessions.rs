//! Who is signed in to the dashboard: sessions, and links of a portal that open one once.
//!
//! A session stands for a key and ends with it; that of a portal may less than its key, and sees one
//! tenant. Kept as hashes; who calls is decided here in the same way as for a key that is sent.

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use subtle::ConstantTimeEq as _;

use super::keys::hash;
use super::{Store, StoreError};
use crate::domain::audit::{Deed, Operation};
use crate::domain::clock::Timestamp;
use crate::domain::ids::TenantId;
use crate::domain::key::{Action, Caller, KeyHash, Role};

/// What every session and link starts with.
const PREFIX: &str = "hgs_";

/// The lesser right that a portal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortalWish {
    pub tenant: TenantId,
    /// Subscriber or viewer.
    pub role: Role,
    /// How long the link may be followed.
    pub link_lasts: Duration,
    /// How long the session lasts that it opens.
    pub session_lasts: Duration,
}

/// A session or a link that was just made: its text is known to nobody else.
#[derive(Debug)]
pub struct Opened {
    pub secret: String,
    pub expires_at: Timestamp,
}

/// Whom a session stands for.
#[derive(Clone, Debug)]
pub struct Session {
    pub caller: Caller,
    /// Whether it was opened by a link.
    pub is_portal: bool,
}

/// Who a key's hash stands for: the key of the configuration, or one that is stored.
#[must_use]
pub fn caller_of(store: &Store, admin: Option<&KeyHash>, key: &KeyHash) -> Option<Caller> {
    if admin.is_some_and(|admin| bool::from(admin.0.ct_eq(&key.0))) {
        return Some(Caller {
            key: None,
            role: Role::Admin,
            bound_to: None,
        });
    }
    // Found by its hash: what a stranger can vary is the input of SHA-256, not what is compared.
    store.catalog().caller(key)
}

impl Store {
    fn session_secret(&self) -> String {
        let random = BASE32_NOPAD.encode(&self.random.bytes::<32>());
        format!("{PREFIX}{}", random.to_ascii_lowercase())
    }

    /// Opens a session for a key that was checked, and forgets those that have ended.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn open_session(&self, key: &KeyHash, lasts: Duration) -> Result<Opened, StoreError> {
        sqlx::query!("delete from ui_session where expires_at < now()")
            .execute(&self.pool)
            .await?;
        let secret = self.session_secret();
        let seconds = i32::try_from(lasts.as_secs()).unwrap_or(i32::MAX);
        let mut change = self.audited().await?;
        let expires_at = sqlx::query_scalar!(
            "insert into ui_session (hash, key_hash, session_seconds, expires_at)
             values ($1, $2, $3, now() + make_interval(secs => $4)) returning expires_at",
            &hash(&secret).0[..],
            &key.0[..],
            seconds,
            lasts.as_secs_f64()
        )
        .fetch_one(change.connection())
        .await?;
        change.commit(of_session(Operation::SessionOpen)).await?;
        Ok(Opened {
            secret,
            expires_at: expires_at.into(),
        })
    }

    /// The hash of the key that a caller came with; none where the key is gone.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn key_hash(
        &self,
        caller: &Caller,
        admin: Option<&KeyHash>,
    ) -> Result<Option<KeyHash>, StoreError> {
        let Some(id) = caller.key else {
            return Ok(admin.copied());
        };
        let stored = sqlx::query_scalar!(
            "select hash from api_key where id = $1 and revoked_at is null",
            id.get()
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(stored.and_then(|hash| hash.try_into().ok()).map(KeyHash))
    }

    /// Makes a link that opens a session of one tenant, once.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn make_portal_link(
        &self,
        key: &KeyHash,
        wish: PortalWish,
    ) -> Result<Opened, StoreError> {
        let secret = self.session_secret();
        let mut change = self.audited().await?;
        let expires_at = sqlx::query_scalar!(
            "insert into ui_session (hash, key_hash, role, tenant_id, is_link, session_seconds, expires_at)
             values ($1, $2, $3, $4, true, $5, now() + make_interval(secs => $6)) returning expires_at",
            &hash(&secret).0[..],
            &key.0[..],
            wish.role.as_str(),
            wish.tenant.get(),
            i32::try_from(wish.session_lasts.as_secs()).unwrap_or(i32::MAX),
            wish.link_lasts.as_secs_f64()
        )
        .fetch_one(change.connection())
        .await?;
        let deed = Deed::new(Operation::PortalLink, wish.tenant, "dashboard");
        change
            .commit(deed.with(format!("as {}", wish.role)))
            .await?;
        Ok(Opened {
            secret,
            expires_at: expires_at.into(),
        })
    }

    /// Follows a link: it opens nothing from then on. None where it is used up, too old, or none.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn follow_portal_link(&self, link: &str) -> Result<Option<Opened>, StoreError> {
        let secret = self.session_secret();
        let mut change = self.audited().await?;
        let opened = sqlx::query!(
            "with used as (delete from ui_session where hash = $1 and is_link and expires_at > now()
               returning key_hash, role, tenant_id, session_seconds)
             insert into ui_session (hash, key_hash, role, tenant_id, session_seconds, expires_at)
             select $2, key_hash, role, tenant_id, session_seconds,
               now() + make_interval(secs => session_seconds) from used
             returning expires_at, tenant_id, role",
            &hash(link).0[..],
            &hash(&secret).0[..]
        )
        .fetch_optional(change.connection())
        .await?;
        let Some(opened) = opened else {
            return Ok(None);
        };
        let tenant = opened.tenant_id.map(TenantId::new);
        let deed = Deed::new(Operation::SessionOpen, tenant, "dashboard");
        let role = opened.role.unwrap_or_default();
        change
            .commit(deed.with(format!("by a portal's link, as {role}")))
            .await?;
        Ok(Some(Opened {
            secret,
            expires_at: opened.expires_at.into(),
        }))
    }

    /// Whom a session stands for now. None where it has ended, or its key is gone, or may no longer
    /// what it would have to.
    ///
    /// # Errors
    /// Where the database does not answer, or holds what cannot be read.
    pub async fn session(
        &self,
        secret: &str,
        admin: Option<&KeyHash>,
    ) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query!(
            "select key_hash, role, tenant_id from ui_session
             where hash = $1 and not is_link and expires_at > now()",
            &hash(secret).0[..]
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let unreadable = |reason: &str| StoreError::Unreadable {
            table: "ui_session",
            id: 0,
            reason: reason.to_owned(),
        };
        let key: [u8; 32] = row
            .key_hash
            .try_into()
            .map_err(|_| unreadable("the hash of its key"))?;
        let Some(caller) = caller_of(self, admin, &KeyHash(key)) else {
            return Ok(None);
        };
        let (Some(role), Some(tenant)) = (row.role, row.tenant_id) else {
            return Ok(Some(Session {
                caller,
                is_portal: false,
            }));
        };
        let role: Role = role.parse().map_err(|_| unreadable(&role))?;
        let tenant = TenantId::new(tenant);
        let (true, Some(name)) = (
            caller.role.allows(Action::Administer),
            self.catalog.tenant_name(tenant),
        ) else {
            return Ok(None);
        };
        Ok(Some(Session {
            caller: Caller {
                key: caller.key,
                role,
                bound_to: Some((tenant, name)),
            },
            is_portal: true,
        }))
    }

    /// Ends a session; one that is not there is no fault.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn end_session(&self, secret: &str) -> Result<(), StoreError> {
        let mut change = self.audited().await?;
        let ended = sqlx::query!(
            "delete from ui_session where hash = $1 returning tenant_id",
            &hash(secret).0[..]
        )
        .fetch_optional(change.connection())
        .await?;
        if let Some(ended) = ended {
            let tenant = ended.tenant_id.map(TenantId::new);
            let deed = Deed::new(Operation::SessionEnd, tenant, "dashboard");
            change.commit(deed).await?;
        }
        Ok(())
    }
}

fn of_session(operation: Operation) -> Deed {
    Deed::new(operation, None, "dashboard")
}
