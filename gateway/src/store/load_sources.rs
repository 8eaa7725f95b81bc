//! Reads the sources that changed since a version, with their secrets opened.

use std::sync::Arc;

use sqlx::PgConnection;

use super::StoreError;
use super::load::{Since, floor, unreadable};
use super::seal::{Sealer, SourceOwner};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ConfigVersion, SourceId, TenantId};
use crate::domain::source::{Source, SourceKeys, SourceSecret};

/// A source, or the id of one that was deleted.
pub(super) type Loaded = Result<Source, SourceId>;

pub(super) async fn load(
    connection: &mut PgConnection,
    sealer: &Sealer,
    since: Since,
) -> Result<(Vec<Loaded>, Vec<StoreError>), StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select s.id, s.tenant_id, t.name as tenant_name, s.name, s.address,
             s.rules::text as "rules!", s.sealed_secret, s.sealed_old_secret, s.old_secret_until,
             s.sealed_verify_token, s.deleted_at is not null as "is_deleted!", s.v
           from source s join tenant t on t.id = s.tenant_id
           where s.v > $1 and (s.deleted_at is null or $1 >= 0)"#,
        floor(since)
    )
    .fetch_all(connection)
    .await?;
    let (mut sources, mut errors) = (Vec::new(), Vec::new());
    for row in rows {
        let id = row.id;
        if row.is_deleted {
            sources.push(Err(SourceId::new(id)));
            continue;
        }
        match row.read(sealer) {
            Ok(source) => sources.push(Ok(source)),
            Err(ReadError::Store(error)) => errors.push(error),
            Err(ReadError::Text(reason)) => errors.push(unreadable("source", id, &reason)),
        }
    }
    Ok((sources, errors))
}

struct Row {
    id: i32,
    tenant_id: i32,
    tenant_name: String,
    name: String,
    address: String,
    rules: String,
    sealed_secret: Option<Vec<u8>>,
    sealed_old_secret: Option<Vec<u8>>,
    old_secret_until: Option<time::OffsetDateTime>,
    sealed_verify_token: Option<Vec<u8>>,
    is_deleted: bool,
    v: i64,
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

impl Row {
    fn read(self, sealer: &Sealer) -> Result<Source, ReadError> {
        let owner = SourceOwner {
            tenant: TenantId::new(self.tenant_id),
            source: SourceId::new(self.id),
        };
        let open = |sealed: Option<Vec<u8>>| {
            let Some(sealed) = sealed else {
                return Ok(None);
            };
            let bytes = sealer.open(owner, &sealed).map_err(ReadError::Store)?;
            let text = String::from_utf8(bytes)?;
            Ok::<_, ReadError>(Some(SourceSecret::parse(&text)?))
        };
        let old = open(self.sealed_old_secret)?;
        Ok(Source {
            id: owner.source,
            tenant: owner.tenant,
            tenant_name: self.tenant_name.parse()?,
            name: self.name.into(),
            address: self.address.into(),
            rules: Arc::new(serde_json::from_str(&self.rules)?),
            keys: SourceKeys {
                current: open(self.sealed_secret)?,
                old: old.zip(self.old_secret_until.map(Timestamp::from)),
                verify_token: open(self.sealed_verify_token)?,
            },
            version: ConfigVersion::new(self.v),
        })
    }
}
