//! Sources as they are kept: made, read, changed, and given new secrets.
//!
//! A secret is sealed before it gets here and is never read back by the API. A deleted source stays
//! as a row, so that every node hears of it.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::change::Change;
use super::seal::SourceOwner;
use super::{Store, StoreError};
use crate::domain::audit::{Deed, Operation};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ConfigVersion, SourceId, TenantId};
use crate::domain::source::{SourceRules, SourceSecret};
use crate::domain::tenant::TenantName;

/// What its owner may choose.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceWish {
    pub name: String,
    pub description: String,
    pub rules: SourceRules,
}

/// A source with all that the API shows of it.
#[derive(Clone, Debug)]
pub struct SourceRecord {
    pub id: SourceId,
    pub tenant: (TenantId, TenantName),
    pub wish: SourceWish,
    pub address: String,
    pub has_secret: bool,
    /// Until when the secret before is taken too.
    pub old_secret_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Secrets that come with a change.
#[derive(Clone, Debug, Default)]
pub struct GivenSecrets {
    pub secret: Option<SourceSecret>,
    pub verify_token: Option<SourceSecret>,
}

/// Which sources.
#[derive(Clone, Copy, Debug)]
pub struct SourceSelection {
    pub tenant: Option<TenantId>,
    pub after: Option<SourceId>,
    pub limit: u16,
}

/// Another source of the tenant has this name.
#[derive(Debug)]
pub struct NameTaken;

/// A change of one source under way: nobody else changes it meanwhile.
#[derive(Debug)]
pub struct SourceEdit {
    change: Change,
    pub record: SourceRecord,
}

impl Store {
    /// Makes a source with an address that nobody can guess.
    ///
    /// # Errors
    /// Where the database does not answer. `Ok(Err)`: the name is taken.
    pub async fn create_source(
        &self,
        tenant: TenantId,
        wish: &SourceWish,
        given: &GivenSecrets,
    ) -> Result<Result<(SourceId, ConfigVersion), NameTaken>, StoreError> {
        let mut change = Change::begin(&self.pool).await?;
        if is_taken(change.connection(), (tenant, None), &wish.name).await? {
            return Ok(Err(NameTaken));
        }
        let id = sqlx::query_scalar!(
            r#"select nextval(pg_get_serial_sequence('source', 'id'))::int as "id!""#
        )
        .fetch_one(change.connection())
        .await?;
        let source = SourceId::new(id);
        let owner = SourceOwner { tenant, source };
        sqlx::query!(
            "insert into source (id, tenant_id, name, description, address, rules, sealed_secret,
               sealed_verify_token, v)
             overriding system value values ($1, $2, $3, $4, $5, $6::text::json, $7, $8, $9)",
            id,
            tenant.get(),
            wish.name,
            wish.description,
            data_encoding::BASE64URL_NOPAD.encode(&self.random.bytes::<30>()),
            rules_text(&wish.rules),
            self.sealed(owner, given.secret.as_ref()),
            self.sealed(owner, given.verify_token.as_ref()),
            change.version().get()
        )
        .execute(change.connection())
        .await?;
        let deed = Deed::new(Operation::SourceCreate, tenant, source);
        let deed = deed.with(format!("verified by {}", wish.rules.verify.kind()));
        Ok(Ok((source, change.commit(&[deed]).await?)))
    }

    fn sealed(&self, owner: SourceOwner, secret: Option<&SourceSecret>) -> Option<Vec<u8>> {
        let secret = secret?;
        Some(self.sealer.seal(owner, secret.bytes(), self.random.bytes()))
    }

    /// None where there is none, or it belongs to another tenant.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn source(
        &self,
        id: SourceId,
        of: Option<TenantId>,
    ) -> Result<Option<SourceRecord>, StoreError> {
        fetch(&mut *self.pool.acquire().await?, id, of).await
    }

    /// Oldest first.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn list_sources(
        &self,
        wanted: SourceSelection,
    ) -> Result<Vec<SourceRecord>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select s.id, s.tenant_id, t.name as tenant_name, s.name, s.description, s.address,
                 s.rules::text as "rules!", s.sealed_secret is not null as "has_secret!",
                 s.old_secret_until, s.created_at, s.updated_at
               from source s join tenant t on t.id = s.tenant_id
               where s.id > $1 and s.deleted_at is null and ($2::int is null or s.tenant_id = $2)
               order by s.id limit $3"#,
            wanted.after.map_or(0, SourceId::get),
            wanted.tenant.map(TenantId::get),
            i64::from(wanted.limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Begins a change; None where there is none, or it belongs to another tenant.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn edit_source(
        &self,
        id: SourceId,
        of: Option<TenantId>,
    ) -> Result<Option<SourceEdit>, StoreError> {
        // All changes wait for each other at the version's row, so what is read stays as it is.
        let mut change = Change::begin(&self.pool).await?;
        let record = fetch(change.connection(), id, of).await?;
        Ok(record.map(|record| SourceEdit { change, record }))
    }

    /// Writes a changed wish; secrets that are not given stay as they are.
    ///
    /// # Errors
    /// Where the database does not answer. `Ok(Err)`: the name is taken.
    pub async fn save_source(
        &self,
        mut edit: SourceEdit,
        wish: &SourceWish,
        given: &GivenSecrets,
    ) -> Result<Result<ConfigVersion, NameTaken>, StoreError> {
        let (tenant, source) = (edit.record.tenant.0, edit.record.id);
        let connection = edit.change.connection();
        if is_taken(connection, (tenant, Some(source)), &wish.name).await? {
            return Ok(Err(NameTaken));
        }
        let owner = SourceOwner { tenant, source };
        sqlx::query!(
            "update source set name = $2, description = $3, rules = $4::text::json,
               sealed_secret = coalesce($5, sealed_secret),
               sealed_old_secret = case when $5 is null then sealed_old_secret end,
               old_secret_until = case when $5 is null then old_secret_until end,
               sealed_verify_token = coalesce($6, sealed_verify_token),
               updated_at = now(), v = $7
             where id = $1",
            source.get(),
            wish.name,
            wish.description,
            rules_text(&wish.rules),
            self.sealed(owner, given.secret.as_ref()),
            self.sealed(owner, given.verify_token.as_ref()),
            edit.change.version().get()
        )
        .execute(edit.change.connection())
        .await?;
        let deed = Deed::new(Operation::SourceChange, tenant, source);
        let deed = deed.with(changed(&edit.record.wish, wish, given));
        Ok(Ok(edit.change.commit(&[deed]).await?))
    }

    /// Another secret; the one before is taken too until `old_until`.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn rotate_source_secret(
        &self,
        mut edit: SourceEdit,
        secret: &SourceSecret,
        old_until: Option<Timestamp>,
    ) -> Result<ConfigVersion, StoreError> {
        let owner = SourceOwner {
            tenant: edit.record.tenant.0,
            source: edit.record.id,
        };
        sqlx::query!(
            "update source set sealed_secret = $2, updated_at = now(), v = $4,
               sealed_old_secret = case when $3::timestamptz is null then null else sealed_secret end,
               old_secret_until = case when sealed_secret is null then null else $3 end
             where id = $1",
            edit.record.id.get(),
            self.sealed(owner, Some(secret)),
            old_until.map(Timestamp::as_datetime),
            edit.change.version().get()
        )
        .execute(edit.change.connection())
        .await?;
        let deed = edit.deed(Operation::SourceRotate);
        Ok(edit.change.commit(&[deed]).await?)
    }

    /// Its address stops working on every node.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn delete_source(&self, mut edit: SourceEdit) -> Result<ConfigVersion, StoreError> {
        sqlx::query!(
            "update source set deleted_at = now(), updated_at = now(), v = $2,
               sealed_secret = null, sealed_old_secret = null, sealed_verify_token = null
             where id = $1",
            edit.record.id.get(),
            edit.change.version().get()
        )
        .execute(edit.change.connection())
        .await?;
        let deed = edit.deed(Operation::SourceDelete);
        Ok(edit.change.commit(&[deed]).await?)
    }
}

impl SourceEdit {
    fn deed(&self, operation: Operation) -> Deed {
        Deed::new(operation, self.record.tenant.0, self.record.id)
    }
}

/// What of a source becomes another, by name alone.
fn changed(old: &SourceWish, new: &SourceWish, given: &GivenSecrets) -> String {
    let members = [
        ("name", old.name != new.name),
        ("description", old.description != new.description),
        ("rules", old.rules != new.rules),
        ("secret", given.secret.is_some()),
        ("verify_token", given.verify_token.is_some()),
    ];
    super::audit::named(&members)
}

fn rules_text(rules: &SourceRules) -> String {
    serde_json::to_string(rules).expect("rules are plain data")
}

async fn is_taken(
    connection: &mut PgConnection,
    (tenant, but): (TenantId, Option<SourceId>),
    name: &str,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from source
             where tenant_id = $1 and name = $2 and deleted_at is null and id <> $3) as "found!""#,
        tenant.get(),
        name,
        but.map_or(0, SourceId::get)
    );
    Ok(found.fetch_one(connection).await?)
}

async fn fetch(
    connection: &mut PgConnection,
    id: SourceId,
    of: Option<TenantId>,
) -> Result<Option<SourceRecord>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select s.id, s.tenant_id, t.name as tenant_name, s.name, s.description, s.address,
             s.rules::text as "rules!", s.sealed_secret is not null as "has_secret!",
             s.old_secret_until, s.created_at, s.updated_at
           from source s join tenant t on t.id = s.tenant_id
           where s.id = $1 and s.deleted_at is null and ($2::int is null or s.tenant_id = $2)"#,
        id.get(),
        of.map(TenantId::get)
    )
    .fetch_optional(connection)
    .await?;
    row.map(Row::read).transpose()
}

struct Row {
    id: i32,
    tenant_id: i32,
    tenant_name: String,
    name: String,
    description: String,
    address: String,
    rules: String,
    has_secret: bool,
    old_secret_until: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    fn read(self) -> Result<SourceRecord, StoreError> {
        let unreadable = |reason: String| StoreError::Unreadable {
            table: "source",
            id: self.id.into(),
            reason,
        };
        let tenant_name = self.tenant_name.parse();
        let rules = serde_json::from_str(&self.rules);
        Ok(SourceRecord {
            id: SourceId::new(self.id),
            tenant: (
                TenantId::new(self.tenant_id),
                tenant_name.map_err(|error| unreadable(format!("{error}")))?,
            ),
            wish: SourceWish {
                rules: rules.map_err(|error| unreadable(error.to_string()))?,
                name: self.name,
                description: self.description,
            },
            address: self.address,
            has_secret: self.has_secret,
            old_secret_until: self.old_secret_until.map(Timestamp::from),
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}
