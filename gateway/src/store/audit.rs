//! The audit log: entries are added with the change they tell of, read by pages, and never changed.
//!
//! Who acts is known to the task that serves a request ([`acting`]), as a span is: so no handler has to
//! hand it down, and none can forget it. What runs in no such task is the gateway itself.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::{PgConnection, Postgres, Transaction};
use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::domain::audit::{Actor, AuditResult, Deed, Doer, plain};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AuditId, KeyId, TenantId};
use crate::domain::key::Caller;

const MAX_OBJECT_CHARS: usize = 200;
const MAX_DETAIL_CHARS: usize = 500;
/// Entries that one sweep takes in one transaction.
const SWEPT_AT_ONCE: i64 = 10_000;

tokio::task_local! {
    static ACTING: Acting;
}

/// Somebody whose request is served: the address at once, the key when it has been looked at.
#[derive(Clone, Debug)]
pub struct Acting {
    address: Option<IpAddr>,
    who: Arc<OnceLock<(Actor, Option<TenantId>)>>,
}

impl Acting {
    #[must_use]
    pub fn from_address(address: Option<IpAddr>) -> Self {
        Self {
            address,
            who: Arc::default(),
        }
    }

    fn doer(&self) -> Doer {
        Doer {
            actor: self.who.get().map_or(Actor::Keyless, |(actor, _)| *actor),
            address: self.address,
        }
    }

    fn bound_to(&self) -> Option<TenantId> {
        self.who.get().and_then(|(_, tenant)| *tenant)
    }
}

/// What the running task does from here on is done by `caller`; the first one stays.
pub fn this_is(caller: &Caller) {
    let actor = match caller.key {
        Some(key) => Actor::Key(key, caller.role),
        None => Actor::FirstKey(caller.role),
    };
    // Outside of a request there is nobody to tell.
    let tenant = caller.bound_to.as_ref().map(|(id, _)| *id);
    let _ = ACTING.try_with(|acting| acting.who.set((actor, tenant)));
}

/// In whose name the running task acts.
#[must_use]
pub fn here() -> Acting {
    let acting = ACTING.try_with(Clone::clone);
    acting.unwrap_or_else(|_| Acting::from_address(None))
}

/// Does `work` in the name of `acting`.
pub async fn acting<Work: Future>(acting: Acting, work: Work) -> Work::Output {
    ACTING.scope(acting, work).await
}

/// The names of the members that become others.
pub(super) fn named(members: &[(&str, bool)]) -> String {
    let changed = members.iter().filter(|(_, is_changed)| *is_changed);
    let names: Vec<&str> = changed.map(|(name, _)| *name).collect();
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}

fn doer() -> Doer {
    ACTING.try_with(Acting::doer).unwrap_or(Doer {
        actor: Actor::Gateway,
        address: None,
    })
}

/// Adds entries in the caller's transaction.
pub(super) async fn write(
    connection: &mut PgConnection,
    deeds: &[Deed],
) -> Result<(), sqlx::Error> {
    add(connection, (doer(), AuditResult::Done), deeds).await
}

async fn add(
    connection: &mut PgConnection,
    (doer, result): (Doer, AuditResult),
    deeds: &[Deed],
) -> Result<(), sqlx::Error> {
    // Tenant 0 is that of things shared by all.
    let tenant = |deed: &Deed| deed.tenant.map_or(0, TenantId::get);
    let tenants: Vec<i32> = deeds.iter().map(tenant).collect();
    let column = |text: &dyn Fn(&Deed) -> String| deeds.iter().map(text).collect::<Vec<String>>();
    let operations = column(&|deed| deed.operation.as_str().to_owned());
    let objects = column(&|deed| plain(&deed.object, MAX_OBJECT_CHARS));
    let details = column(&|deed| plain(&deed.detail, MAX_DETAIL_CHARS));
    sqlx::query!(
        "insert into audit (actor, key_id, role, address, result, tenant_id, operation, object, detail)
         select $1, $2, $3, $4::text::inet, $5, nullif(w.tenant_id, 0), w.operation, w.object, w.detail
         from unnest($6::int[], $7::text[], $8::text[], $9::text[]) as w (tenant_id, operation, object, detail)",
        doer.actor.as_str(),
        doer.actor.key().map(KeyId::get),
        doer.actor.role().map(|role| role.as_str()),
        doer.address.map(|address| address.to_canonical().to_string()),
        result.as_str(),
        &tenants,
        &operations,
        &objects,
        &details
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How many refusals are written: a hundred at once, two a second for long.
#[derive(Debug)]
pub(super) struct Refusals {
    room: f64,
    at: Timestamp,
    unwritten: u64,
}

impl Refusals {
    const AT_ONCE: f64 = 100.0;
    const PER_SECOND: f64 = 2.0;

    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            room: Self::AT_ONCE,
            at: now,
            unwritten: 0,
        }
    }

    /// Whether one is written; then also how many were not since the last one.
    fn admit(&mut self, now: Timestamp) -> Option<u64> {
        let more = now.since(self.at).as_secs_f64() * Self::PER_SECOND;
        self.room = (self.room + more).min(Self::AT_ONCE);
        self.at = now;
        if self.room < 1.0 {
            self.unwritten += 1;
            return None;
        }
        self.room -= 1.0;
        Some(std::mem::take(&mut self.unwritten))
    }
}

/// An entry as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: AuditId,
    pub at: Timestamp,
    pub actor: String,
    pub key: Option<KeyId>,
    pub role: Option<String>,
    pub address: Option<String>,
    pub tenant: Option<String>,
    pub operation: String,
    pub object: String,
    pub result: AuditResult,
    pub detail: String,
}

/// Which entries, newest first.
#[derive(Clone, Debug)]
pub struct AuditSelection {
    pub tenant: Option<TenantId>,
    pub key: Option<KeyId>,
    /// An operation, or what it is about: `key` is all of `key.create` and `key.revoke`.
    pub operation: Option<String>,
    pub object: Option<String>,
    pub result: Option<AuditResult>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub after: Option<AuditId>,
    pub limit: u16,
}

impl Store {
    /// A transaction whose last statement writes down what it did.
    pub(super) async fn audited(&self) -> Result<Audited, sqlx::Error> {
        Ok(Audited(self.pool.begin().await?))
    }

    /// Writes down what was done where there is no transaction of the store's to do it in: a change of
    /// the log, which has committed.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn note(&self, deed: Deed) -> Result<(), StoreError> {
        Ok(write(&mut *self.pool.acquire().await?, &[deed]).await?)
    }

    /// Writes down what was refused, and to whom. Whoever is refused again and again cannot fill the log
    /// with it: beyond two a second they are only counted, and the next entry says how many there were.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn note_refused(&self, acting: &Acting, mut deed: Deed) -> Result<(), StoreError> {
        let Some(unwritten) = self.refusals.lock().admit(self.clock.now()) else {
            return Ok(());
        };
        if unwritten > 0 {
            let words = format!(
                "{}; {unwritten} refusals before it were only counted",
                deed.detail
            );
            deed.detail = words;
        }
        deed.tenant = deed.tenant.or(acting.bound_to());
        let mut connection = self.pool.acquire().await?;
        let whose = (acting.doer(), AuditResult::Refused);
        Ok(add(&mut connection, whose, &[deed]).await?)
    }

    /// # Errors
    /// Where the database does not answer.
    pub async fn list_audit(&self, wanted: &AuditSelection) -> Result<Vec<Entry>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select a.id, a.at, a.actor, a.key_id, a.role, host(a.address) as address,
                 t.name as "tenant?", a.operation, a.object, a.result, a.detail
               from audit a left join tenant t on t.id = a.tenant_id
               where ($1::int is null or a.tenant_id = $1) and ($2::int is null or a.key_id = $2)
                 and ($3::text is null or a.operation = $3 or starts_with(a.operation, $3 || '.'))
                 and ($4::text is null or a.object = $4) and ($5::text is null or a.result = $5)
                 and ($6::timestamptz is null or a.at >= $6) and ($7::timestamptz is null or a.at < $7)
                 and ($8::bigint is null or a.id < $8)
               order by a.id desc limit $9"#,
            wanted.tenant.map(TenantId::get),
            wanted.key.map(KeyId::get),
            wanted.operation,
            wanted.object,
            wanted.result.map(AuditResult::as_str),
            wanted.since.map(Timestamp::as_datetime),
            wanted.until.map(Timestamp::as_datetime),
            wanted.after.map(AuditId::get),
            i64::from(wanted.limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Deletes entries older than `kept`, a bounded number at once. Says how many that was.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn sweep_audit(&self, kept: Duration) -> Result<u64, StoreError> {
        let swept = sqlx::query!(
            "delete from audit where id in (
               select id from audit where at < now() - make_interval(secs => $1) order by at limit $2)",
            kept.as_secs_f64(),
            SWEPT_AT_ONCE
        )
        .execute(&self.pool)
        .await?;
        Ok(swept.rows_affected())
    }
}

/// A change under way that is none of the configuration; dropped without [`Audited::commit`], nothing
/// happened.
pub(super) struct Audited(Transaction<'static, Postgres>);

impl Audited {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.0
    }

    pub(super) async fn commit(mut self, deed: Deed) -> Result<(), sqlx::Error> {
        write(&mut self.0, &[deed]).await?;
        self.0.commit().await
    }
}

struct Row {
    id: i64,
    at: OffsetDateTime,
    actor: String,
    key_id: Option<i32>,
    role: Option<String>,
    address: Option<String>,
    tenant: Option<String>,
    operation: String,
    object: String,
    result: String,
    detail: String,
}

impl Row {
    fn read(self) -> Result<Entry, StoreError> {
        let result = self.result.parse().map_err(|_| StoreError::Unreadable {
            table: "audit",
            id: self.id,
            reason: self.result.clone(),
        })?;
        Ok(Entry {
            id: AuditId::new(self.id),
            at: self.at.into(),
            actor: self.actor,
            key: self.key_id.map(KeyId::new),
            role: self.role,
            address: self.address,
            tenant: self.tenant,
            operation: self.operation,
            object: self.object,
            result,
            detail: self.detail,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_beyond_what_is_written_are_counted() {
        let at = |ms: i64| Timestamp::from_ms(1_700_000_000_000 + ms);
        let mut refusals = Refusals::new(at(0));
        let written = (0..500).filter(|_| refusals.admit(at(0)).is_some()).count();
        assert_eq!(written, 100);
        assert_eq!(refusals.admit(at(1000)), Some(400));
        assert_eq!(refusals.admit(at(1000)), Some(0));
        assert_eq!(refusals.admit(at(1000)), None);
        assert_eq!(refusals.admit(at(3_600_000)), Some(1));
    }

    #[tokio::test]
    async fn who_acts_is_known_where_a_request_is_served_and_nowhere_else() {
        let caller = |key| Caller {
            key,
            role: crate::domain::key::Role::Viewer,
            bound_to: None,
        };
        assert_eq!(doer().actor, Actor::Gateway);
        let address = "192.0.2.7".parse().ok();
        acting(Acting::from_address(address), async {
            assert_eq!(doer().actor, Actor::Keyless);
            this_is(&caller(Some(KeyId::new(7))));
            this_is(&caller(None));
            let known = doer();
            assert_eq!(known.actor.key(), Some(KeyId::new(7)));
            assert_eq!(known.address, address);
        })
        .await;
        assert_eq!(doer().address, None);
    }
}
