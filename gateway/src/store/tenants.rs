//! Tenants: made when somebody first names them.

use std::num::NonZeroU32;
use std::time::Duration;

use super::change::Change;
use super::{Store, StoreError};
use crate::domain::audit::{Deed, Operation};
use crate::domain::clock::Timestamp;
use crate::domain::duration::format_duration;
use crate::domain::ids::{ConfigVersion, TenantId};
use crate::domain::quota::Quota;
use crate::domain::tenant::{InvalidTenantName, TenantName};

/// A tenant as the API lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub name: TenantName,
    pub created_at: Timestamp,
    pub quota: Quota,
    /// How long its events are kept; None: as long as the gateway's setting says.
    pub retention: Option<Duration>,
}

/// A quota as its columns say it.
pub(super) fn quota(events_per_second: Option<i64>, bytes_per_second: Option<i64>) -> Quota {
    let limit =
        |column: Option<i64>| column.and_then(|limit| u32::try_from(limit).ok()?.try_into().ok());
    Quota {
        events_per_second: limit(events_per_second),
        bytes_per_second: limit(bytes_per_second),
    }
}

/// Terms in the words of the audit log.
fn said(quota: Quota, retention: Option<Duration>) -> String {
    let limit = |limit: Option<NonZeroU32>| {
        limit.map_or_else(|| "any".to_owned(), |limit| limit.to_string())
    };
    format!(
        "events per second {}, bytes per second {}, retention {}",
        limit(quota.events_per_second),
        limit(quota.bytes_per_second),
        retention.map_or_else(|| "as set".to_owned(), format_duration)
    )
}

impl Store {
    /// The tenant of that name, which is made where there is none. Asks the database only for a
    /// name that the catalog does not know.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn ensure_tenant(&self, name: &TenantName) -> Result<TenantId, StoreError> {
        if let Some(id) = self.catalog.tenant_id(name) {
            return Ok(id);
        }
        let mut change = Change::begin(&self.pool).await?;
        let made = sqlx::query_scalar!(
            "insert into tenant (name, v) values ($1, $2) on conflict (name) do nothing returning id",
            name.as_str(),
            change.version().get()
        )
        .fetch_optional(change.connection())
        .await?;
        let id = match made {
            Some(id) => {
                let tenant = TenantId::new(id);
                let deed = Deed::new(Operation::TenantCreate, tenant, name);
                change.commit(&[deed]).await?;
                id
            }
            // Another node made it; nothing is to be changed.
            None => {
                drop(change);
                sqlx::query_scalar!("select id from tenant where name = $1", name.as_str())
                    .fetch_one(&self.pool)
                    .await?
            }
        };
        self.feed.refresh().await?;
        Ok(TenantId::new(id))
    }

    /// Gives a tenant this quota and this retention instead of any it had; makes the tenant where
    /// there is none.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn set_terms(
        &self,
        name: &TenantName,
        (quota, retention): (Quota, Option<Duration>),
    ) -> Result<(Tenant, ConfigVersion), StoreError> {
        let mut change = Change::begin(&self.pool).await?;
        let column = |limit: Option<NonZeroU32>| limit.map(|limit| i64::from(limit.get()));
        let row = sqlx::query!(
            "insert into tenant (name, v, events_per_second, bytes_per_second, retention_seconds)
             values ($1, $2, $3, $4, $5)
             on conflict (name) do update set v = excluded.v,
               events_per_second = excluded.events_per_second, bytes_per_second = excluded.bytes_per_second,
               retention_seconds = excluded.retention_seconds
             returning id, created_at",
            name.as_str(),
            change.version().get(),
            column(quota.events_per_second),
            column(quota.bytes_per_second),
            retention.and_then(|retention| i64::try_from(retention.as_secs()).ok())
        )
        .fetch_one(change.connection())
        .await?;
        let id = TenantId::new(row.id);
        let deed = Deed::new(Operation::TenantSet, id, name);
        let version = change.commit(&[deed.with(said(quota, retention))]).await?;
        let tenant = Tenant {
            id,
            name: name.clone(),
            created_at: row.created_at.into(),
            quota,
            retention,
        };
        Ok((tenant, version))
    }

    /// In the order of their ids, from the first one after `after`.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn list_tenants(
        &self,
        only: Option<TenantId>,
        after: Option<TenantId>,
        limit: u16,
    ) -> Result<Vec<Tenant>, StoreError> {
        let rows = sqlx::query!(
            "select id, name, created_at, events_per_second, bytes_per_second, retention_seconds from tenant
             where id > $1 and ($2::int is null or id = $2) order by id limit $3",
            after.map_or(0, TenantId::get),
            only.map(TenantId::get),
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let name = row.name.parse().map_err(|error: InvalidTenantName| {
                    StoreError::Unreadable {
                        table: "tenant",
                        id: row.id.into(),
                        reason: format!("{error}"),
                    }
                })?;
                Ok(Tenant {
                    id: TenantId::new(row.id),
                    name,
                    created_at: row.created_at.into(),
                    quota: quota(row.events_per_second, row.bytes_per_second),
                    retention: row
                        .retention_seconds
                        .and_then(|seconds| u64::try_from(seconds).ok())
                        .map(Duration::from_secs),
                })
            })
            .collect()
    }
}
