//! Plugins at rest: components by digest, and versions by number.
//!
//! A version never changes and a number is never given twice. Owners (REST, the folder, the binary)
//! do not overwrite each other. Nothing here judges a component; what arrives has been checked.

use bytes::Bytes;

use super::activation::set_active;
use super::catalog::Catalog;
use super::change::Change;
use super::{Store, StoreError};
use crate::domain::audit::{Deed, Operation};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ConfigVersion, SourceId, SubscriptionId, TenantId};
use crate::domain::plugin::{ComponentDigest, PluginName, PluginOwner, Share};

/// A plugin's name in the hands of a tenant, or of
/// [`Catalog::SHARED`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PluginKey {
    pub tenant: TenantId,
    pub name: PluginName,
}

/// A component that has passed all checks.
#[derive(Clone, Debug)]
pub struct Component {
    pub digest: ComponentDigest,
    pub bytes: Bytes,
    pub exports: Vec<String>,
    pub imports: Vec<String>,
}

/// What a put does beside storing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The version becomes the active one.
    Now,
    /// The version becomes the active one where its component is new under this name. One that the
    /// same owner brought before is no news: whatever was activated since stays.
    IfNew,
    /// Whatever is active stays.
    Later,
}

/// What a put came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    pub version: i32,
    /// Whether the version is new; otherwise the same bytes were there already.
    pub is_new: bool,
    pub is_active: bool,
    /// None where nothing changed.
    pub config: Option<ConfigVersion>,
}

/// Names a version by its number or by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionChoice {
    Active,
    Number(i32),
    Digest(ComponentDigest),
}

/// A plugin with all its versions, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPlugin {
    pub key: PluginKey,
    pub owner: PluginOwner,
    pub active: Option<i32>,
    pub canary: Option<(i32, Share)>,
    /// What a rollback goes back to.
    pub previous: Option<i32>,
    pub activated_at: Option<Timestamp>,
    pub versions: Vec<StoredVersion>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    pub number: i32,
    pub digest: ComponentDigest,
    pub size_bytes: u64,
    pub exports: Vec<String>,
    pub imports: Vec<String>,
    pub created_at: Timestamp,
}

impl StoredPlugin {
    /// A shared plugin whose one file so far was refused: a name without a version.
    #[must_use]
    pub fn refused_from_folder(name: PluginName) -> Self {
        Self {
            key: PluginKey {
                tenant: Catalog::SHARED,
                name,
            },
            owner: PluginOwner::Folder,
            active: None,
            canary: None,
            previous: None,
            activated_at: None,
            versions: Vec::new(),
        }
    }
}

/// Why plugins could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum PluginStoreError {
    #[error("the name belongs to {}", .0.as_str())]
    Owned(PluginOwner),
    #[error("there is no plugin {0}")]
    Unknown(PluginName),
    #[error("plugin {0} has no such version")]
    UnknownVersion(PluginName),
    #[error("plugin {0} has no version to go back to")]
    NothingBefore(PluginName),
    #[error("plugin {0} has no active version that a canary could stand beside")]
    NoCanary(PluginName),
    #[error("{} subscriptions and {} sources use it", subscriptions.len(), sources.len())]
    InUse {
        subscriptions: Vec<SubscriptionId>,
        sources: Vec<SourceId>,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for PluginStoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Puts `component` under a name as `owner`, and activates it as asked.
    ///
    /// # Errors
    /// [`PluginStoreError::Owned`] where the name belongs to another owner.
    pub async fn put_plugin(
        &self,
        key: &PluginKey,
        owner: PluginOwner,
        component: &Component,
        activation: Activation,
    ) -> Result<Put, PluginStoreError> {
        // Outside the change, because it may be long and nobody should wait for it.
        insert_component(&self.pool, component).await?;
        let mut change = Change::begin(&self.pool).await?;
        let before = find(&mut change, key).await?;
        if let Some(row) = before.as_ref().filter(|row| row.owner != owner)
            && !row.is_deleted
        {
            return Err(PluginStoreError::Owned(row.owner));
        }
        let known = match &before {
            Some(row) => version_of(&mut change, row.id, component.digest).await?,
            None => None,
        };
        let plan = Plan::of(before.as_ref(), owner, known, activation);
        if let (Plan::Nothing { is_active }, Some(version)) = (plan, known) {
            return Ok(Put {
                version,
                is_new: false,
                is_active,
                config: None,
            });
        }
        let id = upsert(&mut change, key, owner).await?;
        let version = match known {
            Some(version) => version,
            None => insert_version(&mut change, id, component.digest).await?,
        };
        let is_active = matches!(plan, Plan::Store { activate: true });
        if is_active {
            set_active(&mut change, id, version).await?;
        }
        let serves = if is_active { "serves" } else { "is stored" };
        let deed = Deed::new(Operation::PluginUpload, key.tenant, &key.name);
        let deed = deed.with(format!("version {version}, {}, {serves}", component.digest));
        Ok(Put {
            version,
            is_new: known.is_none(),
            is_active,
            config: Some(change.commit(&[deed]).await?),
        })
    }

    /// Takes the name out of use. Its versions stay, so that attempts can still name them.
    ///
    /// # Errors
    /// [`PluginStoreError::InUse`] where a subscription or a source would be left without it.
    pub async fn delete_plugin(&self, key: &PluginKey) -> Result<ConfigVersion, PluginStoreError> {
        let mut change = Change::begin(&self.pool).await?;
        let row = find(&mut change, key)
            .await?
            .filter(|row| !row.is_deleted)
            .ok_or_else(|| PluginStoreError::Unknown(key.name.clone()))?;
        let subscriptions = users(&mut change, key).await?;
        let sources = sources(&mut change, key).await?;
        if !subscriptions.is_empty() || !sources.is_empty() {
            return Err(PluginStoreError::InUse {
                subscriptions,
                sources,
            });
        }
        sqlx::query!(
            "update plugin set deleted_at = now(), active_version = null, canary_version = null,
               canary_parts = null, previous_version = null, v = $2 where id = $1",
            row.id,
            change.version().get(),
        )
        .execute(change.connection())
        .await?;
        let deed = Deed::new(Operation::PluginDelete, key.tenant, &key.name);
        Ok(change.commit(&[deed]).await?)
    }

    /// A component's bytes; none where the digest is not known.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn component(
        &self,
        digest: ComponentDigest,
    ) -> Result<Option<Bytes>, PluginStoreError> {
        let bytes = sqlx::query_scalar!("select bytes from component where digest = $1", &digest.0)
            .fetch_optional(&self.pool)
            .await?;
        Ok(bytes.map(Bytes::from))
    }

    /// The plugins that `tenants` own, by name.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn plugins_of(
        &self,
        tenants: &[TenantId],
    ) -> Result<Vec<StoredPlugin>, PluginStoreError> {
        let tenants: Vec<i32> = tenants.iter().map(|tenant| tenant.get()).collect();
        let rows = sqlx::query!(
            r#"select p.tenant_id, p.name, p.owner, p.active_version, p.canary_version, p.canary_parts,
                      p.previous_version, p.activated_at, n.number, n.digest,
                      length(c.bytes) as "size_bytes!", c.exports, c.imports, n.created_at
               from plugin p
               join plugin_version n on n.plugin_id = p.id
               join component c on c.digest = n.digest
               where p.tenant_id = any($1) and p.deleted_at is null
               order by p.name, p.tenant_id desc, n.number desc"#,
            &tenants,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut plugins: Vec<StoredPlugin> = Vec::new();
        for row in rows {
            let key = PluginKey {
                tenant: TenantId::new(row.tenant_id),
                name: stored_name(row.name, row.number)?,
            };
            if plugins.last().is_none_or(|last| last.key != key) {
                plugins.push(StoredPlugin {
                    key,
                    owner: PluginOwner::from_stored(&row.owner),
                    active: row.active_version,
                    canary: row
                        .canary_version
                        .zip(row.canary_parts.and_then(Share::from_parts)),
                    previous: row.previous_version,
                    activated_at: row.activated_at.map(Timestamp::from),
                    versions: Vec::new(),
                });
            }
            let plugin = plugins.last_mut().expect("one was pushed just now");
            plugin.versions.push(StoredVersion {
                number: row.number,
                digest: stored_digest(&row.digest),
                size_bytes: u64::from(row.size_bytes.unsigned_abs()),
                exports: row.exports,
                imports: row.imports,
                created_at: Timestamp::from(row.created_at),
            });
        }
        Ok(plugins)
    }
}

/// What a put has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Nothing { is_active: bool },
    Store { activate: bool },
}

impl Plan {
    fn of(
        before: Option<&Row>,
        owner: PluginOwner,
        known: Option<i32>,
        activation: Activation,
    ) -> Self {
        let Some((row, version)) = before.zip(known) else {
            return Self::Store {
                activate: activation != Activation::Later,
            };
        };
        let is_active = row.active == Some(version);
        match activation {
            Activation::IfNew if row.owner == owner => Self::Nothing { is_active },
            Activation::Later if !row.is_deleted => Self::Nothing { is_active },
            Activation::Now if is_active => Self::Nothing { is_active },
            _ => Self::Store {
                activate: activation != Activation::Later,
            },
        }
    }
}

impl VersionChoice {
    pub(super) fn columns(self, active: Option<i32>) -> (Option<i32>, Option<ComponentDigest>) {
        match self {
            Self::Active => (active, None),
            Self::Number(number) => (Some(number), None),
            Self::Digest(digest) => (None, Some(digest)),
        }
    }
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: i32,
    owner: PluginOwner,
    pub(super) active: Option<i32>,
    pub(super) previous: Option<i32>,
    pub(super) has_canary: bool,
    pub(super) is_deleted: bool,
}

async fn insert_component(pool: &sqlx::PgPool, component: &Component) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into component (digest, bytes, exports, imports) values ($1, $2, $3, $4)
         on conflict (digest) do nothing",
        &component.digest.0,
        &component.bytes[..],
        &component.exports,
        &component.imports,
    )
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn find(change: &mut Change, key: &PluginKey) -> Result<Option<Row>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select id, owner, active_version, previous_version,
             canary_version is not null as "has_canary!", deleted_at is not null as "is_deleted!"
           from plugin where tenant_id = $1 and name = $2"#,
        key.tenant.get(),
        key.name.as_str(),
    )
    .fetch_optional(change.connection())
    .await?;
    Ok(row.map(|row| Row {
        id: row.id,
        owner: PluginOwner::from_stored(&row.owner),
        active: row.active_version,
        previous: row.previous_version,
        has_canary: row.has_canary,
        is_deleted: row.is_deleted,
    }))
}

async fn version_of(
    change: &mut Change,
    plugin_id: i32,
    digest: ComponentDigest,
) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar!(
        "select number from plugin_version where plugin_id = $1 and digest = $2",
        plugin_id,
        &digest.0,
    )
    .fetch_optional(change.connection())
    .await
}

async fn upsert(
    change: &mut Change,
    key: &PluginKey,
    owner: PluginOwner,
) -> Result<i32, sqlx::Error> {
    let version = change.version().get();
    sqlx::query_scalar!(
        "insert into plugin (tenant_id, name, owner, v) values ($1, $2, $3, $4)
         on conflict (tenant_id, name)
           do update set owner = excluded.owner, deleted_at = null, v = excluded.v
         returning id",
        key.tenant.get(),
        key.name.as_str(),
        owner.as_str(),
        version,
    )
    .fetch_one(change.connection())
    .await
}

async fn insert_version(
    change: &mut Change,
    plugin_id: i32,
    digest: ComponentDigest,
) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(
        "insert into plugin_version (plugin_id, number, digest)
         select $1, coalesce(max(number), 0) + 1, $2 from plugin_version where plugin_id = $1
         returning number",
        plugin_id,
        &digest.0,
    )
    .fetch_one(change.connection())
    .await
}

/// The subscriptions that get `key` when they name it, wherever they stand: a tenant's own plugin
/// hides the shared one of the same name.
async fn users(change: &mut Change, key: &PluginKey) -> Result<Vec<SubscriptionId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        "select id from subscription s
         where plugins @> jsonb_build_array(jsonb_build_object('name', $1::text))
           and state <> 'deleted'
           and case when $2 = 0
             then not exists (select from plugin p
               where p.tenant_id = s.tenant_id and p.name = $1 and p.deleted_at is null)
             else s.tenant_id = $2 end
         order by id",
        key.name.as_str(),
        key.tenant.get(),
    )
    .fetch_all(change.connection())
    .await?;
    Ok(ids.into_iter().map(SubscriptionId::new).collect())
}

async fn sources(change: &mut Change, key: &PluginKey) -> Result<Vec<SourceId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        "select id from source s
         where rules #>> '{verify,kind}' = 'plugin' and rules #>> '{verify,name}' = $1
           and deleted_at is null
           and case when $2 = 0
             then not exists (select from plugin p
               where p.tenant_id = s.tenant_id and p.name = $1 and p.deleted_at is null)
             else s.tenant_id = $2 end
         order by id",
        key.name.as_str(),
        key.tenant.get(),
    )
    .fetch_all(change.connection())
    .await?;
    Ok(ids.into_iter().map(SourceId::new).collect())
}

pub(super) fn stored_digest(bytes: &[u8]) -> ComponentDigest {
    ComponentDigest(
        bytes
            .try_into()
            .expect("component_digest_is_sha256 lets 32 bytes in"),
    )
}

fn stored_name(text: String, id: i32) -> Result<PluginName, StoreError> {
    PluginName::try_from(text).map_err(|error| StoreError::Unreadable {
        table: "plugin_version",
        id: i64::from(id),
        reason: error.to_string(),
    })
}
