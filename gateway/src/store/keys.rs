//! API keys: stored as a hash, shown once.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use super::change::Change;
use super::{Store, StoreError};
use crate::domain::audit::{Deed, Operation};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ConfigVersion, KeyId, TenantId};
use crate::domain::key::{KeyHash, Role};

/// What every key starts with, so that people and scanners know one when they see it.
const PREFIX: &str = "hgk_";

/// A key as the API lists it; its secret is not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub role: Role,
    pub tenant: Option<String>,
    pub description: String,
    pub created_at: Timestamp,
}

/// A key that was just made.
#[derive(Debug)]
pub struct NewKey {
    pub id: KeyId,
    /// The text to call with, known to nobody else from now on.
    pub secret: String,
    pub version: ConfigVersion,
}

/// What a new key is for.
#[derive(Clone, Debug)]
pub struct KeyWish {
    pub role: Role,
    pub tenant: Option<TenantId>,
    pub description: String,
}

/// How a key's text is stored and looked up.
#[must_use]
pub fn hash(secret: &str) -> KeyHash {
    KeyHash(Sha256::digest(secret.as_bytes()).into())
}

impl Store {
    /// # Errors
    /// Where the database does not answer.
    pub async fn create_key(&self, wish: &KeyWish) -> Result<NewKey, StoreError> {
        let secret = format!(
            "{PREFIX}{}",
            BASE32_NOPAD
                .encode(&self.random.bytes::<32>())
                .to_ascii_lowercase()
        );
        let mut change = Change::begin(&self.pool).await?;
        let id = sqlx::query_scalar!(
            "insert into api_key (hash, role, tenant_id, description, v)
             values ($1, $2, $3, $4, $5) returning id",
            &hash(&secret).0[..],
            wish.role.as_str(),
            wish.tenant.map(TenantId::get),
            wish.description,
            change.version().get()
        )
        .fetch_one(change.connection())
        .await?;
        let id = KeyId::new(id);
        let deed = Deed::new(Operation::KeyCreate, wish.tenant, id);
        let version = change
            .commit(&[deed.with(format!("role {}", wish.role))])
            .await?;
        Ok(NewKey {
            id,
            secret,
            version,
        })
    }

    /// Keys that are not revoked, oldest first, from the first one after `after`; only those bound to the
    /// tenant `of` where it is named.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn list_keys(
        &self,
        of: Option<TenantId>,
        after: Option<KeyId>,
        limit: u16,
    ) -> Result<Vec<Key>, StoreError> {
        let rows = sqlx::query!(
            r#"select k.id, k.role, t.name as "tenant?", k.description, k.created_at
               from api_key k left join tenant t on t.id = k.tenant_id
               where k.id > $1 and k.revoked_at is null and ($3::int is null or k.tenant_id = $3)
               order by k.id limit $2"#,
            after.map_or(0, KeyId::get),
            i64::from(limit),
            of.map(TenantId::get)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let role = row.role.parse().map_err(|_| StoreError::Unreadable {
                    table: "api_key",
                    id: row.id.into(),
                    reason: row.role.clone(),
                })?;
                Ok(Key {
                    id: KeyId::new(row.id),
                    role,
                    tenant: row.tenant,
                    description: row.description,
                    created_at: row.created_at.into(),
                })
            })
            .collect()
    }

    /// None where there is no such key, it is revoked already, or it is not bound to the tenant `of`.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn revoke_key(
        &self,
        id: KeyId,
        of: Option<TenantId>,
    ) -> Result<Option<ConfigVersion>, StoreError> {
        let mut change = Change::begin(&self.pool).await?;
        let revoked = sqlx::query!(
            "update api_key set revoked_at = now(), v = $2 where id = $1 and revoked_at is null
               and ($3::int is null or tenant_id = $3)
             returning tenant_id",
            id.get(),
            change.version().get(),
            of.map(TenantId::get)
        )
        .fetch_optional(change.connection())
        .await?;
        let Some(revoked) = revoked else {
            return Ok(None);
        };
        let tenant = revoked.tenant_id.map(TenantId::new);
        let deed = Deed::new(Operation::KeyRevoke, tenant, id);
        Ok(Some(change.commit(&[deed]).await?))
    }
}
