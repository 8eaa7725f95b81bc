//! Reads what changed in the configuration since a version, in one snapshot.
//!
//! Refuses to let one row that cannot be read stand in the way of the others: it is reported and
//! left out.

use std::sync::Arc;

use sqlx::{PgConnection, PgPool};

use super::StoreError;
use super::catalog::PluginEntry;
use super::load_sources;
use super::seal::{Owner, Sealer};
use super::tenants::quota;
use super::{access, policy};
use crate::domain::access::Access;
use crate::domain::clock::Timestamp;
use crate::domain::filter::Filters;
use crate::domain::ids::{ConfigVersion, KeyId, SubscriptionId, TenantId};
use crate::domain::key::{Caller, KeyHash};
use crate::domain::labels::Labels;
use crate::domain::plugin::{ComponentDigest, PluginOwner, Share};
use crate::domain::quota::Quota;
use crate::domain::secret::{Scheme, SigningKey};
use crate::domain::subscription::Subscription;
use crate::domain::target_url::TargetUrl;
use crate::domain::tenant::TenantName;

/// Rows of the configuration that are newer than a version.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) version: ConfigVersion,
    pub(super) tenants: Vec<(TenantId, TenantName, Quota)>,
    /// None for a key that was revoked.
    pub(super) callers: Vec<(KeyHash, Option<Caller>)>,
    /// With the instant at which the older of two secrets stops signing.
    pub(super) subscriptions: Vec<(Subscription, Option<Timestamp>)>,
    /// An id alone for a source that was deleted.
    pub(super) sources: Vec<load_sources::Loaded>,
    /// True for a plugin that was deleted.
    pub(super) plugins: Vec<(PluginEntry, bool)>,
    pub(super) unreadable: Vec<StoreError>,
}

/// None: everything that is not deleted.
pub(super) type Since = Option<ConfigVersion>;

pub(super) async fn load(
    pool: &PgPool,
    sealer: &Sealer,
    since: Since,
) -> Result<Loaded, StoreError> {
    let mut tx = pool
        .begin_with("begin isolation level repeatable read read only")
        .await?;
    let version = sqlx::query_scalar!("select v from config_version")
        .fetch_one(&mut *tx)
        .await?;
    let mut loaded = Loaded {
        version: ConfigVersion::new(version),
        ..Loaded::default()
    };
    if since != Some(loaded.version) {
        load_tenants(&mut tx, since, &mut loaded).await?;
        load_callers(&mut tx, since, &mut loaded).await?;
        load_subscriptions(&mut tx, sealer, since, &mut loaded).await?;
        load_plugins(&mut tx, since, &mut loaded).await?;
        let (sources, errors) = load_sources::load(&mut tx, sealer, since).await?;
        loaded.sources = sources;
        loaded.unreadable.extend(errors);
    }
    tx.commit().await?;
    Ok(loaded)
}

pub(super) fn floor(since: Since) -> i64 {
    since.map_or(-1, ConfigVersion::get)
}

async fn load_tenants(
    connection: &mut PgConnection,
    since: Since,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        "select id, name, events_per_second, bytes_per_second from tenant where v > $1",
        floor(since)
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        match row.name.parse() {
            Ok(name) => {
                let quota = quota(row.events_per_second, row.bytes_per_second);
                loaded.tenants.push((TenantId::new(row.id), name, quota));
            }
            Err(reason) => loaded
                .unreadable
                .push(unreadable("tenant", row.id, &reason)),
        }
    }
    Ok(())
}

async fn load_callers(
    connection: &mut PgConnection,
    since: Since,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"select k.id, k.hash, k.role, k.tenant_id, t.name as "tenant_name?",
             k.revoked_at is not null as "is_revoked!"
           from api_key k left join tenant t on t.id = k.tenant_id where k.v > $1"#,
        floor(since)
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let bound_to = row
            .tenant_id
            .zip(row.tenant_name.and_then(|name| name.parse().ok()))
            .map(|(id, name)| (TenantId::new(id), name));
        // A key whose tenant cannot be read must not become one for all tenants.
        let is_lost = row.tenant_id.is_some() && bound_to.is_none();
        let hash = <[u8; 32]>::try_from(row.hash.as_slice());
        match (hash, row.role.parse()) {
            (Ok(hash), Ok(role)) if !is_lost => {
                let key = Some(KeyId::new(row.id));
                let caller = Caller {
                    key,
                    role,
                    bound_to,
                };
                let caller = (!row.is_revoked).then_some(caller);
                loaded.callers.push((KeyHash(hash), caller));
            }
            _ => loaded
                .unreadable
                .push(unreadable("api_key", row.id, &"its hash, role or tenant")),
        }
    }
    Ok(())
}

async fn load_subscriptions(
    connection: &mut PgConnection,
    sealer: &Sealer,
    since: Since,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let rows = sqlx::query_as!(
        SubscriptionRow,
        r#"select s.id, s.tenant_id, t.name as tenant_name, s.state, s.event_types, s.labels, s.filters::text as "filters!",
             s.target_url, s.plugins::text as "plugins!", s.delivery::text as "delivery!",
             s.sealed_secret, s.secret_scheme, s.sealed_old_secret, s.old_secret_scheme,
             s.old_secret_until, s.verification, s.allowed_rate, s.expires_at, s.v,
             s.access::text as "access!", s.sealed_access
           from subscription s join tenant t on t.id = s.tenant_id
           where s.v > $1 and (s.state <> 'deleted' or $1 >= 0)"#,
        floor(since)
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let id = row.id;
        match row.read(sealer) {
            Ok(read) => loaded.subscriptions.push(read),
            Err(ReadError::Store(error)) => loaded.unreadable.push(error),
            Err(ReadError::Text(reason)) => {
                loaded
                    .unreadable
                    .push(unreadable("subscription", id, &reason))
            }
        }
    }
    Ok(())
}

struct SubscriptionRow {
    id: i32,
    tenant_id: i32,
    tenant_name: String,
    state: String,
    event_types: Vec<String>,
    labels: Vec<String>,
    filters: String,
    target_url: Option<String>,
    plugins: String,
    delivery: String,
    sealed_secret: Vec<u8>,
    secret_scheme: String,
    sealed_old_secret: Option<Vec<u8>>,
    old_secret_scheme: Option<String>,
    old_secret_until: Option<time::OffsetDateTime>,
    verification: String,
    allowed_rate: Option<i32>,
    expires_at: Option<time::OffsetDateTime>,
    v: i64,
    access: String,
    sealed_access: Option<Vec<u8>>,
}

/// Filters as they are kept.
pub(super) fn filters(text: &str) -> Result<Filters, String> {
    Filters::parse(text).map_err(|errors| {
        let texts = errors.iter().map(ToString::to_string);
        format!("its filters: {}", texts.collect::<Vec<_>>().join("; "))
    })
}

enum ReadError {
    Store(StoreError),
    Text(String),
}

impl<E: std::error::Error> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Text(error.to_string())
    }
}

impl SubscriptionRow {
    fn read(self, sealer: &Sealer) -> Result<(Subscription, Option<Timestamp>), ReadError> {
        let owner = Owner {
            tenant: TenantId::new(self.tenant_id),
            subscription: SubscriptionId::new(self.id),
        };
        let open = |sealed: &[u8], scheme: &str| {
            let bytes = sealer.open(owner, sealed).map_err(ReadError::Store)?;
            let scheme = Scheme::from_stored(scheme);
            let scheme = scheme.ok_or_else(|| ReadError::Text("its signature".to_owned()))?;
            Ok::<_, ReadError>(Arc::new(SigningKey::from_bytes(scheme, &bytes)?))
        };
        let mut secrets = vec![open(&self.sealed_secret, &self.secret_scheme)?];
        let mut overlap_until = None;
        if let (Some(sealed), Some(until)) = (self.sealed_old_secret, self.old_secret_until) {
            let scheme = self.old_secret_scheme.as_deref().unwrap_or("v1");
            secrets.push(open(&sealed, scheme)?);
            overlap_until = Some(Timestamp::from(until));
        }
        let sealed = self.sealed_access.as_deref();
        let access = access::open(&self.access, sealed, (sealer, owner));
        let access = access.map_err(ReadError::Store)?.map_err(ReadError::Text)?;
        let event_types = self.event_types.iter().map(|text| text.parse());
        let subscription = Subscription {
            id: owner.subscription,
            tenant: owner.tenant,
            tenant_name: self.tenant_name.parse()?,
            state: self.state.parse()?,
            event_types: event_types.collect::<Result<_, _>>()?,
            labels: Labels::new(&self.labels),
            filters: filters(&self.filters).map_err(ReadError::Text)?,
            target: match self.target_url {
                Some(text) => Some(
                    TargetUrl::from_stored(&text)
                        .ok_or_else(|| ReadError::Text("its target".to_owned()))?,
                ),
                None => None,
            },
            plugins: serde_json::from_str(&self.plugins)?,
            policy: policy::from_stored(&self.delivery).map_err(ReadError::Text)?,
            access: Access::new(access)?,
            verification: self.verification.parse()?,
            allowed_rate: self.allowed_rate.and_then(|rate| rate.try_into().ok()),
            expires_at: self.expires_at.map(Timestamp::from),
            secrets,
            version: ConfigVersion::new(self.v),
        };
        Ok((subscription, overlap_until))
    }
}

async fn load_plugins(
    connection: &mut PgConnection,
    since: Since,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"select p.id, p.tenant_id, p.name, p.owner, p.active_version,
             p.canary_version, p.canary_parts, p.deleted_at is not null as "is_deleted!",
             array(select number from plugin_version where plugin_id = p.id order by number)
               as "numbers!",
             array(select digest from plugin_version where plugin_id = p.id order by number)
               as "digests!"
           from plugin p where p.v > $1 and (p.deleted_at is null or $1 >= 0)"#,
        floor(since)
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let digests = row
            .digests
            .iter()
            .filter_map(|bytes| bytes.as_slice().try_into().ok().map(ComponentDigest));
        match row.name.parse() {
            Ok(name) => {
                let entry = PluginEntry {
                    id: row.id,
                    tenant: TenantId::new(row.tenant_id),
                    name,
                    owner: PluginOwner::from_stored(&row.owner),
                    active: row.active_version,
                    canary: row
                        .canary_version
                        .zip(row.canary_parts.and_then(Share::from_parts)),
                    versions: row.numbers.iter().copied().zip(digests).collect(),
                };
                loaded.plugins.push((entry, row.is_deleted));
            }
            Err(reason) => loaded
                .unreadable
                .push(unreadable("plugin", row.id, &reason)),
        }
    }
    Ok(())
}

pub(super) fn unreadable(
    table: &'static str,
    id: i32,
    reason: &dyn std::fmt::Display,
) -> StoreError {
    StoreError::Unreadable {
        table,
        id: id.into(),
        reason: reason.to_string(),
    }
}
