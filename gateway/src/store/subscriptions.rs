//! Subscriptions as they are kept: made, read, changed, and never quite forgotten.
//!
//! A deleted one stays as a row, because deliveries and attempts name it.

use std::time::Duration;

use sqlx::PgConnection;

use super::access::SealedSecret;
use super::change::Change;
use super::seal::Owner;
use super::subscription_row::{Columns, Row};
use super::{Store, StoreError};
use crate::domain::access::AccessWish;
use crate::domain::audit::{Deed, Operation};
use crate::domain::clock::Timestamp;
use crate::domain::filter::Filters;
use crate::domain::ids::{ConfigVersion, SubscriptionId, TenantId};
use crate::domain::pattern::TypePattern;
use crate::domain::plugin::PluginUse;
use crate::domain::secret::{Scheme, SigningKey};
use crate::domain::subscription::{DeliveryPolicy, State};
use crate::domain::target_url::TargetUrl;
use crate::domain::tenant::TenantName;
use crate::domain::verification::Verification;

/// What a subscriber may choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    pub description: String,
    pub metadata: serde_json::Map<String, serde_json::Value>,
    pub labels: Vec<String>,
    pub event_types: Vec<TypePattern>,
    pub filters: Filters,
    pub target: Option<TargetUrl>,
    pub plugins: Vec<PluginUse>,
    pub policy: DeliveryPolicy,
    pub access: AccessWish,
    pub verification: Verification,
    pub expires_at: Option<Timestamp>,
}

impl Wish {
    /// What becomes another, by name alone: values may hold what is nobody's business.
    fn changes_to(&self, new: &Self) -> String {
        super::audit::named(&[
            ("description", self.description != new.description),
            ("metadata", self.metadata != new.metadata),
            ("labels", self.labels != new.labels),
            ("event_types", self.event_types != new.event_types),
            ("filters", self.filters != new.filters),
            ("target_url", self.target != new.target),
            ("plugins", self.plugins != new.plugins),
            ("delivery", self.policy != new.policy),
            ("auth", self.access != new.access),
            ("verification", self.verification != new.verification),
            ("expires_at", self.expires_at != new.expires_at),
        ])
    }

    /// State and reason of a subscription that was just made.
    fn first_state(&self) -> (State, Option<&'static str>) {
        match self.verification {
            Verification::None => (State::Active, None),
            _ => (State::Pending, Some(UNCONFIRMED)),
        }
    }
}

/// Why a subscription is pending before anything was tried.
const UNCONFIRMED: &str = "waits for its receiver to confirm";

/// A subscription with all that the API shows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub id: SubscriptionId,
    pub tenant: (TenantId, TenantName),
    pub state: (State, Option<String>),
    pub wish: Wish,
    /// What receivers verify with, where the signature has a public key.
    pub public_key: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: ConfigVersion,
}

/// Which subscriptions are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    pub tenant: Option<TenantId>,
    pub state: Option<State>,
    /// Those that carry this label.
    pub label: Option<&'a str>,
    pub after: Option<SubscriptionId>,
    pub limit: u16,
}

/// A subscription that was just made.
#[derive(Debug)]
pub struct Created {
    pub id: SubscriptionId,
    pub key: SigningKey,
    pub version: ConfigVersion,
}

/// A subscription that was just changed.
#[derive(Debug)]
pub struct Saved {
    pub version: ConfigVersion,
    /// The new key, where the change made one.
    pub key: Option<SigningKey>,
    /// Whether its receiver has to be asked.
    pub is_unconfirmed: bool,
}

/// How long an old key goes on signing beside a new one.
pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// A change of one subscription under way: nobody else changes it meanwhile.
#[derive(Debug)]
pub struct Edit {
    change: Change,
    pub record: Record,
}

impl Store {
    /// # Errors
    /// Where the database does not answer.
    pub async fn create_subscription(
        &self,
        tenant: TenantId,
        wish: &Wish,
    ) -> Result<Created, StoreError> {
        let mut change = Change::begin(&self.pool).await?;
        let id = sqlx::query_scalar!(
            r#"select nextval(pg_get_serial_sequence('subscription', 'id'))::int as "id!""#
        )
        .fetch_one(change.connection())
        .await?;
        let id = SubscriptionId::new(id);
        let owner = Owner {
            tenant,
            subscription: id,
        };
        let (key, sealed) = self.new_key(owner, wish.policy.signature);
        let columns = Columns::of(wish);
        let (_, sealed_access) = self.sealed_access(owner, wish).column();
        let (state, reason) = wish.first_state();
        sqlx::query!(
            "insert into subscription (id, tenant_id, state, description, metadata, labels,
               event_types, target_url, plugins, delivery, sealed_secret, v, filters, secret_scheme,
               public_key, verification, expires_at, state_reason, access, sealed_access)
             overriding system value
             values ($1, $2, $15, $3, $4::text::jsonb, $5, $6, $7, $8::text::jsonb,
               $9::text::jsonb, $10, $11, $12::text::json, $13, $14, $16, $17, $18,
               $19::text::jsonb, $20)",
            id.get(),
            tenant.get(),
            wish.description,
            columns.metadata,
            &wish.labels,
            &columns.event_types,
            columns.target_url,
            columns.plugins,
            columns.delivery,
            sealed,
            change.version().get(),
            wish.filters.as_json(),
            key.scheme().as_str(),
            key.public(),
            state.as_str(),
            wish.verification.as_str(),
            wish.expires_at.map(Timestamp::as_datetime),
            reason,
            columns.access,
            sealed_access
        )
        .execute(change.connection())
        .await?;
        let deed = Deed::new(Operation::SubscriptionCreate, tenant, id);
        let version = change.commit(&[deed]).await?;
        Ok(Created { id, key, version })
    }

    fn sealed_access(&self, owner: Owner, wish: &Wish) -> SealedSecret {
        let nonce = || self.random.bytes();
        SealedSecret::of(&wish.access, (&self.sealer, owner), nonce)
    }

    fn new_key(&self, owner: Owner, scheme: Scheme) -> (SigningKey, Vec<u8>) {
        let key = SigningKey::new(scheme, self.random.bytes());
        let sealed = self.sealer.seal(owner, key.bytes(), self.random.bytes());
        (key, sealed)
    }

    /// None where there is none, or it belongs to another tenant.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn subscription(
        &self,
        id: SubscriptionId,
        of: Option<TenantId>,
    ) -> Result<Option<Record>, StoreError> {
        let record = fetch(&mut *self.pool.acquire().await?, id, of).await?;
        self.catch_up(record.as_slice()).await?;
        Ok(record)
    }

    /// What this node shows it also applies: events that are sent after somebody has read of a
    /// change are matched by it.
    async fn catch_up(&self, shown: &[Record]) -> Result<(), StoreError> {
        let newest = shown.iter().map(|record| record.version).max();
        if newest.is_some_and(|newest| newest > self.catalog.version()) {
            self.feed.refresh().await?;
        }
        Ok(())
    }

    /// Oldest first.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn list_subscriptions(
        &self,
        wanted: Selection<'_>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select s.id, s.tenant_id, t.name as tenant_name, s.state, s.state_reason,
                 s.description, s.metadata::text as "metadata!", s.labels, s.event_types,
                 s.filters::text as "filters!", s.target_url, s.plugins::text as "plugins!", s.delivery::text as "delivery!", s.access::text as "access!",
                 s.public_key, s.verification, s.expires_at, s.created_at, s.updated_at, s.v
               from subscription s join tenant t on t.id = s.tenant_id
               where s.id > $1 and s.state <> 'deleted' and ($2::int is null or s.tenant_id = $2)
                 and ($3::text is null or s.state = $3)
                 and ($5::text is null or $5 = any(s.labels))
               order by s.id limit $4"#,
            wanted.after.map_or(0, SubscriptionId::get),
            wanted.tenant.map(TenantId::get),
            wanted.state.map(State::as_str),
            i64::from(wanted.limit),
            wanted.label
        )
        .fetch_all(&self.pool)
        .await?;
        let records: Vec<Record> = rows.into_iter().map(Row::read).collect::<Result<_, _>>()?;
        self.catch_up(&records).await?;
        Ok(records)
    }

    /// Begins a change; None where there is none, or it belongs to another tenant.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn edit_subscription(
        &self,
        id: SubscriptionId,
        of: Option<TenantId>,
    ) -> Result<Option<Edit>, StoreError> {
        // All changes wait for each other at the version's row, so what is read stays as it is.
        let mut change = Change::begin(&self.pool).await?;
        let record = fetch(change.connection(), id, of).await?;
        Ok(record.map(|record| Edit { change, record }))
    }

    /// A new key; the old one signs beside it until `old_until`.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn rotate_secret(
        &self,
        mut edit: Edit,
        old_until: Option<Timestamp>,
    ) -> Result<(SigningKey, ConfigVersion), StoreError> {
        let scheme = edit.record.wish.policy.signature;
        let key = self.renew_key(&mut edit, scheme, old_until).await?;
        let deed = edit.deed(Operation::SubscriptionRotate);
        Ok((key, edit.change.commit(&[deed]).await?))
    }

    /// Writes a changed wish. Another kind of signature needs another key; the old one signs
    /// beside it for a day.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn save_subscription(
        &self,
        mut edit: Edit,
        wish: &Wish,
    ) -> Result<Saved, StoreError> {
        let scheme = wish.policy.signature;
        let key = if scheme == edit.record.wish.policy.signature {
            None
        } else {
            let old_until = self.clock.now().plus(DEFAULT_OVERLAP);
            let renewed = self.renew_key(&mut edit, scheme, Some(old_until)).await?;
            Some(renewed)
        };
        let owner = Owner {
            tenant: edit.record.tenant.0,
            subscription: edit.record.id,
        };
        let sealed_access = self.sealed_access(owner, wish);
        let is_unconfirmed = edit.write(wish, sealed_access, self.clock.now()).await?;
        let deed = edit.deed(Operation::SubscriptionChange);
        let deed = deed.with(edit.record.wish.changes_to(wish));
        let version = edit.change.commit(&[deed]).await?;
        Ok(Saved {
            version,
            key,
            is_unconfirmed,
        })
    }

    async fn renew_key(
        &self,
        edit: &mut Edit,
        scheme: Scheme,
        old_until: Option<Timestamp>,
    ) -> Result<SigningKey, StoreError> {
        let owner = Owner {
            tenant: edit.record.tenant.0,
            subscription: edit.record.id,
        };
        let (key, sealed) = self.new_key(owner, scheme);
        sqlx::query!(
            "update subscription set sealed_secret = $2, updated_at = now(), v = $4,
               secret_scheme = $5, public_key = $6,
               sealed_old_secret = case when $3::timestamptz is null then null else sealed_secret end,
               old_secret_scheme = case when $3::timestamptz is null then null else secret_scheme end,
               old_secret_until = $3
             where id = $1",
            edit.record.id.get(),
            sealed,
            old_until.map(Timestamp::as_datetime),
            edit.change.version().get(),
            key.scheme().as_str(),
            key.public()
        )
        .execute(edit.change.connection())
        .await?;
        Ok(key)
    }
}

impl Edit {
    fn deed(&self, operation: Operation) -> Deed {
        Deed::new(operation, self.record.tenant.0, self.record.id)
    }

    /// What becomes of the state: another target, or another way to consent, has to be asked anew;
    /// what had ended goes on where it was renewed.
    fn next_state(&self, wish: &Wish, now: Timestamp) -> (State, Option<String>) {
        let (state, reason) = &self.record.state;
        let old = &self.record.wish;
        let is_new = wish.target != old.target || wish.verification != old.verification;
        let is_renewed = wish.expires_at.is_none_or(|until| until > now);
        match state {
            _ if is_new && wish.verification != Verification::None => {
                (State::Pending, Some(UNCONFIRMED.to_owned()))
            }
            State::Pending if wish.verification == Verification::None => (State::Active, None),
            State::Expired if is_renewed => (State::Active, None),
            _ => (*state, reason.clone()),
        }
    }

    /// Says whether the receiver has to be asked.
    async fn write(
        &mut self,
        wish: &Wish,
        sealed_access: SealedSecret,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (is_new_access, sealed_access) = sealed_access.column();
        let (state, reason) = self.next_state(wish, now);
        let is_unconfirmed = state == State::Pending && reason.as_deref() == Some(UNCONFIRMED);
        let columns = Columns::of(wish);
        sqlx::query!(
            "update subscription set description = $2, metadata = $3::text::jsonb, labels = $4,
               event_types = $5, target_url = $6, plugins = $7::text::jsonb,
               delivery = $8::text::jsonb, filters = $10::text::json, updated_at = now(), v = $9,
               verification = $11, expires_at = $12, state = $13, state_reason = $14,
               allowed_rate = case when $13 = 'pending' then null else allowed_rate end,
               access = $15::text::jsonb,
               sealed_access = case when $16 then $17 else sealed_access end
             where id = $1",
            self.record.id.get(),
            wish.description,
            columns.metadata,
            &wish.labels,
            &columns.event_types,
            columns.target_url,
            columns.plugins,
            columns.delivery,
            self.change.version().get(),
            wish.filters.as_json(),
            wish.verification.as_str(),
            wish.expires_at.map(Timestamp::as_datetime),
            state.as_str(),
            reason,
            columns.access,
            is_new_access,
            sealed_access
        )
        .execute(self.change.connection())
        .await?;
        Ok(is_unconfirmed)
    }

    /// # Errors
    /// Where the database does not answer.
    pub async fn save_state(
        mut self,
        state: State,
        reason: Option<&str>,
    ) -> Result<ConfigVersion, StoreError> {
        sqlx::query!(
            "update subscription set state = $2, state_reason = $3, updated_at = now(), v = $4
             where id = $1",
            self.record.id.get(),
            state.as_str(),
            reason,
            self.change.version().get()
        )
        .execute(self.change.connection())
        .await?;
        let deed = self.deed(match state {
            State::Active => Operation::SubscriptionResume,
            State::Paused => Operation::SubscriptionPause,
            State::Disabled => Operation::SubscriptionDisable,
            State::Expired => Operation::SubscriptionExpire,
            State::Deleted => Operation::SubscriptionDelete,
            State::Pending => Operation::SubscriptionChange,
        });
        let deed = deed.with(reason.unwrap_or_default());
        Ok(self.change.commit(&[deed]).await?)
    }
}

async fn fetch(
    connection: &mut PgConnection,
    id: SubscriptionId,
    of: Option<TenantId>,
) -> Result<Option<Record>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select s.id, s.tenant_id, t.name as tenant_name, s.state, s.state_reason, s.description,
             s.metadata::text as "metadata!", s.labels, s.event_types,
             s.filters::text as "filters!", s.target_url, s.plugins::text as "plugins!", s.delivery::text as "delivery!", s.access::text as "access!",
             s.public_key, s.verification, s.expires_at, s.created_at, s.updated_at, s.v
           from subscription s join tenant t on t.id = s.tenant_id
           where s.id = $1 and s.state <> 'deleted' and ($2::int is null or s.tenant_id = $2)"#,
        id.get(),
        of.map(TenantId::get)
    )
    .fetch_optional(connection)
    .await?;
    row.map(Row::read).transpose()
}
